"""The parts of the page: points, drawings, marginals, markup."""

import json

import numpy as np
import pandas as pd
import pytest

from reports import pareto_front
from reports.marginals import marginals
from reports.page.drawing import MOST_BARS, blocks, draw
from reports.page.markup import embedded_json, tag
from reports.page.plots import front_figure, progress_figure
from reports.page.points import MOST_POINTS, choose_points
from search_spaces import PRESETS, SPACES, Decision

ATTACK = "</script><script>alert(1)</script><!-- <b>&amp;"


def many(number):
    """``count`` networks, most of them far from the front."""
    rng = np.random.default_rng(0)
    flops = rng.uniform(1e8, 1e9, number)
    accuracy = 0.1 * np.log10(flops / 1e8) + 0.7 - rng.exponential(0.05, number)
    costs = {"flops": flops, "params": flops * rng.uniform(1, 2, number), "activations": flops**0.5}
    arch = str(PRESETS["efficientnet-b0"])
    return pd.DataFrame(
        {"trial": np.arange(number), "arch": arch, "accuracy": accuracy, "reward": accuracy, **costs}
    )


def test_of_very_many_networks_those_far_from_the_front_are_thinned():
    networks = many(50_000)
    points = choose_points(networks, 17)
    assert len(points.table) <= MOST_POINTS
    assert len(points.table) + points.left_out == 50_000
    assert points.table["trial"][points.best] == 17
    for cost, front in points.fronts.items():
        expected = pareto_front(networks, ["accuracy"], [cost]).sort_values(cost)["trial"]
        assert list(points.table["trial"][front]) == list(expected)
        assert front_figure(points, cost)["data"][1]["x"] == points.table[cost][front].to_list()
    gone = networks[~networks["trial"].isin(points.table["trial"])]
    assert gone["accuracy"].mean() < points.table["accuracy"].mean()


def test_a_front_of_everything_is_thinned_too():
    networks = many(5_000).assign(accuracy=lambda frame: frame["flops"] / 1e9)
    points = choose_points(networks, 17)
    assert len(points.table) <= MOST_POINTS
    assert points.front_size == 5_000


def test_progress_of_very_many_trials_is_thinned_to_its_steps():
    trials = many(50_000)
    figure, left_out = progress_figure(trials, None)
    dots, best = figure["data"][0], figure["data"][-1]
    assert len(dots["x"]) + left_out == 50_000
    assert len(dots["x"]) <= 2000
    steps = trials[trials["reward"] > trials["reward"].cummax().shift(fill_value=-1)]
    assert best["x"][:-1] == steps["trial"].to_list()
    assert best["y"][-1] == trials["reward"].max()


def test_equal_accuracies_have_a_readable_axis():
    points = choose_points(many(10).assign(accuracy=0.5), 0)
    assert front_figure(points, "flops")["layout"]["yaxis"]["range"] == pytest.approx([0.44, 0.56])


def test_a_drawing_has_every_stage_with_its_sizes():
    rows = blocks(PRESETS["efficientnet-b0"])
    assert len(rows) == 9
    assert (rows[2].name, rows[2].layers, rows[2].channels) == ("MBConv6 3×3", 2, 24)
    assert rows[2].detail == "112 → 56 px · 24 ch · SE 0.25 · skip"
    assert rows[-1].detail == "7 px · 1280 ch"
    assert draw(rows, "B0").count("<rect") == 16 + 2  # layers, stem and head
    deep = blocks(PRESETS["efficientnet-l2"])
    assert draw(deep, "L2").count("<rect") == sum(min(row.layers, MOST_BARS) for row in deep)


def test_marginals_are_shares_of_the_proposals_and_entropy_falls_as_they_agree():
    decisions = (Decision("stage1_op", ("a", "b", "c", "d")), Decision("stage1_kernel", (3, 5)))
    rng = np.random.default_rng(0)
    actions = [(int(rng.integers(4)), 1) if trial < 800 else (2, 1) for trial in range(1600)]
    found = marginals(pd.DataFrame({"trial": range(1600), "actions": actions}), decisions)
    for shares in found.shares:
        assert shares.sum(1) == pytest.approx(1)
    assert found.ends[-1] == 1599
    entropy = found.entropy()
    assert entropy[:14, 0] == pytest.approx(1, abs=0.1)
    assert entropy[-14:, 0] == pytest.approx(0)
    assert entropy[:, 1] == pytest.approx(0)


@pytest.mark.parametrize("decisions", [(), SPACES["mnas"].decisions], ids=["unknown", "foreign"])
def test_there_are_no_marginals_of_other_decisions(decisions):
    frame = pd.DataFrame({"trial": range(100), "actions": [(0, 1)] * 100})
    assert marginals(frame, decisions) is None


def test_embedded_json_cannot_end_its_script():
    value = {"text": ATTACK, "numbers": [1.5, float("nan"), float("inf")]}
    text = embedded_json(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"text": ATTACK, "numbers": [1.5, None, None]}


def test_markup_escapes_children_and_attributes():
    written = tag("p", ATTACK, tag("b", "x"), title='"<>')
    assert written.startswith('<p title="&quot;&lt;&gt;">&lt;/script&gt;')
    assert written.endswith("<b>x</b></p>")
