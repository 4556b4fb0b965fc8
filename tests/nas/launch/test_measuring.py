"""A search on a device that measures each network before its training."""

import json
import sqlite3
import sys
import threading
import time

import pytest
from fakes import TABLE, Fake, few_images

from nas import open_run
from nas.deploy.device import Conditions
from nas.errors import InputError
from nas.launch.measuring import Measuring, NotMeasured, turn
from nas.launch.resume import Again, resume
from nas.spec.init import Init
from nas.spec.listener import Listener
from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.settings import Settings
from nas.spec.source import source_settings
from nas.spec.targets import Target
from nas.spec.task import Task
from nas.spec.trial import Outcome, Trial, steps
from search_spaces import PRESETS, SPACES

SPACE = SPACES["nasbench-macro"]
SEARCH = ["search", *TABLE, "--trials", 3, "--seed", 1, "-q"]
TARGET = ["--target", "latency=1ms^-0.5"]
ARCH = SPACE.decode([0] * 8)


@pytest.fixture
def board(tmp_path):
    """A program that plays a board: a network is as slow as its file is large; it refuses ``limit`` bytes."""
    (tmp_path / "limit").write_text("1e9")
    (tmp_path / "board.py").write_text(
        "import pathlib, sys\n"
        "size = pathlib.Path(sys.argv[1]).stat().st_size\n"
        f"limit = float(pathlib.Path({str(tmp_path)!r}, 'limit').read_text())\n"
        "if size > limit:\n"
        "    sys.exit(f'no room for {size} bytes')\n"
        "print(size / 1e6)\n"
    )
    return ["--device", f"command:{sys.executable} board.py {{onnx}}"]


def test_a_search_measures_each_network_on_this_machine(nas):
    code, _, err = nas(*SEARCH, "--device", "cpu", *TARGET, "--run", "r")
    assert (code, err) == (0, "")
    run = open_run("r")
    trials, settings = run.trials(), run.settings
    assert settings.reference_ms > 0
    assert (trials["latency"] > 0).all()
    # A network of 32 px takes a small part of what EfficientNet-Lite0 takes at 224 px.
    assert (trials["latency"] < settings.reference_ms).all()
    rewards = trials["accuracy"] * trials["latency"] ** -0.5
    assert list(trials["reward"]) == pytest.approx(list(rewards))


def test_a_program_measures_and_what_it_refuses_is_a_failed_trial(nas, board, tmp_path):
    assert nas(*SEARCH, *board, *TARGET, "--run", "r") == (0, "", "")
    sizes = open_run("r").trials()["latency"]
    (tmp_path / "limit").write_text(str(sorted(sizes)[1] * 1e6))
    code, _, err = nas(*SEARCH, "--controller", "random", *board, *TARGET, "--run", "again")
    assert (code, err) == (0, "")
    trials = open_run("again").trials()
    failed = trials[trials["status"] == "failed"]
    assert 0 < len(failed) < len(trials)
    assert failed["error"].str.startswith("NotMeasured: device command must succeed (exit code 1: no ").all()
    assert failed["accuracy"].isna().all()


