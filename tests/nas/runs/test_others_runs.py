"""Runs that cannot be written: they are read all the same, and resume says it in one line."""

import os
import shutil
import sqlite3

import pytest
from nobody import as_nobody
from places import ROOT

from nas.runs.run import open_run
from nas.screens.follow import is_written

KINDS = ("search", "scaling", "audit", "training")
LISTED = "could not be written (Permission denied)\n"


@pytest.fixture(params=KINDS)
def theirs(nas, request, public):
    """The run of another user."""
    run = public / "r"
    shutil.copytree(ROOT / "tests" / "runs_of_0.1" / f"{request.param}-finished", run)
    (run / "best.json").unlink()
    assert nas("report", run)[0] == 0  # imports everything
    assert nas("resume", run)[0] in (0, 2)
    (run / "best.json").unlink(missing_ok=True)
    public.chmod(0o755)
    for path in [run, *run.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return run


def test_another_users_run_is_reported_and_cannot_be_resumed(nas, theirs):
    before = {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()}
    code, out, err = as_nobody(lambda: nas("report", theirs))
    assert (code, err.count("\n")) == (0, 1)
    assert out.count("\n") > 3
    assert err.endswith(LISTED)
    code, out, err = as_nobody(lambda: nas("report", theirs, "--json"))
    assert (code, out[0], err.count("\n")) == (0, "{", 1)
    code, out, err = as_nobody(lambda: nas("resume", theirs))
    assert (code, err.count("\n")) == (2, 1)
    assert "must be a directory that can be written (Permission denied)" in err
    assert {path: path.read_bytes() for path in theirs.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("log", ["with", "without"])
def test_a_run_that_was_killed_is_read_where_nothing_can_be_written(nas, public, log):
    whole, killed = public / "whole", public / "killed"
    shutil.copytree(ROOT / "tests" / "runs_of_0.1" / "search-finished", whole)
    shutil.copytree(whole, killed)
    writer = sqlite3.connect(whole / "run.db", isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("UPDATE trials SET worker = 'from the log'")
    if log == "without":
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in ("run.db", "run.db-wal") if log == "with" else ("run.db",):
        shutil.copy(whole / name, killed / name)
    writer.close()
    public.chmod(0o755)
    for path in [*killed.iterdir(), killed]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    nas("report", whole)
    workers, code = as_nobody(
        lambda: (open_run(killed).trials()["worker"].tolist(), nas("report", killed)[0])
    )
    assert set(workers) == {"from the log"}
    assert code == 0
    assert {path.name for path in killed.iterdir()} >= {"run.db", "config.json"}


def test_whether_anothers_run_is_written_is_seen_without_writing(public):
    run = public / "r"
    shutil.copytree(ROOT / "tests" / "runs_of_0.1" / "search-finished", run)
    assert not is_written(open_run(run))
    assert not (run / "run.lock").exists()
    (run / "run.lock").touch(0o444)
    public.chmod(0o755)
    assert not as_nobody(lambda: is_written(open_run(run)))
    (run / "run.lock").chmod(0o000)
    if not os.geteuid():
        assert as_nobody(lambda: is_written(open_run(run)))
