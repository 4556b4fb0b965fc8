"""A search that must end within a time, and what its sessions are said to have spent."""

import dataclasses
import math
import time

import pandas as pd
import pytest
from fakes import Fake, Heard, compare, new_search

from controllers import CONTROLLERS
from nas import open_run
from nas.launch.inline import run_inline
from nas.runs.config import write_config
from nas.runs.spent import spent_facts, spent_lines
from nas.search.confirm import Confirm
from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.settings import Settings
from nas.spec.trial import Outcome
from search_spaces import PRESETS

KNOWN = {"mobilenet-v2": PRESETS["mobilenet-v2"]}


class Late(Fake):
    """The time is up while trial ``last`` is trained."""

    def __init__(self, search, last):
        super().__init__()
        self.search, self.last = search, last

    def __call__(self, trial):
        if trial.trial == self.last:
            self.search.session.ends = time.monotonic()
        yield from super().__call__(trial)


def run(directory, *, last=None, create=True, **options):
    """A search of 30 trials; with ``last`` it has no time left during that one."""
    directory.mkdir(exist_ok=True)
    journal, search = new_search(directory, create=create, confirm=Confirm(2, 2, KNOWN), **options)
    with journal:
        run_inline(search, Fake() if last is None else Late(search, last))
    return search


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_search_without_time_left_confirms_and_is_later_continued_as_if_it_had_not_stopped(
    tmp_path, controller
):
    run(tmp_path / "whole", controller=controller)
    whole = open_run(tmp_path / "whole")
    heard = Heard()
    search = run(tmp_path / "part", last=7, controller=controller, listener=heard)
    part = open_run(tmp_path / "part")
    trials, again = part.trials(), part.confirmations()
    assert search.done
    assert search.session.stopped
    assert heard.said == [
        "Time is nearly up: after 8 of 30 trials no other begins, which leaves time to train the best again."
    ]
    assert set(trials["status"]) == {"done"}
    pd.testing.assert_series_equal(trials["arch"], whole.trials()["arch"].head(8))
    first = trials[trials["repeat_of"].isna()].sort_values("reward", ascending=False)
    assert set(again["trial"]) == set(first["trial"].head(2))
    assert len(again) == 4
    assert len(part.baselines()) == 2

    search = run(tmp_path / "part", create=False, controller=controller)
    assert search.replayed_exactly
    compare(tmp_path / "whole", tmp_path / "part")
    key = ["trial", "seed", "accuracy"]
    made, expected = part.confirmations()[key], whole.confirmations()[key]
    assert len(made.merge(expected)) == len(expected) == 4
    assert len(made.merge(again[key])) == 4  # none was trained twice
    assert len(part.baselines()) == 2


def test_one_trial_is_made_however_short_the_time(tmp_path):
    journal, search = new_search(tmp_path, create=True, confirmations=1)
    search.session.ends = 0.0
    with journal:
        run_inline(search, Fake(fail=[0, 1]))
    assert list(open_run(tmp_path).trials()["status"]) == ["failed", "failed", "done"]
    assert len(open_run(tmp_path).confirmations()) == 1


@pytest.mark.parametrize(("workers", "seconds", "goes_on"), [(1, 450, False), (1, 550, True), (2, 450, True)])
def test_a_trial_begins_only_if_the_confirmations_after_it_still_fit(tmp_path, workers, seconds, goes_on):
    journal, search = new_search(tmp_path, create=True, confirmations=2, confirm_seeds=2)
    with journal:
        search.session.staff(workers)
        search.session.ends = time.monotonic() + seconds
        search.finish(search.next(), Outcome(0.5, 1, 100.0, "test"))  # and four more of 100 s to come
        assert search.next().confirms is not goes_on
    journal, search = new_search(tmp_path, create=False, confirmations=2, confirm_seeds=2)
    with journal:  # how long trials take is known from the journal
        search.session.ends = time.monotonic() + 50
        while (trial := search.next()) is not None:
            assert trial.confirms or goes_on
            search.finish(trial, Outcome(0.5, 1, 100.0, "test"))
    assert len(open_run(tmp_path).trials()) == 1 + goes_on


def test_training_runs_on_several_workers_take_at_most_their_share_and_part_of_the_longest(tmp_path):
    journal, search = new_search(tmp_path, create=True)
    with journal:
        session = search.session
        assert session.fits(1e9, [1e9])
        for workers, needed in ((0, 100), (1, 100), (2, 10 + 45 + 20), (90, 10 + 1 + 40)):
            session.staff(workers)
            for spare, fits in ((-5, False), (5, True)):
                session.ends = time.monotonic() + needed + spare
                assert session.fits(10, [40, 30, 20]) is fits, workers
        assert session.ends < math.inf


def test_every_process_that_worked_on_a_run_says_what_it_spent(tmp_path):
    journal, search = new_search(tmp_path, create=True)
    with journal, pytest.raises(KeyboardInterrupt):
        run_inline(search, Fake(die_at=10))
    run_ = open_run(tmp_path)
    assert list(run_.sessions()["ended"].isna()) == [True]
    assert spent_facts(run_) == {}
    run(tmp_path, create=False)
    sessions = run_.sessions()
    assert list(sessions["ended"].isna()) == [True, False]
    assert (sessions["worker_seconds"] <= sessions["seconds"]).all()
    assert (sessions["busy_seconds"] < sessions["worker_seconds"]).all()
    assert (sessions["controller_seconds"] > 0).all()
    spent = spent_facts(run_)["spent"]
    assert spent["seconds"] == sessions["seconds"].sum()
    assert 0 < spent["busy"] < 1
    assert 0 < spent["workers"] <= 1
    for evaluator, said in {"train": "Workers were busy ", "table:FILE": "The controller took "}.items():
        settings = Settings("mnas", 30, "digits", evaluator, "random", Objective(4e8), Recipe())
        write_config(tmp_path, dataclasses.asdict(settings))
        (line,) = spent_lines(run_)
        assert line.startswith(said)


def test_lost_training_runs_are_counted_by_their_reasons(tmp_path):
    journal, search = new_search(tmp_path, create=True, trials=3)
    with journal:
        trial = search.next()
        search.retry(trial, "its machine is gone, or does not answer")
        (line,) = spent_lines(open_run(tmp_path))
        assert line == (
            "1 training run was lost with its worker or machine and ran again: "
            "1 because its machine is gone, or does not answer."
        )
        for seconds in (600, 731):
            search.retry(trial, f"it took {seconds} s, 10 times as long as others")
    (line,) = spent_lines(open_run(tmp_path))
    assert line.startswith("3 training runs were lost with their worker or machine and ran again: ")
    assert spent_facts(open_run(tmp_path))["retries"] == {
        "it took 600 s, 10 times as long as others": 2,
        "its machine is gone, or does not answer": 1,
    }