def test_a_program_that_fails_at_once_is_refused_before_anything_is_made(nas, board, tmp_path):
    (tmp_path / "limit").write_text("1")
    code, _, err = nas(*SEARCH, *board, *TARGET, "--run", "r")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: --device command must succeed (exit code 1: no room for ")
    assert not (tmp_path / "r").exists()


def test_a_program_that_hangs_fails_its_trial_within_the_time_limit():
    device = f"command:{sys.executable} -c 'import time; time.sleep(60)' {{onnx}}"
    measuring = Measuring(Fake(), device, Conditions(timeout=0.3, seconds=0.1))
    began = time.monotonic()
    *_, outcome = steps(measuring, Trial(0, ARCH, 0), "here")
    assert time.monotonic() - began < 20
    assert isinstance(outcome, Outcome)
    assert outcome.error.startswith("NotMeasured: device command must end within 0.3 s, the timeout: ")


def test_a_network_that_is_trained_again_is_not_measured_again(board, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    measuring = Measuring(Fake(), board[1], Conditions())
    known = {
        name: [*steps(measuring, trial, "here")][-1].measures
        for name, trial in {
            "first": Trial(0, ARCH, 0),
            "again": Trial(0, ARCH, 1, confirms=True),
            "baseline": Trial(0, ARCH, 1, confirms=True, baseline="known"),
        }.items()
    }
    assert known["first"] == known["baseline"] != {}
    assert known["again"] == {}


def test_a_program_of_a_run_is_run_again_only_for_who_trusts_it(nas, board, tmp_path):
    assert nas(*SEARCH, *board, *TARGET, "--run", "r") == (0, "", "")
    with sqlite3.connect("r/run.db") as db:  # as if it had been killed during the last trial
        db.execute("DELETE FROM events WHERE event = (SELECT max(event) FROM events)")
        db.execute("UPDATE trials SET status = 'running', accuracy = NULL, latency = NULL WHERE trial = 2")
    db.close()
    (tmp_path / "r" / "best.json").unlink()
    with pytest.raises(InputError, match=r"^trust_code must be given to run the program of command:"):
        resume(tmp_path / "r", Listener())
    resume(tmp_path / "r", Listener(), Again(trusted=True))
    assert (open_run("r").trials()["latency"] > 0).all()
    code, _, err = nas("search", "--like", "r", "--run", "like", "-q")
    assert (code, err.count("\n")) == (2, 1)  # the program is not taken over from a run


def test_one_network_is_measured_at_a_time():
    inside, most = [], []

    def measure():
        for _ in range(5):
            with turn():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.01)
                inside.pop()

    threads = [threading.Thread(target=measure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 15


def test_a_device_that_cannot_measure_raises_what_is_no_error_of_the_run(tmp_path):
    with pytest.raises(NotMeasured, match=r"^device command must be a program that can be started"):
        Measuring(Fake(), "command:./no_such_program {onnx}", Conditions()).latency(ARCH)


def test_a_plan_says_how_long_measuring_takes(nas, tmp_path):
    images = few_images(tmp_path / "few.npz")
    device = ["--device", f"command:{sys.executable} -c 'import time; time.sleep(0.5); print(1)' {{onnx}}"]
    asked = ["--space", "mnas", *images, *device, *TARGET, "--trials", 2, "--confirm", 0]
    code, out, _ = nas("plan", *asked, "--json")
    assert code == 0
    plan = json.loads(out)
    assert plan["measuring_seconds"] >= 0.5
    assert plan["seconds"] > plan["measuring_seconds"]


@pytest.mark.slow
def test_workers_measure_what_they_train(nas, board, tmp_path):
    images = [*few_images(tmp_path / "few.npz"), "--proxy", "width=0.2"]
    asked = ["--space", "mnas", *images, *board, *TARGET, "--trials", 4, "--workers", 2, "--confirm", 0]
    code, _, err = nas("search", *asked, "--run", "r", "-q")
    assert (code, err) == (0, "")
    trials = open_run("r").trials()
    assert set(trials["worker"].str[-2:]) == {":0", ":1"}
    assert (trials["latency"] > 0).all()


def test_the_weights_that_candidates_inherit_are_tuned_without_the_device():
    arch = str(PRESETS["efficientnet-lite0"])
    settings = Settings(
        *("mnas", 2, "digits", "train", "dyna", Objective(None, targets=(Target("latency", 5.0),))),
        Recipe(resolution=32),
        init=Init("efficientnet-lite0", arch),
        tuned=Recipe(resolution=32),
        task=Task(classes=10, train=100, valid=50, image_size=32),
        device="cpu",
    )
    assert source_settings(settings).device == ""
