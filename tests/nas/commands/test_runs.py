"""``nas runs``: the runs that there are, and how they go."""

import json
import shutil

import pytest
from fakes import TABLE
from places import ROOT

from nas.files import locked

OLD = ROOT / "tests" / "runs_of_0.1"


@pytest.fixture
def three(nas, tmp_path):
    """A finished search, a family without a run, an interrupted audit, and what is no run."""
    assert nas("search", *TABLE, "--trials", 5, "--run", "runs/search", "-q") == (0, "", "")
    assert nas("scale", "--coefficients", "1.2,1.1,1.15", "--run", "runs/family", "-q") == (0, "", "")
    shutil.copytree(OLD / "audit-interrupted", tmp_path / "runs" / "audit")
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "notes" / "run.db").write_text("mine")
    return tmp_path / "runs"


def listed(nas, *arguments):
    code, out, err = nas("runs", *arguments, "--json")
    assert (code, err) == (0, "")
    return {one.pop("run"): one for one in json.loads(out)}


def test_runs_are_listed_with_what_they_are(nas, three):
    found = listed(nas)
    assert set(found) == {"runs/search", "runs/family", "runs/audit"}
    search = found["runs/search"]
    assert (search["kind"], search["space"], search["state"]) == ("search", "nasbench-macro", "done")
    assert search["data"].startswith("table:")
    assert 0.8 < search["best"] < 1
    assert 0 <= search["seconds"] < 600
    assert search["size"] == sum(path.stat().st_size for path in (three / "search").iterdir())
    assert (found["runs/family"]["kind"], found["runs/family"]["best"]) == ("family", None)
    assert (found["runs/audit"]["kind"], found["runs/audit"]["state"]) == ("audit", "interrupted")
    code, out, err = nas("runs", "runs")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["run", "best", "age", "size", "state", "kind", "space", "data"]
    assert f"runs/search {search['best']:.4f}" in out


def test_a_run_that_is_written_is_running_and_one_that_is_damaged_unreadable(nas, three):
    with locked(three / "search" / "run.lock"):
        assert listed(nas)["runs/search"]["state"] == "running"
        code, _, err = nas("runs", "--delete", "--yes", "runs/family", "runs/search")
        line = "nas: RUN must not be running, and a process is writing it: runs/search\n"
        assert (code, err) == (2, line)
        assert (three / "family").exists()
    (three / "search" / "run.db").write_bytes(b"no database" * 1000)
    assert listed(nas)["runs/search"]["state"] == "unreadable"


def test_runs_are_deleted_after_a_question(nas, three, monkeypatch):
    answers = iter(["n", "y"])
    monkeypatch.setattr("builtins.input", lambda asked: next(answers))
    code, out, _ = nas("runs", "--delete", "runs/search")
    assert (code, out.splitlines()[-1]) == (0, "Nothing was deleted.")
    assert (three / "search").exists()
    code, out, _ = nas("runs", "--delete", "runs/search", "runs/audit")
    assert (code, out.splitlines()[-2:]) == (0, ["Deleted runs/search", "Deleted runs/audit"])
    assert nas("runs", "--delete", "--yes", "runs/family") == (0, "Deleted runs/family\n", "")
    assert [path.name for path in three.iterdir()] == ["notes"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none"], "DIR must be a directory of runs, got none"),
        (["a", "b"], "DIR must be one, got a b"),
        (["--yes"], "--yes must stand with --delete"),
        (["--delete"], "--delete must name the runs to delete, got none"),
        (["--delete", "runs/notes"], "RUN must be the directory of a run, got runs/notes"),
        (["--delete", "runs"], "RUN must be the directory of a run, got runs"),
        (["--delete", "link"], "RUN must be a run's own directory, not a link to it, got link"),
        (["--delete", "runs/search", "--json"], "--json must stand without --delete"),
        (["--delete", "runs/search"], "--delete must be confirmed, or stand with --yes, got no answer"),
    ],
)
def test_what_is_no_run_is_not_deleted(nas, three, monkeypatch, arguments, line):
    def nobody(_asked):
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    (three.parent / "link").symlink_to(three / "search")
    before = sorted(three.rglob("*"))
    code, _, err = nas("runs", *arguments)
    assert (code, err) == (2, f"nas: {line}\n")
    assert sorted(three.rglob("*")) == before
