"""Where SQLite's log or locks do not work."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from fakes import compare, wait_for_trials
from preload import compiled

from nas import open_run
from nas.search import storage
from nas.search.journal import Journal
from nas.search.storage import Storage, storage_of, type_of

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:30 / /home rw - nfs4 server:/home rw,vers=4.2
31 30 0:31 / /home/me/local\\040disk rw shared:5 master:2 - tmpfs tmpfs rw
32 22 0:32 / /scratch rw - fuse.sshfs me@host: rw
33 22 0:33 / /scratch rw - lustre 10.0.0.1@tcp:/fs rw""".splitlines()
KINDS = {
    "mmap": ("a rollback journal", True),
    "flock,fcntl,mmap": ("Files cannot be locked here", False),
}
"""What a disk refuses, what is said, and whether SQLite's locks work."""

EVALUATION = """\
import time
from pathlib import Path


def evaluate(arch, trial):
    while trial.trial == 200 and not Path("go").exists():
        time.sleep(0.01)
    return trial.seed % 1000 / 1000
"""
"""It cannot finish before it is killed, however slowly a busy machine lets the test read."""
SEARCH = ["search", "--space", "nasbench-macro", "--evaluator", "own.py:evaluate", "--address", "inline"]
SEARCH += ["--controller", "random", "--trials", "300", "--run", "r"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/homes", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/runs", "nfs4"),
        ("/home/me/local disk/r", "tmpfs"),
        ("/scratch/r", "lustre"),
    ],
)
def test_a_path_is_on_the_last_mount_of_its_longest_parent(path, kind):
    assert type_of(path, MOUNTS) == kind


def test_a_local_disk_has_sqlites_log_and_a_network_disk_a_rollback_journal(tmp_path, monkeypatch):
    assert storage_of(tmp_path) == Storage(wal=True, locks=True)
    assert storage_of(tmp_path).words(tmp_path) is None
    monkeypatch.setattr(storage, "file_system", lambda _: "nfs4")
    found = storage_of(tmp_path)
    assert found == Storage(wal=False, locks=True)
    assert found.words(tmp_path) == (
        "run.db is on a network disk (nfs4): it is written with a rollback journal, a little slower."
    )
    with Journal(tmp_path, create=True) as journal:
        assert journal.storage == found
        assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)


def test_a_run_that_was_killed_on_a_local_disk_goes_on_on_a_network_disk(tmp_path, monkeypatch):
    journal = Journal(tmp_path, create=True)
    with journal._transaction() as db:
        db.execute("INSERT INTO controller VALUES (0, '{}')")
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("run.db", "run.db-wal"):
        shutil.copyfile(tmp_path / name, copy / name)
    journal.__exit__()
    monkeypatch.setattr(storage, "file_system", lambda _: "nfs4")
    with Journal(copy) as moved:
        assert moved._connection.execute("SELECT count(*) FROM controller").fetchone() == (1,)
        assert not (copy / "run.db-wal").exists()


@pytest.fixture(scope="session")
def refusing(tmp_path_factory):
    """A library that takes abilities from a disk."""
    return compiled("refusing", tmp_path_factory.mktemp("refusing"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A run on a disk that refuses nothing."""
    disk = tmp_path_factory.mktemp("whole")
    (disk / "own.py").write_text(EVALUATION)
    (disk / "go").touch()
    subprocess.run([sys.executable, "-m", "nas", *SEARCH, "-q"], check=True, cwd=disk)
    return disk / "r"


@pytest.mark.parametrize("refused", KINDS)
def test_a_disk_without_locks_or_shared_memory_is_like_any_other(tmp_path, whole, refusing, refused):
    said, locks = KINDS[refused]
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "own.py").write_text(EVALUATION)
    environment = {**os.environ, "LD_PRELOAD": str(refusing), "REFUSED": str(disk), "REFUSED_KINDS": refused}

    def start(*arguments):
        command = [sys.executable, "-m", "nas", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=disk, env=environment, **pipes)

    process = start(*SEARCH)
    wait_for_trials(disk / "r", 10, process)  # reads while the search writes
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 0 < (open_run(disk / "r").trials()["status"] == "done").sum() <= 200
    assert ((disk / "r" / "run.lock").read_text() == "") == locks
    (disk / "go").touch()
    resumed = start("resume", "r", "--trust-code")
    out, err = resumed.communicate()
    assert (resumed.returncode, err) == (0, "")
    assert said in out
    compare(whole, disk / "r")
