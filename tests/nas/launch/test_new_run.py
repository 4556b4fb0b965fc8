"""A new run is there whole or not at all, and no two runs get the same directory."""

import os
import shutil
import signal
import sys
import time
from types import SimpleNamespace

import pytest
from fakes import TABLE

from nas import open_run
from nas.errors import InputError
from nas.launch import new_run
from nas.launch.new_run import LEFT, PREFIX, Place, make

OPTIONS = ["--trials", 3, "--controller", "random", "-q"]
SEARCH = ["search", *TABLE, *OPTIONS]
STEPS = ("new_run.py", "launch.py", "journal.py", "storage.py", "files.py", "config.py", "run_db.py")
"""The files whose lines are the instants at which a process is killed while it makes a run."""


def killed_at(step, number, work):
    """Does ``work`` in a child that sends itself a signal at its ``step``-th line; its exit code."""
    child = os.fork()
    if not child:
        lines = 0

        def count(frame, event, _):
            nonlocal lines
            if not frame.f_code.co_filename.endswith(STEPS):
                return None
            lines += event == "line"
            if lines == step and event == "line":
                os.kill(os.getpid(), number)
            return count

        signal.signal(signal.SIGTERM, signal.default_int_handler)
        sys.settrace(count)
        try:
            work()
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


AUDIT = ["audit", "--networks", 2, "--seeds", 2, "--long", "epochs=2", "--address", "inline"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)])
@pytest.mark.parametrize("arguments", [SEARCH, AUDIT], ids=["search", "audit"])
def test_a_process_that_is_killed_while_it_makes_a_run_leaves_a_whole_one_or_none(
    nas, tmp_path, monkeypatch, number, code, arguments
):
    asked = []
    monkeypatch.setattr("nas.runs.config.environment", dict)  # it asks other programs, which takes long
    with monkeypatch.context() as stopped:
        stopped.setattr("nas.launch.launch.make", lambda *given: asked.append(given) or sys.exit())
        nas(*arguments, "--run", "r")
    run, outcomes, step = tmp_path / "r", [], 1

    def leaves_one_or_none(step):
        """Whether the process was killed before it had made a run; then what it leaves is looked at."""
        ended = killed_at(step, number, lambda: make(*asked[0]))
        if not ended:
            shutil.rmtree(run)
            return False
        assert ended == code, step
        left = {path.name for path in tmp_path.iterdir()}
        assert all(name == "r" or (number == signal.SIGKILL and name.startswith(PREFIX)) for name in left)
        outcomes.append(run.exists())
        if run.exists():
            assert len(open_run(run).trials()) == 0
            assert open_run(run).settings.trials > 0
            if arguments is SEARCH and outcomes.count(True) == 1:
                assert nas("resume", "r")[0] == 0
                assert len(open_run(run).trials()) == 3
            if arguments is AUDIT:
                assert len(open_run(run / "long").trials()) == 0
        for path in tmp_path.iterdir():
            shutil.rmtree(path)
        return True

    stride = 11 if arguments is SEARCH else 17
    while leaves_one_or_none(step):
        step += stride
    for last in range(step - stride + 1, step):  # there are only a few instants after a run is made
        leaves_one_or_none(last)
    assert len(outcomes) > 20
    assert set(outcomes) == {True, False}
    make(*asked[0])
    assert open_run(run).trials().empty


def test_what_killed_processes_left_is_removed_when_it_is_old(nas, tmp_path):
    old, new = tmp_path / f"{PREFIX}old", tmp_path / f"{PREFIX}new"
    for directory in (old, new):
        directory.mkdir()
    os.utime(old, (time.time() - 2 * LEFT,) * 2)
    assert nas(*SEARCH, "--run", "r")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"r", new.name}


def at(moment):
    """A clock for names that stands still."""
    return SimpleNamespace(strftime=lambda _: moment, time=time.time)


def test_runs_that_begin_in_the_same_second_have_different_names(nas, tmp_path, monkeypatch):
    monkeypatch.setattr(new_run, "time", at("20261126-080000"))
    for _ in range(3):
        assert nas(*SEARCH)[0] == 0
    for _ in range(2):
        assert nas("scale", "--preset", "efficientnet", "-q")[0] == 0
    first = "20261126-080000-nasbench-macro"
    scaled = "20261126-080000-scale"
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {first, f"{first}-2", f"{first}-3", scaled, f"{scaled}-2"}


def test_processes_that_make_runs_at_the_same_instant_all_get_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new_run, "time", at("now"))
    start, children = time.time() + 0.3, []
    for number in range(8):
        if not (child := os.fork()):
            while time.time() < start:
                pass
            make(Place(None, "x"), lambda directory, n=number: (directory / "who").write_text(str(n)))
            os._exit(0)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 8
    made = sorted((tmp_path / "runs").iterdir())
    assert [path.name for path in made] == ["now-x", *(f"now-x-{number}" for number in range(2, 9))]
    assert sorted((path / "who").read_text() for path in made) == list("01234567")


def test_of_processes_that_ask_for_the_same_name_one_gets_it(tmp_path):
    children = []
    for number in range(8):
        if not (child := os.fork()):
            try:
                make(Place(tmp_path / "r", ""), lambda path, n=number: (path / "who").write_text(str(n)))
            except InputError:
                os._exit(2)
            os._exit(0)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [0] + [2] * 7
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_plan_makes_no_directory(nas, tmp_path):
    assert nas("plan", *TABLE)[0] == 0
    assert list(tmp_path.iterdir()) == []
