"""``nas scale --sweep``, from its options to its files."""

import json

import numpy as np
import pandas as pd
import pytest
from fakes import few_images

from nas import open_run
from scaling_search import PUBLISHED_COEFFICIENTS, Coefficients, points
from search_spaces import PRESETS, cost

B0 = PRESETS["efficientnet-b0"]
SMALL = "res16-silu-stem8-mb1_r1_k3_s1_c8-mb4_r2_k3_s2_c16_se0.25-mb4_r2_k3_s1_c24_se0.25-head32"


def table(path, sweep, accuracy):
    """A table of the sweep's networks, whose accuracies are ``accuracy(line, growth)``."""
    rows = {
        str(point.arch): accuracy(point.line, cost(point.arch).flops / cost(B0).flops)
        for point in points(B0, sweep, PUBLISHED_COEFFICIENTS)
    }
    pd.DataFrame({"arch": rows.keys(), "accuracy": rows.values()}).to_csv(path, index=False)
    return f"table:{path.name}"


def test_a_sweep_trains_each_network_once_per_seed_and_says_what_each_line_gains(nas, tmp_path):
    data = few_images(tmp_path / "few.npz")[:2]
    short = ["--proxy", "resolution=8", "--proxy", "epochs=1", "--address", "inline"]
    sweep = "width=1,2,3, depth=1,2"
    code, out, err = nas("scale", "--sweep", sweep, "--base", SMALL, *data, *short, "--run", "r")
    assert (code, err) == (0, "")
    assert "Sweep of 2 lines" in out
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        *("run.db", "run.lock", "config.json", "best.json"),
        *("pareto.csv", "sweep.csv", "forecast.csv", "report.html"),
    }
    trials = open_run("r").trials()
    assert len(trials) == 2 * trials["arch"].nunique() == 8
    swept = pd.read_csv("r/sweep.csv")
    assert list(swept["line"]) == ["width"] * 3 + ["depth"] * 2
    means = trials.groupby("arch")["accuracy"].mean()
    assert swept["accuracy"].to_list() == pytest.approx(means[swept["arch"]].to_list())
    assert nas("scale", "--sweep", sweep, "--base", SMALL, *data, *short, "--run", "r")[0] == 2
    report = nas("report", "r")[1]
    assert "width: " in report
    assert "the last step" in report
    assert "Accuracy along each line" in (tmp_path / "r" / "report.html").read_text()
    facts = json.loads(nas("report", "r", "--json", "--png", "f.png")[1])
    assert [row["arch"] for row in facts["sweep"]] == list(swept["arch"])
    assert (tmp_path / "f.png").stat().st_size > 10_000


def test_the_verdict_compares_lines_at_equal_compute_and_larger_networks_are_predicted(nas, tmp_path):
    def accuracy(line, growth):
        floor = {"depth": 0.24, "width": 0.23, "resolution": 0.22, "compound": 0.17}[line]
        return 1 - floor - 0.1 * growth**-0.5

    file = table(tmp_path / "t.csv", "figure8", accuracy)
    code, out, _ = nas("scale", "--sweep", "figure8", "--evaluator", file, "--run", "r")
    assert code == 0
    assert "At about 8x the FLOPs compound is best" in " ".join(out.split())
    forecast = pd.read_csv("r/forecast.csv")
    assert set(forecast["line"]) == {"depth", "width", "resolution", "compound"}
    checks = forecast.dropna(subset=["measured"])
    assert (checks["measured"].between(checks["low"], checks["high"])).all()
    ahead = forecast[forecast["measured"].isna()]
    truth = [accuracy(line, growth) for line, growth in zip(ahead["line"], ahead["growth"], strict=True)]
    assert np.mean((ahead["low"] <= truth) & (truth <= ahead["high"])) == 1
    assert ahead["growth"].max() < 33


def test_the_compound_line_takes_the_coefficients_that_are_given(nas, tmp_path):
    given = points(B0, "compound", Coefficients(1.05, 1.2, 1.2))
    rows = {str(point.arch): 0.5 for point in given}
    pd.DataFrame({"arch": rows.keys(), "accuracy": rows.values()}).to_csv("t.csv", index=False)
    options = ("--sweep", "compound", "--coefficients", "1.05,1.2,1.2", "--evaluator", "table:t.csv")
    code, out, _ = nas("scale", *options, "--run", "r", "--json")
    assert code == 0
    assert [row["arch"] for row in json.loads(out)["sweep"]] == list(rows)
    assert list(open_run("r").trials()["arch"]) == list(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    {
        ("--sweep", ""): "--sweep must not be empty",
        ("--sweep", "wdith"): "--sweep: unknown dimension 'wdith'; did you mean 'width'?",
        ("--sweep", "width", "--strategy", "depth"): "--strategy must be left out with --sweep, got depth",
        ("--sweep", "width", "--phis", "0,1"): "--phis must be left out with --sweep, got 0,1",
        ("--sweep", "width", "--phi", 2): "--phi must be left out with --sweep, got 2.0",
        ("--sweep", "width", "--base", "nothing"): "--base",
    }.items(),
)
def test_what_cannot_be_swept_is_one_line(nas, tmp_path, options, message):
    code, _, err = nas("scale", *options, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: {message}"), err
    assert not (tmp_path / "no").exists()
