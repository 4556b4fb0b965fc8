"""What a person sees while a search runs."""

import dataclasses
import os
import re
import sys

import pytest
from fakes import Fake, new_search

from nas.launch.inline import run_inline
from nas.screens.progress import Screen
from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.settings import Audit, Settings
from search_spaces import PRESETS

TERM = "dumb-but-here"


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 120 columns."""
    monkeypatch.setenv("TERM", TERM)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")


def watched(directory, *, audits=False, **options):
    """A search of five networks, two of which are trained again, as a ``Screen`` shows it."""
    sys.stdout.isatty = lambda: os.environ.get("TERM") == TERM  # this test's own standard output
    screen = Screen()
    asked = Settings("nasbench-macro", 5, "digits", "train", "random", Objective(55e6), Recipe())
    if audits:
        networks = tuple(str(PRESETS[f"efficientnet-b{number}"]) for number in range(5))
        asked = dataclasses.replace(asked, audit=Audit(seeds=1), networks=networks)
    journal, search = new_search(
        directory, create=True, trials=5, controller="random", listener=screen, **options
    )
    with journal, screen:
        screen.on_start(asked, [], search.standing)
        run_inline(search, Fake())
    return search


def test_the_bar_counts_confirmations_too(tmp_path, capsys, terminal):
    search = watched(tmp_path, confirmations=2, confirm_seeds=2)
    out = capsys.readouterr().out
    assert search.confirmed == (4, 4)
    assert "Confirming the best" in out
    assert "9/9" in out


def test_a_terminal_shows_finished_trials_and_the_bar_goes(tmp_path, capsys, terminal):
    watched(tmp_path)
    out = capsys.readouterr().out
    lines = [line for line in out.split("\n") if re.search("trial [0-4]: accuracy", line)]
    assert len(lines) == 5
    assert out.rindex("\x1b[2K") > out.rindex("5/5")  # erased after it was drawn for the last time
    assert out.rindex("5/5") > out.rindex("trial 4: ")


def test_a_search_without_confirmations_ends_with_its_trials(tmp_path, capsys, terminal):
    assert watched(tmp_path).confirmed == (0, 0)
    out = capsys.readouterr().out
    assert "Confirming" not in out
    assert "5/5" in out


def test_confirmations_are_counted_from_where_a_search_was_interrupted(tmp_path):
    journal, search = new_search(tmp_path, create=True, trials=5, confirmations=2, confirm_seeds=2)
    with journal, pytest.raises(KeyboardInterrupt):
        run_inline(search, _interrupted_at_the_third_confirmation())
    journal, search = new_search(tmp_path, create=False, trials=5, confirmations=2, confirm_seeds=2)
    with journal:
        assert search.confirmed == (2, 4)


def _interrupted_at_the_third_confirmation():
    evaluator = Fake()

    def evaluate(trial):
        if sum(confirms for *_, confirms in evaluator.trained) == 2 and trial.confirms:
            raise KeyboardInterrupt
        yield from evaluator(trial)

    return evaluate


def test_an_audit_shows_accuracies_and_no_best(tmp_path, capsys):
    watched(tmp_path, audits=True)
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("Each candidate: ")
    lines = [line for line in others if line.startswith("trial ")]
    assert len(lines) == 5
    assert all("accuracy" in line and "reward" not in line and "best" not in line for line in lines)
