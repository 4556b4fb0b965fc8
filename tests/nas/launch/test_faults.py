"""What a machine does to a search: its disk turns read-only, its clock jumps, its memory is used up."""

import contextlib
import os
import resource
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from fakes import TABLE, compare, fake_accuracy, new_search, start, wait_for_trials
from places import ROOT
from preload import compiled

from nas import open_run
from nas.launch.inline import run_inline
from nas.launch.placement import opened
from nas.launch.workers import run_ray
from nas.spec.resources import Resources
from nas.spec.trial import Epoch
from reports.run_db import connect

SEARCH = ["search", *TABLE, "--controller", "random", "--trials", 1500, "--run"]
DAY = 24 * 3600


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbs."""
    place = tmp_path_factory.mktemp("whole")
    assert ended(start(place, *SEARCH, "r")) == (0, "")
    return place / "r"


def ended(process):
    """Its exit code, and what it said on stderr."""
    _, err = process.communicate()
    return process.returncode, err


def finished(run):
    """When each trial of a run finished."""
    trials = open_run(run).trials()
    return trials[trials["status"] == "done"].set_index("trial")["finished"]


def intact(run):
    """Whether SQLite finds nothing wrong."""
    with contextlib.closing(sqlite3.connect(run / "run.db")) as db:
        return db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


class Ext4:
    """A file system that can have an error, after which Linux lets nobody write to it."""

    def __init__(self, place):
        self.image, self.place = place / "image", place / "disk"
        self.place.mkdir()
        with self.image.open("wb") as file:
            file.truncate(32 * 2**20)
        made = shutil.which("mkfs.ext4") and not self._run("mkfs.ext4", "-q", "-F", self.image)
        if not made or self.mount():
            pytest.skip("file systems cannot be mounted here")

    def _run(self, *command):
        return subprocess.run(command, capture_output=True).returncode

    def mount(self):
        return self._run("mount", "-o", "loop,errors=remount-ro", self.image, self.place)

    def umount(self):
        return self._run("umount", self.place)

    def fail(self):
        """The error. What has not reached the disk by now is lost, as when the power goes."""
        subprocess.run(["sync", "-f", self.place], check=True)
        source = next(
            line.split()[0]
            for line in Path("/proc/mounts").read_text().splitlines()
            if str(self.place) in line
        )
        Path("/sys/fs/ext4", Path(source).name, "trigger_fs_error").write_text("1")


@pytest.fixture
def ext4(tmp_path):
    disk = Ext4(tmp_path)
    yield disk
    disk.umount()


def test_a_disk_that_turns_read_only_ends_a_search_in_one_line_and_it_goes_on_later(ext4, whole):
    run = ext4.place / "r"
    process = start(ext4.place.parent, *SEARCH, run)
    wait_for_trials(run, 20, process)
    before = finished(run)
    ext4.fail()
    code, err = ended(process)
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("nas: run.db could not be written (")
    assert err.endswith(f"); when it can be, go on with: nas resume {run}\n")
    ext4.umount()
    ext4.mount()
    assert intact(run)
    assert ended(start(ext4.place.parent, "resume", run)) == (0, "")
    compare(whole, run)
    assert finished(run)[before.index].equals(before)
    assert intact(run)


def test_a_run_on_a_read_only_disk_is_reported_and_goes_on_when_it_can_be_written(disk, nas, whole):
    run = disk / "r"
    process = start(disk, *SEARCH, run)
    wait_for_trials(run, 20, process)
    process.kill()
    process.communicate()
    before = finished(run)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    code, out, err = nas("report", run)
    assert (code, err) == (
        0,
        "nas: pareto.csv and report.html could not be written (Read-only file system)\n",
    )
    assert "Pareto front" in out
    for command, words in (
        (["resume", run], "RUN must be a directory that can be written (Read-only file system)"),
        ([*SEARCH, disk / "new"], "--run must be a directory that can be made (Read-only file system)"),
    ):
        code, out, err = nas(*command)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert words in err
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert nas("resume", run)[::2] == (0, "")
    compare(whole, run)
    assert finished(run)[before.index].equals(before)


def test_a_clock_that_jumps_changes_nothing_but_the_times(tmp_path, nas, whole):
    run, clock = tmp_path / "r", tmp_path / "seconds"
    clock.write_bytes(struct.pack("q", 0))
    jumping = {"LD_PRELOAD": str(compiled("jumping", tmp_path)), "OFFSET": str(clock)}
    process = start(tmp_path, *SEARCH, "r", **jumping)
    for trials, days in ((20, 1), (60, -2)):
        wait_for_trials(run, trials, process)
        with clock.open("r+b") as file:
            file.write(struct.pack("q", days * DAY))
    assert ended(process) == (0, "")
    compare(whole, run)
    times = finished(run)
    assert (times.max() - times.min()).days >= 2
    assert (open_run(run).trials()["seconds"] < 3600).all()
    assert nas("report", "r")[::2] == (0, "")


class Hungry:
    """Trial 2 wants a gigabyte in its second epoch, which is more than the system lets its process have.

    Args:
        group: with one, the kernel ends the process, the first time; without, the memory is refused.
    """

    def __init__(self, group=None):
        self.group = group

    def __call__(self, trial):
        yield Epoch(1, 2.0, None, None, 0.0)
        if trial.trial == 2:
            self.eat()
        yield Epoch(2, 1.0, None, fake_accuracy(trial), 0.0)

    def eat(self):
        if self.group:
            if not self.group.with_suffix(".seen").exists():
                self.group.with_suffix(".seen").touch()
                Path(self.group.read_text(), "cgroup.procs").write_text(str(os.getpid()))
                np.ones(10**9, dtype="uint8")
            return
        before = resource.getrlimit(resource.RLIMIT_AS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 10**8, before[1]))
        try:
            np.ones(10**9, dtype="uint8")
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def group(tmp_path):
    """A file with the name of a control group of the kernel that may have 100 MB."""
    for root, limit in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        place = Path("/sys/fs/cgroup", root, f"nas-test-{os.getpid()}")
        with contextlib.suppress(OSError):
            place.mkdir()
            try:
                (place / limit).write_text(str(10**8))
                (tmp_path / "group").write_text(str(place))
                yield tmp_path / "group"
                return
            finally:
                place.rmdir()
    pytest.skip("there are no control groups here")


@pytest.fixture
def one_worker(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")]))
    with opened(Resources(workers=1)) as resources:
        yield resources


def searched(place, run, evaluator, *resources):
    """A search of eight trials."""
    place.mkdir()
    journal, search = new_search(place, create=True, trials=8, controller="random")
    with journal:
        run(search, evaluator, *resources)
    assert search.done
    return open_run(place)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_memory_that_a_trial_is_refused_is_its_failure_and_its_worker_goes_on(tmp_path, one_worker):
    trials = searched(tmp_path / "r", run_ray, Hungry(), one_worker).trials()
    assert list(trials[trials["status"] == "failed"]["trial"]) == [2]
    assert "Unable to allocate" in trials["error"][2]
    assert intact(tmp_path / "r")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_worker_that_the_kernel_ends_for_memory_loses_no_trial(tmp_path, one_worker, group):
    found = searched(tmp_path / "r", run_ray, Hungry(group), one_worker)
    whole = searched(tmp_path / "whole", run_inline, Hungry(group))
    assert list(found.trials()["accuracy"]) == list(whole.trials()["accuracy"])
    assert set(found.trials()["status"]) == {"done"}
    with contextlib.closing(connect(tmp_path / "r" / "run.db")) as db:
        lost = db.execute("SELECT trial, reason FROM events WHERE kind = 'retry'").fetchall()
    assert lost == [(2, "its worker died (killed, perhaps for memory)")]
