"""``nas scale --check``: the same question at more compute."""

import json

import numpy as np
import pytest
from fakes import few_images

from nas import open_run
from nas.launch import launch
from nas.runs.scaling_check import NETWORKS, rise
from nas.runs.scaling_direction import Direction
from scaling_search import PUBLISHED_COEFFICIENTS, Grid, distinct, spread
from scaling_search.direction import fit, log_growths
from search_spaces import PRESETS

SMALL = "res16-silu-stem8-mb1_r1_k3_s1_c8-mb4_r2_k3_s2_c16_se0.25-mb4_r2_k3_s1_c24_se0.25-head32"
B0 = PRESETS["efficientnet-b0"]


def arguments(tmp_path):
    data = few_images(tmp_path / "few.npz")[:2]
    short = ["--proxy", "resolution=8", "--proxy", "epochs=1", "--proxy", "fraction=0.3", "--multiple", 4]
    return ["--base", SMALL, *data, *short, "--seeds", 1, "--address", "inline"]


@pytest.mark.parametrize("check", ["phi=2", "epochs=3x"])
def test_a_check_trains_ten_networks_under_other_conditions_and_compares_directions(nas, tmp_path, check):
    code, out, err = nas("scale", "--phi", 1, *arguments(tmp_path), "--check", check, "--run", "r")
    assert (code, err) == (0, "")
    first, second = open_run("r"), open_run("r/check")
    trials = second.trials()
    assert 1 < len(trials) == trials["arch"].nunique() <= NETWORKS
    assert not set(trials["seed"]) & set(first.trials()["seed"])
    if check == "phi=2":
        assert trials["flops"].median() > 1.6 * first.trials()["flops"].median()
    else:
        assert set(trials["arch"]) == set(first.trials()["arch"])  # there are only four
        assert set(trials["epochs"]) == {3}
    words = {"phi=2": "Checked at phi 2", "epochs=3x": "Checked with 3 times the epochs"}[check]
    assert words in out
    assert words in nas("report", "r")[1]
    state = json.loads(nas("report", "r", "--follow", "--json")[1].splitlines()[0])
    assert state["over"]
    assert state["check"]["trials"] == len(trials)


def test_an_interrupted_check_goes_on(nas, tmp_path, monkeypatch):
    own = launch.go_on_second

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "go_on_second", interrupted)
    options = [*arguments(tmp_path), "--check", "phi=2", "--run", "r"]
    assert nas("scale", "--phi", 1, *options)[0] == 130
    monkeypatch.setattr(launch, "go_on_second", own)
    assert "Checked" not in nas("report", "r")[1]
    assert nas("resume", "r")[0] == 0
    assert "Checked at phi 2" in nas("report", "r")[1]
    assert nas("resume", "r")[0] == 2


def test_networks_of_a_check_are_as_different_as_possible():
    archs = list(distinct(B0, Grid().triples()))
    kept = spread(B0, archs, 5)

    def shares(arch):
        growth = log_growths(B0, arch)
        return growth / growth.sum()

    assert len(kept) == 5
    nearest = [
        min(np.abs(shares(one) - shares(other)).max() for other in kept if other != one) for one in kept
    ]
    assert min(nearest) > 0.2
    assert spread(B0, archs, 500) == archs


def told(direction, noise=0.001):
    """What training runs of B0's grid say if ``direction`` is best."""
    archs = list(distinct(B0, Grid().triples()))
    growths = np.array([log_growths(B0, arch) for arch in archs])
    compute = growths.sum(axis=1)
    away = ((growths / compute[:, None] - direction) ** 2).sum(axis=1)
    accuracies = 0.5 + 0.02 * compute - 0.1 * compute * away
    posterior = fit(growths, accuracies, np.ones(len(archs)), 0.0)
    return Direction(posterior, {}, PUBLISHED_COEFFICIENTS, len(archs))


def test_a_direction_that_moved_is_told_from_one_that_did_not():
    wide, deep = told(np.array([0.1, 0.7, 0.2])), told(np.array([0.6, 0.2, 0.2]))
    assert rise(wide, deep, 0) > 0.95
    assert rise(wide, deep, 1) < 0.05
    assert [rise(wide, wide, number) for number in range(3)] == pytest.approx([0.5] * 3)
    assert rise(wide, deep, 0) + rise(deep, wide, 0) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "message"),
    {
        (
            "--check",
            "phi=1",
        ): "--check must be phi=P with P above 1, or epochs=Nx with N above 1, got 'phi=1'",
        ("--check", "phi=2x"): "--check must be phi=P",
        ("--check", "epochs=4"): "--check must be phi=P",
        ("--check", "epochs=1x"): "--check must be phi=P",
        ("--check", "epochs=nanx"): "--check must be phi=P",
        ("--check", "width=2"): "--check must be phi=P",
        (
            "--check",
            "phi=2",
            "--coefficients",
            "1.2,1.1,1.15",
        ): "--check must be left out with --coefficients",
        ("--check", "phi=2", "--sweep", "width"): "--check must be left out with --sweep",
        ("--check", "phi=2", "--strategy", "width,compound"): "--check needs a grid that is trained",
        ("--check", "phi=2", "--evaluator", "table:t.csv"): "--check needs a grid that is trained",
    }.items(),
)
def test_what_cannot_be_checked_is_one_line(nas, tmp_path, options, message):
    code, _, err = nas("scale", *options, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: {message}"), err
    assert not (tmp_path / "no").exists()
