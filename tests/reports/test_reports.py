import itertools

import numpy as np
import pandas as pd
import pytest
from fakes import Fake, new_search
from hypothesis import given, settings
from hypothesis import strategies as st

from nas import open_run
from nas.launch.inline import run_inline
from reports import count, hypervolume, load, pareto_front, seed_noise, sketch
from reports.figures import draw_search
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


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), max_size=12), st.integers(1, 4), st.integers(0, 4))
def test_pareto_front_agrees_with_its_definition(rows, objectives, maximized):
    df = pd.DataFrame(rows, columns=list("abcd"), dtype=float)
    maximize, minimize = list("abcd")[: min(maximized, objectives)], list("abcd")[maximized:objectives]
    assert list(pareto_front(df, maximize, minimize).index) == brute_force(df, maximize, minimize)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_large_fronts_agree_with_the_definition_too(objectives, levels):
    rng = np.random.default_rng(objectives * levels)
    columns = list("abcd")[:objectives]
    for size in (1, 50, 1500):  # more than a block of rows
        df = pd.DataFrame(rng.integers(levels, size=(size, objectives)) / 1.0, columns=columns)
        df = df.mask(rng.random(df.shape) < 0.02)
        known = df.dropna().to_numpy()
        worse = (known[:, None] >= known[None]).all(axis=2) & (known[:, None] > known[None]).any(axis=2)
        expected = df.dropna().index[~worse.any(axis=1)]
        assert list(pareto_front(df, [], columns).index) == list(expected)


def test_a_front_has_every_equal_row_in_the_order_of_the_frame_whatever_the_index():
    df = pd.DataFrame({"accuracy": [0.5, 0.9, 0.9, 0.5], "flops": [1, 2, 2, 1]}, index=[7, 7, 3, 1])
    assert list(pareto_front(df).index) == [7, 7, 3, 1]


def grid_volume(df, maximize, minimize, reference):
    """By inclusion-exclusion over all subsets of the rows."""
    columns = [*maximize, *minimize]
    signs = np.array([1.0] * len(maximize) + [-1.0] * len(minimize))
    worst = np.array([reference[name] for name in columns])
    gains = ((df[columns].to_numpy() - worst) * signs).clip(min=0)
    gains = gains[~np.isnan(gains).any(axis=1)]
    return sum(
        (-1) ** (size + 1) * np.prod(gains[list(rows)].min(axis=0))
        for size in range(1, len(gains) + 1)
        for rows in itertools.combinations(range(len(gains)), size)
    )


NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 3.5, 5.0, 7.25, np.nan])


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=7), st.integers(1, 3), st.integers(0, 3))
def test_hypervolume_agrees_with_inclusion_and_exclusion(rows, objectives, maximized):
    df = pd.DataFrame(rows, columns=list("abc"), dtype=float)
    maximize, minimize = list("abc")[: min(maximized, objectives)], list("abc")[maximized:objectives]
    reference = {name: 0.5 if name in maximize else 6.0 for name in [*maximize, *minimize]}
    assert hypervolume(df, maximize, minimize, reference=reference) == pytest.approx(
        grid_volume(df, maximize, minimize, reference)
    )


def test_hypervolume_of_an_eighth_of_a_ball():
    rng = np.random.default_rng(0)
    points = np.abs(rng.normal(size=(20_000, 3)))
    df = pd.DataFrame(points / np.linalg.norm(points, axis=1, keepdims=True), columns=list("abc"))
    volume = hypervolume(df, list("abc"), [], reference=dict.fromkeys("abc", 0.0))
    assert volume == pytest.approx(np.pi / 6, rel=0.02)
    inside = (df.sample(500, random_state=0) * 0.9).assign(a=0.0)
    assert (
        hypervolume(pd.concat([df, inside]), list("abc"), [], reference=dict.fromkeys("abc", 0.0)) == volume
    )


def test_hypervolume_leaves_out_what_a_front_leaves_out():
    df = pd.DataFrame(
        {"status": ["done", "failed", "done"], "accuracy": [0.5, 0.9, np.inf], "flops": [2.0, 1.0, 1.0]}
    )
    reference = {"accuracy": 0.0, "flops": 4.0}
    assert hypervolume(df.iloc[:2], reference=reference) == 1.0
    assert hypervolume(df.iloc[:0], reference=reference) == 0.0
    assert hypervolume(df, reference=reference) == np.inf
    with pytest.raises(ValueError, match="reference must have a finite number"):
        hypervolume(df, reference={"accuracy": 0.0})
    with pytest.raises(ValueError, match="at most 3 objectives"):
        hypervolume(df, list("abcd"), [], reference={})


def test_load_puts_runs_below_each_other(tmp_path):
    class Kept:
        def __init__(self, directory=None):
            if directory:
                self.directory = directory

        def trials(self):
            return pd.DataFrame({"trial": [0, 1], "accuracy": [0.5, 0.6]})

    loaded = load(Kept("first"), Kept())
    assert list(loaded["run"]) == ["first", "first", "1", "1"]
    assert list(loaded) == ["run", "trial", "accuracy"]
    with pytest.raises(ValueError, match="first was given twice"):
        load(Kept("first"), Kept("first"))
    with pytest.raises(ValueError, match="at least one run"):
        load()
    with pytest.raises(ValueError, match="must be a directory with a run"):
        load(tmp_path)


def test_load_reads_directories_and_open_runs_alike(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        journal, search = new_search(tmp_path / name, create=True, trials=5, controller="random")
        with journal:
            run_inline(search, Fake(fail=(3,)))
    loaded = load(str(tmp_path / "a"), open_run(tmp_path / "b"))
    assert loaded["run"].unique().tolist() == [str(tmp_path / "a"), str(tmp_path / "b")]
    pd.testing.assert_frame_equal(
        loaded[loaded["run"] == str(tmp_path / "a")].drop(columns="run"), open_run(tmp_path / "a").trials()
    )
    assert "failed" not in set(pareto_front(loaded)["status"])


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
    ).assign(arch=lambda frame: frame["trial"].astype(str), epochs=4, flops=1.0)
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


def test_figures_count_trials_from_0_as_the_run_does():
    trials = pd.DataFrame({"trial": [0, 1, 3], "status": "done", "reward": [0.5, 0.4, 0.7]})
    trials = trials.assign(accuracy=trials["reward"], flops=[1e6, 2e6, 3e6])
    random = {"counts": [1, 2, 3], "random_so_far": [0.5, 0.55, 0.6], "rests_on": 3}
    axes = draw_search(trials, trials, trials, 3, random).axes[1]
    best, expected = axes.get_lines()
    assert best.get_xdata().tolist() == [0, 1, 3]
    assert expected.get_xdata().tolist() == [0, 1, 2]
    assert axes.get_xlabel() == "trial"
