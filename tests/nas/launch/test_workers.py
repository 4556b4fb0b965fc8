import contextlib
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import Fake, compare, fake_accuracy, few_images, new_search, start, wait_for_trials
from places import ROOT
from ray import get_runtime_context

from nas import InputError, open_run
from nas.launch import workers
from nas.launch.inline import run_inline
from nas.launch.placement import fit, opened
from nas.launch.workers import run_ray
from nas.runs.spent import spent_facts
from nas.spec.listener import Listener
from nas.spec.resources import Resources
from nas.spec.trial import Epoch
from nas.training.pulse import PULSE
from reports.run_db import connect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray does not close its log files itself
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Varied:
    """Epochs and an accuracy; some trials fail, and some end or stop their worker, ever or once."""

    def __init__(self, fail=(), kill=(), leave=(), once="", how=signal.SIGKILL):
        self.fail, self.kill, self.leave, self.once, self.how = fail, kill, leave, once, how

    def __call__(self, trial):
        yield Epoch(1, 2.0, None, None, 0.0)
        if trial.trial in self.fail:
            raise MemoryError("out of memory")
        if trial.trial in self.leave:
            sys.exit(3)
        if trial.trial in self.kill and self.first(trial):
            os.kill(os.getpid(), self.how)
        yield Epoch(2, 1.0, None, fake_accuracy(trial), 0.0)

    def first(self, trial):
        """Whether it is the first time; always, if that is to be so."""
        if not self.once:
            return True
        try:
            Path(self.once, f"{trial.trial} {trial.seed}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


@pytest.fixture(scope="module")
def ray():
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), str(ROOT / "tests" / "support")]
    )  # where workers find the evaluators
    with opened(Resources(workers=2)) as resources:
        yield resources


class Retries(Listener):
    def __init__(self):
        self.lost = []

    def on_retry(self, trial, reason, standing):
        self.lost.append((trial.trial, reason))


def retries(found):
    """The trial and the reason of each training run that was lost."""
    with contextlib.closing(connect(found.directory / "run.db")) as db:
        return db.execute("SELECT trial, reason FROM events WHERE kind = 'retry' ORDER BY event").fetchall()


def run(tmp_path, ray, evaluator, **options):
    journal, search = new_search(tmp_path, create=True, **options)
    with journal:
        run_ray(search, evaluator, ray)
    assert search.done
    return open_run(tmp_path)


def test_a_search_under_ray_trains_every_network_on_warm_workers(tmp_path, ray):
    found = run(tmp_path, ray, Varied(), trials=40, confirmations=3)
    trials = found.trials()
    trained = trials[trials["repeat_of"].isna()]
    assert set(trials["status"]) == {"done"}
    assert trained["worker"].nunique() <= 2
    assert len(found.confirmations()) == 3


def test_a_search_without_time_left_confirms_and_journals_how_busy_workers_were(tmp_path, ray):
    journal, search = new_search(tmp_path, create=True, confirmations=1, confirm_seeds=2)
    search.session.ends = 0.0
    with journal:
        run_ray(search, Varied(), ray)
    found = open_run(tmp_path)
    assert set(found.trials()["status"]) == {"done"}
    assert len(found.trials()) < 30
    assert len(found.confirmations()) == 2
    assert list(found.sessions()["ended"]) == ["max_hours"]
    session = found.sessions().iloc[0]
    assert 0 < session["busy_seconds"] < session["worker_seconds"] <= 2 * session["seconds"]


def test_failures_are_rows(tmp_path, ray):
    trials = run(tmp_path, ray, Varied(fail=(2,), leave=(5,)), trials=16, controller="random").trials()
    assert list(trials[trials["status"] == "failed"]["trial"]) == [2, 5]
    assert trials["error"][2] == "MemoryError: out of memory"
    assert trials["error"][5] == "it ended its worker, with exit code 3"


def test_a_trial_whose_worker_dies_runs_again_and_the_controller_hears_nothing(tmp_path, ray):
    places = [tmp_path / name for name in ("whole", "broken", "once")]
    for place in places:
        place.mkdir()
    one = Resources(workers=1, gpus_per_trial=0.0)
    run(places[0], one, Varied(), trials=12, confirmations=2)
    listener = Retries()
    evaluator = Varied(kill=(0, 3, 7), once=str(places[2]))
    found = run(places[1], one, evaluator, trials=12, confirmations=2, listener=listener)
    compare(*places[:2])
    lost = retries(found)
    assert [trial for trial, _ in lost[:3]] == [0, 3, 7] == [trial for trial, _ in listener.lost[:3]]
    assert len(lost) == len(list(places[2].iterdir())) == len(listener.lost)  # confirmations too
    assert {reason for _, reason in lost} == {"its worker died (killed, perhaps for memory)"}
    assert spent_facts(found)["retries"] == {"its worker died (killed, perhaps for memory)": len(lost)}


