import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import count, pareto_front, seed_noise, sketch
from search_spaces import PRESETS

VALUES = st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan, np.inf, -np.inf])


def brute_force(df, maximize, minimize):
    """Row numbers that no other row dominates, by the definition."""
    costs = np.concatenate([-df[maximize].to_numpy(), df[minimize].to_numpy()], axis=1)
    known = ~np.isnan(costs).any(axis=1)
    return [
        i
        for i in range(len(df))
        if known[i]
        and not any(
            known[j] and (costs[j] <= costs[i]).all() and (costs[j] < costs[i]).any() for j in range(len(df))
        )
    ]


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=12), st.integers(1, 3))
def test_pareto_front_agrees_with_its_definition(rows, objectives):
    df = pd.DataFrame(rows, columns=["a", "b", "c"], dtype=float)
    maximize, minimize = (["a"], ["b", "c"][: objectives - 1])
    assert list(pareto_front(df, maximize, minimize).index) == brute_force(df, maximize, minimize)


def test_a_front_leaves_out_failed_and_unfinished_trials():
    df = pd.DataFrame(
        {"status": ["done", "failed", "running"], "accuracy": [0.5, 0.9, None], "flops": [2, 1, 1]}
    )
    assert list(pareto_front(df).index) == [0]


def test_a_front_of_missing_columns_is_refused():
    with pytest.raises(ValueError, match="columns must be among"):
        pareto_front(pd.DataFrame({"accuracy": [1.0]}))
    with pytest.raises(ValueError, match="at least one column"):
        pareto_front(pd.DataFrame({"accuracy": [1.0]}), [], [])


def runs(accuracies, again):
    trials = pd.DataFrame(
        {"trial": range(len(accuracies)), "status": "done", "repeat_of": pd.NA, "accuracy": accuracies}
    )
    return trials, pd.DataFrame(again, columns=["trial", "accuracy"])


def test_seed_noise_is_recovered_from_pairs():
    rng = np.random.default_rng(0)
    true = rng.uniform(0.3, 0.9, 4000)
    first, second = true + rng.normal(0, 0.02, 4000), true + rng.normal(0, 0.02, 4000)
    noise = seed_noise(*runs(first, list(enumerate(second))))
    assert noise.noise == pytest.approx(0.02, rel=0.05)
    assert noise.spread == pytest.approx(0.6 / np.sqrt(12), rel=0.05)


def test_the_noise_line_says_what_it_means():
    clear = str(seed_noise(*runs([0.2, 0.5, 0.9], [(0, 0.21), (2, 0.89)])))
    assert "the best network stands out" in clear
    tied = str(seed_noise(*runs([0.2, 0.88, 0.9], [(0, 0.23), (2, 0.87)])))
    assert "cannot tell the top 2 apart" in tied
    blind = str(seed_noise(*runs([0.5, 0.51, 0.52], [(0, 0.6), (2, 0.4)])))
    assert "cannot rank these networks at all" in blind


def test_without_a_second_training_there_is_no_noise_to_report():
    assert seed_noise(*runs([0.2, 0.5], [])) is None
    assert seed_noise(*runs([0.2, 0.5], [(0, np.nan)])) is None


def test_counts_have_three_digits():
    assert [count(n) for n in (7, 928, 1448, 5_288_548, 385_814_752, 37_745_884_192, 999_700_000)] == [
        "7", "928", "1.45k", "5.29M", "386M", "37.7G", "1.00G",
    ]  # fmt: skip


def test_a_sketch_names_every_stage():
    assert sketch(str(PRESETS["efficientnet-b0"])) == "1x1k3+ 6x2k3+ 6x2k5+ 6x3k3+ 6x3k5+ 6x4k5+ 6x1k3+"
