import contextlib
import gc
import sqlite3

import numpy as np
import pandas as pd
import pytest
from fakes import Fake, compare, few_images, new_search

from nas import open_run
from nas.launch.inline import run_inline
from nas.search.journal import Journal
from nas.spec.recipe import Recipe
from nas.spec.seeds import trial_seed
from nas.spec.trial import Epoch, Outcome, Trial, steps
from nas.training import peak_memory
from nas.training.proxy import Training
from nas.training.trainer import Trainer
from reports.run_db import SCHEMA_VERSION
from search_spaces import PRESETS

TINY = Recipe(resolution=8, width=0.25, epochs=3, batch_size=32)


def test_the_peak_is_that_of_what_came_after_the_reset():
    peak_memory.reset_peak("cpu")
    before = peak_memory.peak("cpu")
    big = np.ones(2**27, np.uint8)
    assert peak_memory.peak("cpu") - before > 2**26
    del big
    peak_memory.reset_peak("cpu")
    assert peak_memory.peak("cpu") - before < 2**26
    assert peak_memory.available("cpu") > 0


def test_without_proc_the_peak_is_that_of_the_whole_process(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "PROC", tmp_path / "none")
    peak_memory.reset_peak("cpu")
    assert peak_memory.peak("cpu") > 2**20


def test_an_outcome_has_the_mean_speed_and_the_largest_peak_of_its_epochs():
    def evaluator(trial):
        yield Epoch(1, 1.0, 1.0, 0.1, 0.0, images_per_second=100.0, peak_memory=7)
        yield Epoch(2, 1.0, 1.0, 0.2, 0.0, images_per_second=300.0, peak_memory=9)

    *_, outcome = steps(evaluator, Trial(0, PRESETS["mnasnet-a1"], 0), "test")
    assert outcome.images_per_second == pytest.approx(150.0)  # two equal epochs at 100 and 300 images/s
    assert outcome.peak_memory == 9
    *_, outcome = steps(Fake(), Trial(0, PRESETS["mnasnet-a1"], 0), "test")
    assert (outcome.images_per_second, outcome.peak_memory) == (None, None)


def small_task(tmp_path):
    from nas.data import load_data

    few_images(tmp_path / "few.npz")
    return load_data(f"npz:{tmp_path / 'few.npz'}")


def test_a_training_says_how_fast_it_was_and_what_it_took(tmp_path):
    outcomes = list(steps(Training(small_task(tmp_path), TINY), Trial(0, PRESETS["mnasnet-a1"], 0), "test"))
    for step in outcomes:
        assert step.images_per_second > 0
        assert step.peak_memory > 2**24
    assert isinstance(outcomes[-1], Outcome)
    images = 3 * (240 // 32) * 32
    assert images / outcomes[-1].images_per_second < outcomes[-1].seconds  # evaluation does not count


def test_a_training_that_failed_keeps_nothing_alive(tmp_path):
    task = small_task(tmp_path)
    hot = Recipe(resolution=8, epochs=2, batch_size=32, learning_rate=1e30)
    gc.collect()  # what earlier tests left in cycles is not of this training
    gc.disable()  # memory that only a collection frees is freed too late for the next trial
    try:
        with pytest.raises(ArithmeticError) as failure:  # its traceback is kept below
            list(Training(task, hot)(Trial(0, PRESETS["mnasnet-a1"], 0)))
        assert failure.tb
        assert [found for found in gc.get_objects() if type(found) is Trainer] == []
    finally:
        gc.enable()


def as_schema_1(run):
    """Removes from ``run.db`` what schema 1 lacks."""
    with contextlib.closing(sqlite3.connect(run / "run.db", isolation_level=None)) as db:
        for table in ("trials", "epochs", "confirmations"):
            for column in ("images_per_second", "peak_memory"):
                db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("DROP TABLE controller")
        db.execute("PRAGMA user_version = 1")


def version(run):
    with contextlib.closing(sqlite3.connect(run / "run.db")) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def run_some(directory, trials, *, create):
    journal, search = new_search(directory, create=create, trials=trials, confirmations=1)
    with journal:
        run_inline(search, Fake())


def test_a_run_of_schema_1_is_read_as_it_is(tmp_path):
    run_some(tmp_path, 5, create=True)
    run = open_run(tmp_path)
    before = run.trials(), run.epochs(), run.confirmations()
    as_schema_1(tmp_path)
    for old, new in zip(before, (run.trials(), run.epochs(), run.confirmations()), strict=True):
        pd.testing.assert_frame_equal(old, new)
    assert run.best() is not None
    assert version(tmp_path) == 1


def test_a_run_of_schema_1_goes_on(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for directory in (old, new):
        directory.mkdir()
        run_some(directory, 5, create=True)
    as_schema_1(old)
    run_some(old, 9, create=False)
    run_some(new, 9, create=False)
    assert version(old) == SCHEMA_VERSION
    compare(old, new)
    with Journal(old) as journal:
        journal.epoch(8, Epoch(3, 1.0, 1.0, 0.5, 1.0, 123.0, 456))
        outcome = Outcome(0.5, 3, 1.0, "test", images_per_second=124.0, peak_memory=457)
        journal.tell(journal.rows()[8], outcome, 0.5)
        journal.confirm(8, trial_seed(0, 8, 1), outcome)
    run = open_run(old)
    assert list(run.epochs().iloc[-1][["images_per_second", "peak_memory"]]) == [123.0, 456]
    assert run.trials()["images_per_second"].tolist()[-1] == 124.0
    assert run.trials()["peak_memory"].isna().tolist() == [True] * 8 + [False]
    assert run.confirmations()["peak_memory"].max() == 457
