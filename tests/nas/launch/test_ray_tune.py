import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from fakes import Fake, compare, fake_accuracy, few_images, new_search, start, wait_for_trials
from places import ROOT
from ray import get_runtime_context

from nas import InputError, open_run
from nas.launch.inline import run_inline
from nas.launch.placement import fit, opened
from nas.launch.ray_tune import run_ray
from nas.spec.resources import Resources
from nas.spec.trial import Epoch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray does not close its log files itself
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Varied:
    """Epochs and an accuracy; some trials fail, one kills its worker."""

    def __init__(self, fail=(), kill=()):
        self.fail, self.kill = fail, kill

    def __call__(self, trial):
        yield Epoch(1, 2.0, None, None, 0.0)
        if trial.trial in self.fail:
            raise MemoryError("out of memory")
        if trial.trial in self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        yield Epoch(2, 1.0, None, fake_accuracy(trial), 0.0)


@pytest.fixture(scope="module")
def ray():
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), str(ROOT / "tests" / "support")]
    )  # where workers find the evaluators
    with opened(Resources(workers=2)) as resources:
        yield resources


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


def test_failures_are_rows_and_a_dead_worker_is_replaced(tmp_path, ray):
    trials = run(tmp_path, ray, Varied(fail=(2,), kill=(5,)), trials=16, controller="random").trials()
    assert list(trials[trials["status"] == "failed"]["trial"]) == [2, 5]
    assert trials["error"][2] == "MemoryError: out of memory"
    assert trials["error"][5] == "the worker died (killed, perhaps for memory)"


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
            yield Epoch(epoch, 1.0, None, fake_accuracy(trial) * epoch / 4, 0.0)


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
    search = ["search", "--space", "mnas", "--trials", "9", "--workers", "1", *short, "--run"]
    whole = start(tmp_path, *search, "whole")
    out, err = whole.communicate(timeout=300)
    assert (whole.returncode, err) == (0, "")
    assert out.count("trial ") >= 9
    broken = start(tmp_path, *search, "broken")
    wait_for_trials(tmp_path / "broken", 2, broken)
    broken.kill()
    broken.communicate()
    before = open_run(tmp_path / "broken").trials()
    assert (before["status"] == "done").sum() < 9
    resumed = start(tmp_path, "resume", "broken")
    out, err = resumed.communicate(timeout=300)
    assert (resumed.returncode, err) == (0, "")
    compare(tmp_path / "whole", tmp_path / "broken")
    kept = before[before["status"] == "done"].set_index("trial")["finished"]
    after = open_run(tmp_path / "broken").trials().set_index("trial")["finished"]
    assert after.loc[kept.index].equals(kept)
    assert len(open_run(tmp_path / "broken").confirmations()) == 1
