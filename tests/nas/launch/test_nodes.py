import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import ray
from fakes import fake_accuracy, new_search
from places import ROOT
from ray.cluster_utils import Cluster

from nas import InputError, open_run
from nas.launch.cluster import ask_cluster
from nas.launch.placement import opened
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
    """Every epoch takes a moment, until a file says that it is enough."""

    def __init__(self, enough):
        self.enough = enough

    def __call__(self, trial):
        if not self.enough.exists():
            time.sleep(0.3)
        yield Epoch(1, 1.0, None, fake_accuracy(trial), 0.0)


@pytest.fixture(scope="module")
def cluster():
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield found
    finally:
        ray.shutdown()
        found.shutdown()


def search(directory, trials, enough, resources=ANY):
    """Searches under Ray."""
    directory.mkdir()
    journal, found = new_search(directory, create=True, trials=trials, controller="random", space="mnas")
    with journal:
        run_ray(found, Patient(enough), resources)


@contextlib.contextmanager
def searching(directory, resources=ANY):
    """A long search in a thread, which hurries at the end."""
    enough = directory.with_suffix(".enough")
    thread = threading.Thread(target=search, args=(directory, 400, enough, resources))
    thread.start()
    try:
        yield
    finally:
        enough.touch()
        thread.join()


def slots(directory):
    """The numbers of the workers that finished trials."""
    try:
        trials = open_run(directory).trials()
    except InputError:  # it is being made
        return set()
    return {name.rpartition(":")[2] for name in trials["worker"].dropna()}


def wait_until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def answers(address):
    """Whether a cluster is there."""
    try:
        ask_cluster(address)
    except InputError:
        return False
    return True


def test_a_process_searches_with_a_token_of_its_own_and_on_a_cluster_without_one_in_turn(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]))
    monkeypatch.setenv("HOME", str(tmp_path))  # the user's own may hold a token, which Ray then demands
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        for number, address in enumerate(("local", found.address, "local", found.address)):
            with opened(Resources(address, workers=1)) as resources:
                search(tmp_path / str(number), 2, tmp_path, resources)
            assert set(open_run(tmp_path / str(number)).trials()["status"]) == {"done"}
            assert not [name for name in os.environ if name.startswith("RAY_AUTH")]
    finally:
        found.shutdown()


@contextlib.contextmanager
def growing(directory):
    """The address of a cluster whose head trains nothing; Ray's own autoscaler adds machines of a CPU."""
    with socket.socket() as free:
        free.bind(("", 0))
        address = f"{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"
    machines = {
        "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "small": {
            "resources": {"CPU": 1, "object_store_memory": 100_000_000},
            "node_config": {},
            "min_workers": 0,
            "max_workers": 2,
        },
    }
    provider = {"type": "fake_multinode", "gcs_address": address, "use_node_id_as_ip": True}
    provider |= {"disable_node_updaters": True, "disable_launch_config_check": True}
    config = {"cluster_name": "small", "max_workers": 2, "head_node_type": "head", "auth": {}, "docker": {}}
    config |= {"provider": provider, "available_node_types": machines, "idle_timeout_minutes": 5}
    lists = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    config |= {f"{name}_commands": [] for name in lists} | {"rsync_exclude": [], "rsync_filter": []}
    config |= {"file_mounts": {}, "cluster_synced_files": [], "file_mounts_sync_continuously": False}
    (directory / "machines.yaml").write_text(json.dumps(config))
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus", "0"]
    start += ["--port", address.rpartition(":")[2], "--include-dashboard", "false"]
    start += ["--autoscaling-config", str(directory / "machines.yaml")]
    head = subprocess.Popen(
        start,
        env=os.environ | {"RAY_FAKE_CLUSTER": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield address
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()


def test_a_search_makes_a_cluster_grow_that_has_no_machine_for_trials_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]))
    monkeypatch.setenv("HOME", str(tmp_path))
    with growing(tmp_path) as address:
        wait_until(lambda: answers(address))
        with (
            pytest.raises(InputError, match="cpus_per_trial must be at most the 0 CPUs there are, got 1"),
            opened(Resources(address)),
        ):
            pass
        with opened(Resources(address, workers=2)) as resources:
            assert resources == Resources(address, 2, 1, 0.0)
            with searching(tmp_path / "run", resources):
                wait_until(lambda: slots(tmp_path / "run") == {"0", "1"})
    assert set(open_run(tmp_path / "run").trials()["status"]) == {"done"}


def test_a_machine_that_joins_is_used_and_one_that_goes_fails_no_trial(cluster, tmp_path):
    with searching(tmp_path / "run", replace(ANY, max_retries=0)):  # they are for workers that die
        wait_until(lambda: slots(tmp_path / "run") == {"0"})
        node = cluster.add_node(num_cpus=2)  # Ray takes signals for it, so this is the main thread
        wait_until(lambda: slots(tmp_path / "run") == {"0", "1", "2"})
        cluster.remove_node(node, allow_graceful=False)
    assert set(open_run(tmp_path / "run").trials()["status"]) == {"done"}


def test_two_searches_share_a_cluster(cluster, tmp_path):
    node = cluster.add_node(num_cpus=1)
    wait_until(lambda: ray.cluster_resources()["CPU"] == 2)  # a machine that went may still be counted
    with searching(tmp_path / "first"):
        wait_until(lambda: slots(tmp_path / "first") == {"0", "1"})
        search(tmp_path / "second", 6, tmp_path / "never")
    cluster.remove_node(node)
    large, small = (open_run(tmp_path / name).trials() for name in ("first", "second"))
    assert set(large["status"]) == set(small["status"]) == {"done"}
    assert small["finished"].max() < large["finished"].max()
    assert slots(tmp_path / "second") == {"0"}
