"""Listeners of the user's own: in a file, in Python, and what a broken or slow one does to a search."""

import json
import time

import pytest
from fakes import TABLE, interrupted_at
from places import MACRO_TABLE, ROOT

import nas as package
from nas import open_run
from nas.spec.trial import Trial
from nas.trackers.aside import Aside, Listeners
from nas.trackers.run_tracker import RunTracker
from search_spaces import ArchSpec

OWN = ["--track", "own.py:Lines"]


@pytest.fixture
def own(tmp_path):
    """The example's file, which leaves a mark whenever it runs."""
    mark = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"
    (tmp_path / "own.py").write_text(f"{(ROOT / 'examples' / 'my_tracker.py').read_text()}\n{mark}\n")
    return tmp_path / "own.py"


def lines(run):
    """What the example wrote."""
    return [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]


def test_a_tracker_of_ones_own_is_told_each_trial_once_also_of_a_resumed_run(nas, own, tmp_path, monkeypatch):
    with interrupted_at(monkeypatch, 7):
        assert nas("search", *TABLE, *OWN, "--trials", 12, "--run", "a")[0] == 130
    assert len(lines(tmp_path / "a")) == 7
    (tmp_path / "ran").unlink()
    code, _, err = nas("resume", "a")
    assert (code, err) == (2, f"nas: --trust-code must be given to run the code of {own}:Lines\n")
    assert nas("report", "a")[0] == 0
    assert not (tmp_path / "ran").exists()
    code, out, err = nas("resume", "a", "--trust-code")
    assert (code, err) == (0, "")
    assert "is left out" not in out
    trials = open_run("a").trials()
    assert [(one["trial"], one["accuracy"]) for one in lines(tmp_path / "a")] == list(
        enumerate(trials["accuracy"])
    )
    config = open_run("a").config
    assert (config["track"], len(config["files"]["track"])) == ([f"{own}:Lines"], 64)
    assert config["files"]["track"] in (tmp_path / "a" / "report.html").read_text()


def test_a_changed_tracker_is_refused_and_none_goes_on_without(nas, own, tmp_path, monkeypatch):
    with interrupted_at(monkeypatch, 7):
        assert nas("search", *TABLE, *OWN, "--trials", 12, "--run", "a")[0] == 130
    own.write_text(own.read_text() + "\n")
    code, _, err = nas("resume", "a", "--trust-code")
    assert (code, err) == (
        2,
        f"nas: --track must be the code that the run began with, got another in {own}\n",
    )
    assert nas("resume", "a", "--track", "none")[0] == 0
    assert len(lines(tmp_path / "a")) == 7


WRONG = {
    "Lines = 3": "--track must be a nas.Listener, or make one, got int: own.py:Lines",
    "def Lines(): 1 / 0": "--track must be made by Lines() without an error, got ZeroDivisionError (division",
    "Line = 3": "--track: unknown name 'Lines'",
}


def test_a_file_without_a_name_is_one_line(nas, own):
    code, _, err = nas("search", *TABLE, "--track", "own.py", "--run", "a")
    assert (code, err) == (2, "nas: --track must read FILE.py:NAME, got own.py\n")


@pytest.mark.parametrize("text", WRONG)
def test_a_file_without_a_listener_is_one_line(nas, tmp_path, text):
    (tmp_path / "own.py").write_text(text)
    code, _, err = nas("search", *TABLE, *OWN, "--run", "a")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: {WRONG[text]}"), err
    assert not (tmp_path / "a").exists()


class Broken(package.Listener):
    def on_finish(self, row, outcome, standing):
        raise OSError(28, "No space left on device")


class Told(package.Listener):
    def __init__(self):
        self.events = []

    def on_made(self, directory):
        self.events.append(directory.name)

    def on_start(self, settings, finished, standing):
        self.events.append(settings.space)

    def on_finish(self, row, outcome, standing):
        self.events.append(row.trial)

    def on_end(self, directory, how):
        self.events.append(how)


def test_python_takes_a_listener_and_one_that_fails_costs_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    told = Told()
    table = {"space": "nasbench-macro", "evaluator": f"table:{MACRO_TABLE}"}
    run = package.search(**table, trials=5, track=[Broken(), told], run="a")
    assert told.events == ["a", "nasbench-macro", 0, 1, 2, 3, 4, "done"]
    line = "Tracker Broken is left out from here on: OSError ([Errno 28] No space left on device)"
    assert capsys.readouterr().out.count(line) == 1
    assert run.config["track"] == []
    assert "--track" not in run.config["command"]
    again = Told()
    package.search(**table, trials=5, track=again, run="b", quiet=True)
    assert again.events[1:] == told.events[1:]
    with pytest.raises(
        package.InputError, match=r"^track must be a text, a nas.Listener or a list of these, got 3"
    ):
        package.search(**table, track=3)


class Hanging(package.Listener):
    def on_finish(self, row, outcome, standing):
        time.sleep(60)


def test_a_search_neither_waits_for_a_tracker_nor_for_ever_at_its_end(nas):
    said = []
    screen = Told()
    screen.say = said.append
    listener = Listeners(screen, [Aside("hanging", Hanging(), patience=0.3)])
    began = time.monotonic()
    for trial in range(3):
        listener.on_finish(type("Row", (), {"trial": trial}), None, None)
    assert screen.events == [0, 1, 2]
    listener.close()
    assert time.monotonic() < began + 10
    assert said == ["Tracker hanging is left out from here on: it has not answered for 0.3 s"]


def test_a_baseline_from_a_file_elsewhere_is_no_path_of_a_tracker():
    arch = ArchSpec.parse("res32-silu-stem8-mb1_r1_k3_s1_c8-head32")
    tracker = RunTracker("none", None)
    trial = Trial(0, arch, 17, confirms=True, baseline="../weights/lite0.pth x 0.75")
    assert tracker._name(trial) == "-weights-lite0.pth-x-0.75-seed-17"
