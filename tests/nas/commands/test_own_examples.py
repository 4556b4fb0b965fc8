"""The examples of docs/extending.md in searches: inline, on Ray with two workers, and killed and resumed."""

import shutil

import pandas as pd
import pytest
from fakes import start, wait_for_trials
from places import ROOT

from nas import open_run

EXAMPLES = {
    "my_cells": ["--space", "my_cells.py:SPACE", "--trials", 500],
    "my_pipeline": ["--space", "my_pipeline.py:SPACE", "--trials", 24],
    "my_training": ["--space", "mnas", "--target", "train_seconds=2^-0.05", "--trials", 4, "--confirm", 1],
}
"""By their files: what each is searched with, in a test."""
KILLED_AT = {"my_cells": 50, "my_pipeline": 4, "my_training": 2}
PLACES = {"inline": ["--address", "inline"], "ray": ["--workers", 2]}
MEASURED = ["seconds", "started", "finished", "worker", "train_seconds"]


def search(name, place, run):
    own = ["--evaluator", f"{name}.py:evaluate", "--controller", "random"]
    return ["search", *EXAMPLES[name], *own, *PLACES[place], "--run", run]


def table(run, name):
    """The trials of a run; where seconds count, its rewards are measured, too."""
    trials = open_run(run).trials()
    measured = [*MEASURED, "reward"] if name == "my_training" else MEASURED
    return trials.drop(columns=measured, errors="ignore")


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """A directory with the examples, where commands run on one thread."""
    for name in EXAMPLES:
        shutil.copy(ROOT / "examples" / f"{name}.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_the_same_table_inline_on_ray_and_when_it_was_killed(examples, name):
    for place in PLACES:
        _, err = (process := start(examples, *search(name, place, place))).communicate()
        assert (process.returncode, err) == (0, "")
    process = start(examples, *search(name, "inline", "killed"))
    wait_for_trials(examples / "killed", KILLED_AT[name], process)
    process.kill()
    process.communicate()
    assert not (examples / "killed" / "best.json").exists()
    process = start(examples, "resume", "killed", "--trust-code")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, ""), out
    whole = table(examples / "inline", name)
    assert (whole["status"] == "done").all()
    for other in ("ray", "killed"):
        pd.testing.assert_frame_equal(table(examples / other, name), whole)
    check(name, open_run(examples / "inline"))


def check(name, run):
    """What each of the examples shows."""
    trials = run.trials()
    if name == "my_cells":
        assert run.costs == ("params",)
        assert trials["repeat_of"].notna().sum() > 50  # cells with unused edges are twins
        assert run.pareto()["accuracy"].is_monotonic_increasing
    if name == "my_pipeline":
        assert run.best_trial()["accuracy"] > 0.9
        assert (trials["worst_fold"] <= trials["accuracy"]).all()
        assert set(trials["arch"].str.split().str.len()) == {3}  # C only under svc, neighbors only under knn
    if name == "my_training":
        assert run.costs == ("train_seconds",)
        assert run.epochs().groupby("trial").size().eq(3).all()
        assert trials["accuracy"].max() > 0.3


@pytest.mark.slow
def test_a_search_on_ray_that_was_killed_is_resumed(examples):
    _, err = (process := start(examples, *search("my_cells", "ray", "whole"))).communicate()
    assert (process.returncode, err) == (0, "")
    process = start(examples, *search("my_cells", "ray", "killed"))
    wait_for_trials(examples / "killed", 100, process)
    process.kill()
    process.communicate()
    process = start(examples, "resume", "killed", "--trust-code")
    _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    pd.testing.assert_frame_equal(
        table(examples / "killed", "my_cells"), table(examples / "whole", "my_cells")
    )