def test_a_trial_that_is_lost_again_and_again_has_failed(tmp_path, ray, monkeypatch):
    monkeypatch.setattr(workers, "PAUSE", 0.01)
    found = run(tmp_path, replace(ray, max_retries=2), Varied(kill=(5,)), trials=8, controller="random")
    trials = found.trials()
    assert list(trials[trials["status"] == "failed"]["trial"]) == [5]
    assert trials["error"][5] == "its worker died (killed, perhaps for memory), 3 times"
    assert [trial for trial, _ in retries(found)] == [5, 5]


def test_a_worker_that_hangs_is_ended_and_its_trial_runs_again(tmp_path, ray, monkeypatch):
    monkeypatch.setattr(workers, "SILENT", 7.0)
    monkeypatch.setattr(workers, "BEAT", 1.0)
    once = tmp_path / "once"
    once.mkdir()
    evaluator = Varied(kill=(1,), once=str(once), how=signal.SIGSTOP)
    found = run(tmp_path, ray, evaluator, trials=6, controller="random")
    assert set(found.trials()["status"]) == {"done"}
    assert retries(found) == [(1, "its worker gave no sign of life for 7 s")]


class Slow(Varied):
    """Trial 1 counts a step, and then sleeps."""

    def __call__(self, trial):
        if trial.trial == 1:
            PULSE.beat()
            time.sleep(60)
        yield Epoch(1, 1.0, None, fake_accuracy(trial), 0.0)


def test_a_trial_that_takes_longer_than_its_limit_has_failed(tmp_path, ray):
    found = run(tmp_path, replace(ray, trial_timeout=0.5), Slow(), trials=6, controller="random")
    assert found.trials()["error"][1] == "it took longer than 0.5 s, its time limit"
    assert not retries(found)


def test_a_training_run_that_stands_still_is_lost(tmp_path, ray, monkeypatch):
    monkeypatch.setattr(workers, "STUCK", 4.0)
    monkeypatch.setattr(workers, "BEAT", 1.0)
    found = run(tmp_path, replace(ray, max_retries=0), Slow(), trials=6, controller="random")
    assert found.trials()["error"][1] == "its worker trained nothing for 4 s"


def test_the_table_is_that_of_the_inline_search_with_one_worker(tmp_path, ray):
    (tmp_path / "inline").mkdir()
    (tmp_path / "ray").mkdir()
    one = Resources(workers=1, gpus_per_trial=0.0)
    under_ray = run(tmp_path / "ray", one, Varied(fail=(3,)), trials=30).trials()
    journal, search = new_search(tmp_path / "inline", create=True, trials=30)
    with journal:
        run_inline(search, Varied(fail=(3,)))
    inline = open_run(tmp_path / "inline").trials()
    differ = ["seconds", "images_per_second", "peak_memory", "started", "finished", "worker"]
    assert under_ray.drop(columns=differ).equals(inline.drop(columns=differ))


class Curves(Varied):
    """Accuracy rises in equal steps to the final accuracy, so each step tells how far it will come."""

    def __call__(self, trial):
        for epoch in range(1, 5):
            accuracy = fake_accuracy(trial) * epoch / 4
            yield Epoch(epoch, 1.0, None, accuracy, 0.0, measures={"latency": 2.0})


class Outcomes(Listener):
    """Keeps how many epochs each trial had, and what it cost."""

    def __init__(self):
        self.ended = []

    def on_finish(self, row, outcome, standing):
        self.ended.append((outcome.epochs, dict(outcome.measures)))


def test_a_trial_that_is_stopped_early_keeps_what_was_measured(tmp_path, ray):
    heard = Outcomes()
    options = {"controller": "random", "space": "mnas", "epochs": 4, "listener": heard}
    journal, search = new_search(tmp_path, create=True, trials=12, **options)
    with journal:
        run_ray(search, Curves(), Resources(workers=1, gpus_per_trial=0.0))
    assert min(epochs for epochs, _ in heard.ended) < 4
    assert all(measures == {"latency": 2.0} for _, measures in heard.ended)


