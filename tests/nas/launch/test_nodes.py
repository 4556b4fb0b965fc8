import os
import threading
import time

import pytest
import ray
from fakes import fake_accuracy, new_search
from places import ROOT
from ray.cluster_utils import Cluster

from nas import open_run
from nas.launch.cluster import read_tokens_again, token_of_its_own
from nas.launch.workers import run_ray
from nas.spec.resources import Resources
from nas.spec.trial import Epoch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray does not close its files itself
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ANY = Resources("auto", None, 1, 0.0)


class Patient:
    """Every epoch takes a moment."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self, trial):
        time.sleep(self.seconds)
        yield Epoch(1, 1.0, None, fake_accuracy(trial), 0.0)


@pytest.fixture(scope="module")
def cluster():
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    with token_of_its_own():  # a process that has had one, as in other tests, asks for one ever after
        os.environ["RAY_AUTH_MODE"] = "token"
        read_tokens_again()
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
        yield found
        ray.shutdown()
        found.shutdown()


def search(directory, trials, seconds):
    """Searches under Ray."""
    directory.mkdir()
    journal, found = new_search(directory, create=True, trials=trials, controller="random", space="mnas")
    with journal:
        run_ray(found, Patient(seconds), ANY)


def in_thread(*arguments):
    thread = threading.Thread(target=search, args=arguments)
    thread.start()
    return thread


def slots(run):
    """The numbers of the workers that finished trials."""
    return set(run.trials()["worker"].dropna().astype(str).str.rpartition(":")[2])


def test_a_machine_that_joins_is_used_and_one_that_goes_fails_no_trial(cluster, tmp_path):
    searching = in_thread(tmp_path / "run", 120, 0.3)
    time.sleep(2)
    node = cluster.add_node(num_cpus=2)  # Ray takes signals for it, so this is the main thread
    deadline = time.monotonic() + 60
    while not slots(open_run(tmp_path / "run")) >= {"0", "1", "2"} and time.monotonic() < deadline:
        time.sleep(0.5)
    cluster.remove_node(node, allow_graceful=False)
    searching.join()
    found = open_run(tmp_path / "run")
    trials = found.trials()
    assert set(trials["status"]) == {"done"}
    assert slots(found) >= {"0", "1", "2"}


def test_two_searches_share_a_cluster(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1)
    first = in_thread(tmp_path / "first", 60, 0.3)
    time.sleep(6)
    search(tmp_path / "second", 6, 0.3)
    first.join()
    cluster.remove_node(node)
    large, small = (open_run(tmp_path / name) for name in ("first", "second"))
    assert set(large.trials()["status"]) == set(small.trials()["status"]) == {"done"}
    assert small.trials()["finished"].max() < large.trials()["finished"].max()
    assert (len(slots(large)), slots(small)) == (2, {"0"})
