"""Runs that version 0.1 made, and one of each schema of ``run.db``, open, resume and report.

Their ``config.json`` has the commands; the interrupted runs were stopped as by Ctrl-C. Each
``KIND-finished.json`` is what ``nas report KIND-finished --json`` printed then; only the words of the audit's
verdict are today's. Those of 0.1 have schema 3; each run of another schema was interrupted while it searched,
or trained networks again. Some trials of schemas 2 and 4 failed by a bug of then.
"""

import contextlib
import json
import shutil

import pandas as pd
import pytest
from places import ROOT

from nas import open_run
from nas.spec.recipe import Recipe
from reports.run_db import SCHEMA_VERSION, connect

OLD = ROOT / "tests" / "runs_of_0.1"
SCHEMAS = {
    version: ROOT / "tests" / "runs_of_schemas" / str(version) for version in range(1, SCHEMA_VERSION + 1)
}
SCHEMAS[3] = OLD / "search-interrupted"
"""An interrupted run of each."""
TRIALS = {"search": 6, "scaling": 8, "audit": 6, "training": 1}

every_kind = pytest.mark.parametrize("kind", TRIALS)


@pytest.fixture
def old(tmp_path):
    """Copies an old run to ``r``."""

    def old(name):
        shutil.copytree(OLD / name, tmp_path / "r")
        return tmp_path / "r"

    return old


def close(value):
    """A value to compare with: numbers approximately, since other processors round differently."""
    if isinstance(value, dict):
        return {key: close(each) for key, each in value.items()}
    if isinstance(value, list):
        return [close(each) for each in value]
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def finished(directory):
    """The trials that are done, and their epochs; for a training run, which goes on, all its epochs."""
    run = open_run(directory)
    trials = run.trials()
    done = trials[trials["status"] == "done"]
    epochs = run.epochs()
    if not (directory / "checkpoint.pt").exists():
        epochs = epochs[epochs["trial"].isin(done["trial"])]
    return done, epochs


@every_kind
def test_a_finished_run_opens(old, kind):
    run = open_run(old(f"{kind}-finished"))
    assert list(run.trials()["status"]) == ["done"] * TRIALS[kind]
    assert str(run.best()) == json.loads((run.directory / "best.json").read_text())["arch"]
    pareto = run.pareto()
    if kind == "training":
        assert list(pareto["trial"]) == [0]
    else:
        written = pd.read_csv(run.directory / "pareto.csv")
        columns = ["trial", "arch", "accuracy", "flops", "params", "activations"]
        pareto = pareto[columns].reset_index(drop=True)
        pd.testing.assert_frame_equal(pareto, written[columns], check_dtype=False)


@every_kind
def test_a_finished_run_reports_as_before(nas, old, kind):
    old(f"{kind}-finished")
    code, out, err = nas("report", "r", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    before = json.loads((OLD / f"{kind}-finished.json").read_text())
    assert facts.pop("run") == "r"
    for name in ("recipe", "long_recipe") if kind == "audit" else ():
        now, then = facts["audit"][name], before["audit"][name]
        new = {field: now.pop(field) for field in now.keys() - then.keys()}
        assert new == {field: getattr(Recipe(), field) for field in new}
    for name in ("proxy", "long", "with_long", "with_reference") if kind == "audit" else ():
        if facts["audit"][name]:
            assert facts["audit"][name].pop("beyond_flops")
    if kind == "audit":
        del facts["audit"]["verdict"], before["audit"]["verdict"]  # says more
    assert facts == close(before)


@every_kind
def test_an_interrupted_run_resumes_to_its_end_and_keeps_what_was_finished(nas, old, kind):
    run = old(f"{kind}-interrupted")
    directories = [run, run / "long"] if kind == "audit" else [run]
    before = [finished(directory) for directory in directories]
    assert nas("resume", "r")[0] == 0
    for directory, (trials, epochs) in zip(directories, before, strict=True):
        now, curves = finished(directory)
        assert len(now) == TRIALS[kind]
        config = json.loads((directory / "config.json").read_text())
        assert len(curves) == len(now) * config["recipe"]["epochs"]
        pd.testing.assert_frame_equal(now[now["trial"].isin(trials["trial"])], trials, check_dtype=False)
        kept = curves.merge(epochs[["trial", "epoch"]])
        pd.testing.assert_frame_equal(kept, epochs.reset_index(drop=True))
    assert len(open_run(run).confirmations()) == 2 * (kind == "search")
    code, out, err = nas("report", "r", "--json")
    assert (code, err) == (0, "")
    now = {"run", *{"training": ["metrics"], "audit": []}.get(kind, ["spent"])}
    assert json.loads(out).keys() == json.loads((OLD / f"{kind}-finished.json").read_text()).keys() | now
    assert (run / "report.html").exists()


def schema(directory):
    """The schema of a run."""
    with contextlib.closing(connect(directory / "run.db")) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("version", SCHEMAS)
def test_an_interrupted_run_of_each_schema_opens_reports_and_resumes(nas, tmp_path, version):
    run = tmp_path / "r"
    shutil.copytree(SCHEMAS[version], run)
    assert schema(run) == version
    before, confirmed = finished(run)[0], open_run(run).confirmations()
    assert len(before) >= 3
    assert nas("report", "r")[::2] == (0, "")
    assert nas("resume", "r", "--address", "inline")[::2] == (0, "")
    assert schema(run) == SCHEMA_VERSION
    trials = open_run(run).trials()
    kept = trials[trials["trial"].isin(before["trial"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before.reset_index(drop=True), check_dtype=False)
    assert list(trials["trial"]) == list(range(6))
    assert set(trials["status"]) <= {"done", "failed"}
    confirmations = open_run(run).confirmations()
    assert len(confirmations) == 2
    assert len(confirmations.merge(confirmed)) == len(confirmed)
    assert str(open_run(run).best()) == json.loads((run / "best.json").read_text())["arch"]
