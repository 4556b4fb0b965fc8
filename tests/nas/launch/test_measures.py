"""A device's predictions in a search, from the command line to the controller."""

import sqlite3
import sys
import types

import numpy as np
import pytest
from fakes import TABLE

from nas import open_run
from nas.errors import InputError
from nas.launch.launch import resume
from nas.launch.measures import latencies
from nas.spec.listener import Listener
from search_spaces import SPACES, cost

SEARCH = ["search", *TABLE, "--trials", 12, "-q"]


class Board:
    """Slow at activations; all that a search needs of a device."""

    def __init__(self):
        self.asked = 0

    def predict(self, archs):
        self.asked += len(archs)
        return np.array([1.0 + cost(arch, 10).activations / 1e6 for arch in archs])


@pytest.fixture
def board(monkeypatch):
    board, module = Board(), types.ModuleType("nas.deploy.devices")
    module.open_device = lambda text, space: board if text.startswith("predictor:") else object()
    monkeypatch.setitem(sys.modules, "nas.deploy.devices", module)
    return board


@pytest.mark.parametrize("words", [["--target", "latency=1.1ms^-0.5"], ["--reward", "pareto"]])
def test_a_device_gives_every_trial_its_latency_and_the_controller_its_predictions(nas, board, words):
    code, _, err = nas(*SEARCH, "--device", "predictor:board.json", *words, "--run", "r")
    assert (code, err) == (0, "")
    trials = open_run("r").trials()
    archs = [SPACES["nasbench-macro"].decode(actions) for actions in trials["actions"]]
    assert list(trials["latency"]) == pytest.approx(list(Board().predict(archs)))
    assert board.asked > 100  # far more networks than were tried
    assert open_run("r").costs == ("latency",)


def test_a_search_with_a_device_resumes_as_it_would_have_gone(nas, board, tmp_path):
    words = ["--device", "predictor:board.json", "--target", "latency=1.1ms^-0.5"]
    nas(*SEARCH, *words, "--run", "whole")
    nas(*SEARCH[:-3], "--trials", 12, "-q", *words, "--run", "r")
    with sqlite3.connect("r/run.db") as db:  # as if it had been killed during the last trial
        db.execute("DELETE FROM events WHERE event = (SELECT max(event) FROM events)")
        db.execute("UPDATE trials SET status = 'running', accuracy = NULL, reward = NULL WHERE trial = 11")
    db.close()
    (tmp_path / "r" / "best.json").unlink()
    resume(tmp_path / "r", Listener())
    names = ["arch", "latency", "reward"]
    assert open_run("r").trials()[names].equals(open_run("whole").trials()[names])


def test_networks_that_a_device_does_not_know_have_no_latency():
    space = SPACES["nasbench-macro"]
    known, other = space.decode([0] * 8), space.decode([1] * 8)

    class Partly:
        def predict(self, archs):
            if other in archs:
                raise InputError("device table must have a row for the network")
            return np.full(len(archs), 2.0)

    np.testing.assert_array_equal(latencies(Partly(), [known, other, known]), [2.0, np.nan, 2.0])


def test_a_device_that_only_measures_cannot_be_searched_on(nas, board):
    code, _, err = nas(*SEARCH, "--device", "cpu", "--target", "latency=1ms")
    assert (code, err) == (
        2,
        "nas: --device must be table:FILE or predictor:FILE for a search, got cpu\n",
    )