def test_asha_stops_the_worse_half_and_the_best_is_found_all_the_same(tmp_path, ray):
    full, asha = (tmp_path / name for name in ("full", "asha"))
    for directory, epochs in ((full, None), (asha, 4)):
        directory.mkdir()
        options = {"controller": "random", "space": "mnas", "epochs": epochs, "confirmations": 2}
        journal, search = new_search(directory, create=True, trials=30, **options)
        with journal:
            run_ray(search, Curves(), Resources(workers=1, gpus_per_trial=0.0))
        assert search.done
    trials, everything = open_run(asha).trials(), open_run(full).trials()
    assert list(trials["arch"]) == list(everything["arch"])
    assert set(trials["status"]) == {"done"}
    assert set(everything["epochs"]) == {4}
    assert set(trials["epochs"]) >= {1, 2, 4}
    assert trials["epochs"].sum() < 0.75 * everything["epochs"].sum()
    curves = open_run(asha).epochs()
    assert list(curves.groupby("trial").size()) == list(trials["epochs"])  # with the last epoch
    last = curves.groupby("trial")["accuracy"].last()
    assert list(last) == list(trials["accuracy"])
    assert trials["worker"].str.contains(":0").all()
    assert set(open_run(asha).confirmations()["epochs"]) == {4}  # all trained to the end
    # a stopped trial was below the median of those before it, and does not count as the best
    stopped = trials[trials["epochs"] == 1].index[0]
    firsts = curves[curves["epoch"] == 1]["accuracy"].to_numpy()
    assert firsts[stopped] < np.median(firsts[:stopped])
    assert open_run(asha).networks()["epochs"].unique().tolist() == [4]
    assert open_run(asha).best() == open_run(full).best()


def test_asha_goes_on_with_what_it_knew(tmp_path, ray):
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    one = Resources(workers=1, gpus_per_trial=0.0)
    options = {"controller": "random", "space": "mnas", "epochs": 4}
    journal, search = new_search(tmp_path / "whole", create=True, trials=24, **options)
    with journal:
        run_ray(search, Curves(), one)
    journal, search = new_search(tmp_path / "broken", create=True, trials=10, **options)
    with journal:
        run_ray(search, Curves(), one)
    journal, search = new_search(tmp_path / "broken", create=False, trials=24, **options)
    with journal:
        run_ray(search, Curves(), one)
    compare(tmp_path / "whole", tmp_path / "broken")


class Unloadable(Varied):
    def __reduce__(self):
        return (__import__, ("no_such_module",))


def test_a_worker_that_cannot_start_says_why(tmp_path, ray):
    trials = run(tmp_path, ray, Unloadable(), trials=16).trials()
    assert set(trials["error"]) == {"ModuleNotFoundError: No module named 'no_such_module'"}


def test_many_trials_leave_few_files(tmp_path, ray, monkeypatch):
    session = Path(tempfile.gettempdir(), "ray", get_runtime_context().get_session_name())
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    before = sum(1 for _ in session.rglob("*"))
    trials = run(tmp_path, ray, Fake(), trials=200, space="mnas", controller="random").trials()
    assert set(trials["status"]) == {"done"}
    assert 0 < before <= sum(1 for _ in session.rglob("*")) < before + 50
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Resources(workers=1000), "^workers must be at most"),
        (Resources(cpus_per_trial=1000), "^cpus_per_trial must be at most"),
        (Resources(gpus_per_trial=100), "^gpus_per_trial must be at most"),
    ],
)
def test_more_than_the_cluster_has_is_refused(wanted, message):
    with pytest.raises(InputError, match=message):
        fit(wanted, {"CPU": 2.0})


def test_resources_left_open_take_what_fits():
    assert fit(Resources(), {"CPU": 8.0}).workers == 8
    assert fit(Resources(cpus_per_trial=2), {"CPU": 8.0}).workers == 4
    shared = fit(Resources(gpus_per_trial=0.25), {"CPU": 64.0, "GPU": 2.0})
    assert (shared.workers, shared.gpus_per_trial) == (8, 0.25)
    assert fit(Resources(gpus_per_trial=0.4), {"CPU": 64.0, "GPU": 2.0}).workers == 4
    assert fit(Resources(gpus_per_trial=2), {"CPU": 64.0, "GPU": 5.0}).workers == 2
    assert fit(Resources(), {"CPU": 64.0, "GPU": 2.0}).gpus_per_trial == 1.0


def test_a_killed_training_search_resumes_to_the_same_table(tmp_path):
    short = [
        *few_images(tmp_path / "few.npz"),
        "--confirm",
        "1",
        "--confirm-seeds",
        "1",
        "--baseline",
        "none",
    ]
    search = ["search", "--space", "mnas", "--trials", "6", "--workers", "1", *short, "--run"]
    whole = start(tmp_path, *search, "whole")
    out, err = whole.communicate(timeout=300)
    assert (whole.returncode, err) == (0, "")
    assert out.count("trial ") >= 6
    broken = start(tmp_path, *search, "broken")
    wait_for_trials(tmp_path / "broken", 2, broken)
    broken.kill()
    broken.communicate()
    before = open_run(tmp_path / "broken").trials()
    assert (before["status"] == "done").sum() < 6
    resumed = start(tmp_path, "resume", "broken")
    out, err = resumed.communicate(timeout=300)
    assert (resumed.returncode, err) == (0, "")
    compare(tmp_path / "whole", tmp_path / "broken")
    kept = before[before["status"] == "done"].set_index("trial")["finished"]
    after = open_run(tmp_path / "broken").trials().set_index("trial")["finished"]
    assert after.loc[kept.index].equals(kept)
    assert len(open_run(tmp_path / "broken").confirmations()) == 1
