"""Searches in which one of Optuna's samplers proposes."""

import json
import sys

import pandas as pd
import pytest
from fakes import TABLE, interrupted_at

from nas import open_run
from nas.search import loop

TIMES = ["seconds", "started", "finished"]
TPE = ["--controller", "optuna:TPESampler", "--set", "n_startup_trials=8", "--trials", 25]


def trials_of(run):
    return open_run(run).trials().drop(columns=TIMES)


@pytest.mark.parametrize("saved", [False, True], ids=["replayed", "saved"])
def test_a_search_with_a_sampler_that_was_interrupted_goes_on_exactly(nas, tmp_path, monkeypatch, saved):
    if saved:  # after every ask, as a slow controller is
        monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    assert nas("search", *TABLE, *TPE, "--run", "whole")[0] == 0

    with interrupted_at(monkeypatch, 17):
        assert nas("search", *TABLE, *TPE, "--run", "broken")[0] == 130
    code, out, err = nas("resume", "broken")
    assert (code, err) == (0, "")
    assert "slightly different numbers" not in out
    pd.testing.assert_frame_equal(trials_of("whole"), trials_of("broken"))
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert config["controller"] == "optuna:TPESampler"
    assert config["controller_settings"]["n_startup_trials"] == 8


@pytest.mark.parametrize(
    ("words", "message"),
    {
        (
            "optuna:TPEsampler",
        ): "--controller: unknown sampler of Optuna 'TPEsampler'; did you mean 'TPESampler'? ",
        ("optuna:TPESampler", "--set", "gama=1"): "--set: unknown setting 'gama'. Known: n_startup_trials, ",
        ("optuno:TPESampler",): "--controller: unknown controller 'optuno:TPESampler'. Known: rnn, random, ",
    }.items(),
)
def test_a_sampler_that_is_wrong_is_one_line(nas, tmp_path, words, message):
    code, _, err = nas("search", *TABLE, "--controller", *words, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: {message}"), err
    assert not (tmp_path / "no").exists()


def test_without_optuna_one_line_says_what_to_install(nas, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "controllers.samplers", raising=False)
    code, _, err = nas("search", *TABLE, *TPE, "--run", "no")
    assert (code, err) == (
        2,
        "nas: --controller: Optuna must be installed: pip install 'nas-scaling[optuna]'\n",
    )
    assert not (tmp_path / "no").exists()
