"""What an audit computes, on numbers whose answers are known."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from reports import (
    agree,
    agreement_line,
    by_network,
    consistency_lines,
    examine,
    row_means,
    verdict_line,
)
from reports.audit import expected, noise_of, reliability_of, separations, spread_of
from reports.kendall import Tau, average_tau, draws, partial_taus, reliability, tau_of, taus

NAN = math.nan
RANKING = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, NAN]), min_size=2, max_size=12)
PAIR = RANKING.flatmap(
    lambda a: st.tuples(st.just(a), st.lists(st.floats(0, 1), min_size=len(a), max_size=len(a)))
)


def one_tau(a, b):
    a, b = np.array(a, float), np.array(b, float)
    return taus(a, b, np.ones((1, len(a))))[0]


def journal(accuracies, flops=None, failed=()):
    """Trials of networks ``n0``, ``n1``, ..., one pass per seed, and their table."""
    accuracies = np.array(accuracies, float)
    networks, seeds = accuracies.shape
    rows = [
        {
            "trial": seed * networks + network,
            "arch": f"n{network}",
            "status": "done" if np.isfinite(accuracies[network, seed]) else "failed",
            "accuracy": accuracies[network, seed],
            "flops": 100 + network if flops is None else flops[network],
            "params": 50 - network,
            "seconds": 2.0 + seed,
        }
        for seed in range(seeds)
        for network in range(networks)
    ]
    trials = pd.DataFrame(rows)
    return trials, by_network(trials, [f"n{network}" for network in range(networks)], seeds)


def audited(accuracies, **options):
    trials, table = journal(accuracies, **options)
    return examine(table, trials, np.random.default_rng(0))


@settings(max_examples=500, deadline=None)
@given(PAIR)
def test_tau_is_scipys_tau_b_and_lies_between_minus_1_and_1(pair):
    a, b = (np.array(values, float) for values in pair)
    known = np.isfinite(a) & np.isfinite(b)
    found = one_tau(a, b)
    if len(set(a[known])) < 2 or len(set(b[known])) < 2:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(kendalltau(a[known], b[known]).statistic, abs=1e-12)
        assert -1 <= found <= 1
        assert found == one_tau(b, a)


@settings(deadline=None)
@given(PAIR)
def test_tau_depends_on_the_order_only(pair):
    a, b = (np.array(values, float) for values in pair)
    b = b.round(3)  # no differences so small that exp rounds them away
    assert one_tau(np.exp(a), 3 * b - 7) == pytest.approx(one_tau(a, b), nan_ok=True)
    assert one_tau(-a, b) == pytest.approx(-one_tau(a, b), nan_ok=True)


def test_a_weighted_network_counts_like_that_many_copies():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 9))
    for weights in draws(9, rng)[:20]:
        rows = np.repeat(np.arange(9), weights.astype(int))
        assert taus(a, b, weights[None])[0] == pytest.approx(kendalltau(a[rows], b[rows]).statistic)


def test_hand_computed_taus_noise_and_spread():
    assert one_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)  # five pairs alike, one not
    assert one_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(2 * 3))
    accuracies = np.array([[0.8, 0.9], [0.5, 0.5], [0.2, NAN]])
    assert row_means(accuracies).tolist() == pytest.approx([0.85, 0.5, 0.2])
    noise = math.sqrt(2 * 0.05**2 / 2)  # two networks with one degree of freedom each
    assert noise_of(accuracies) == pytest.approx(noise)
    of_means = noise**2 * (1 / 2 + 1 / 2 + 1) / 3
    assert spread_of(accuracies) == pytest.approx(math.sqrt(np.var([0.85, 0.5, 0.2], ddof=1) - of_means))


def test_noise_free_trainings_have_tau_1_and_need_one_seed():
    found = audited(np.repeat(np.linspace(0.5, 0.9, 12)[:, None], 3, axis=1))
    assert found.between_seeds == Tau(1, 1, 1)
    assert max(found.noise, found.top_noise) < 1e-12
    assert found.spread == pytest.approx(np.linspace(0.5, 0.9, 12).std(ddof=1))
    assert [one.limit for one in found.expected] == [1, 1]
    assert [(one.top, one.seeds) for one in found.separations] == [(1, 1), (3, 1), (5, 1)]
    assert (found.flops.value, found.params.value) == (1, -1)


def test_pure_noise_has_tau_0_and_no_number_of_seeds_helps():
    rng = np.random.default_rng(0)
    found = audited(0.5 + 0.01 * rng.standard_normal((400, 3)))
    assert found.between_seeds.low < 0 < found.between_seeds.high
    assert abs(found.between_seeds.value) < 0.05
    assert found.noise == pytest.approx(0.01, rel=0.1)
    assert found.spread < 0.004
    assert all(one.seeds is None or one.seeds > 100 for one in found.separations)
    assert "cannot tell this proxy's ranking from chance" in verdict_line(found, {})


def gaussian(rng, networks, seeds, noise):
    truth = rng.standard_normal(networks)
    return truth, truth[:, None] + noise * rng.standard_normal((networks, seeds))


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_the_tau_expected_from_more_seeds_is_the_measured_one(noise):
    rng = np.random.default_rng(0)
    truth, accuracies = gaussian(rng, 3000, 6, noise)
    single = kendalltau(accuracies[:, 0], accuracies[:, 1]).statistic
    first, second = accuracies[:, :3].mean(axis=1), accuracies[:, 3:].mean(axis=1)
    assert expected(single, 1).again == pytest.approx(single)
    assert expected(single, 1).limit == pytest.approx(kendalltau(accuracies[:, 0], truth).statistic, abs=0.03)
    assert expected(single, 3).again == pytest.approx(kendalltau(first, second).statistic, abs=0.03)
    assert expected(single, 3).limit == pytest.approx(kendalltau(first, truth).statistic, abs=0.03)


def test_reliability_is_spearman_browns():
    tau = tau_of(0.5)
    assert tau == pytest.approx(1 / 3)
    assert reliability(tau, 1) == pytest.approx(0.5)
    assert reliability(tau, 3) == pytest.approx(0.75)
    assert reliability(-0.4, 3) == 0
    assert math.isnan(reliability(NAN, 3))


def test_intervals_hold_the_truth_in_about_95_of_100():
    rng = np.random.default_rng(0)
    truth = tau_of(1 / (1 + 0.6**2))
    held = 0
    for _ in range(200):
        _, accuracies = gaussian(rng, 16, 3, 0.6)
        found = average_tau(itertools.combinations(accuracies.T, 2), draws(16, rng))
        held += found.low <= truth <= found.high
    assert 0.9 <= held / 200 <= 0.99


def test_separation_is_by_its_definition_and_by_the_better_half():
    better = [[0.90 + d, 0.90 - d] for d in (0.01, 0.01)] + [[0.80, 0.80], [0.78, 0.78]]
    better[0] = [0.96, 0.94]
    worse = [[0.1, 0.6], [0.2, 0.3], [0.1, 0.2], [0.0, 0.3]]
    accuracies = np.array(better + worse)
    first, third = separations(accuracies)
    noise = math.sqrt(4 * 0.01**2 / 4)
    means = np.array([0.95, 0.90, 0.80, 0.78])
    middle = (0.78 + 0.35) / 2
    share = 1 - noise**2 / 2 / np.mean((means - middle) ** 2)
    assert (first.top, third.top) == (1, 3)
    assert first.gap == pytest.approx(share * 0.05)
    assert third.gap == pytest.approx(share * 0.17)
    assert first.seeds == math.ceil((1.96 * math.sqrt(2) * noise / first.gap) ** 2) == 1
    noisier = np.where(np.arange(8)[:, None] < 4, accuracies + np.array([0.05, -0.05]), accuracies)
    first = separations(noisier)[0]
    assert first.seeds == math.ceil((1.96 * math.sqrt(2) * noise_of(noisier[:4]) / first.gap) ** 2) > 10


def test_the_number_of_seeds_said_to_be_needed_is_about_right():
    rng = np.random.default_rng(0)
    said, needed = [], []
    for _ in range(300):
        truth, accuracies = gaussian(rng, 24, 3, 0.6)
        top = np.sort(truth)[::-1]
        said.append({one.top: one.seeds or math.inf for one in separations(accuracies)}[5])
        needed.append(math.ceil((1.96 * math.sqrt(2) * 0.6 / (top[0] - top[5])) ** 2))
    assert 0.5 <= np.median(said) / np.median(needed) <= 2


def test_a_longer_schedule_is_held_against_the_ceiling_that_noise_leaves():
    rng = np.random.default_rng(0)
    truth, accuracies = gaussian(rng, 600, 4, 0.6)
    _, table = journal(accuracies[:, :2])
    _, longer = journal(accuracies[:, 2:])
    found = agree(table, longer, rng)
    assert found.networks == 600
    assert found.tau.value == pytest.approx(found.ceiling, abs=0.04)  # they differ in noise only
    assert found.single.value < found.tau.value
    assert reliability_of(accuracies[:, :2]) == pytest.approx(1 / (1 + 0.6**2 / 2), abs=0.05)
    exact = agree(table, truth, rng)
    assert exact.tau.value == pytest.approx(exact.ceiling, abs=0.03)
    assert exact.tau.value > found.tau.value
    assert exact.over_flops.low > 0
    assert exact.over_flops.value == pytest.approx(exact.tau.value - exact.flops.value)
    chosen = row_means(accuracies[:, :2]).argmax()
    assert exact.regret == pytest.approx(truth.max() - truth[chosen])


def test_a_proxy_that_ranks_by_flops_is_no_better_than_flops():
    flops = np.arange(100, 120)
    _, table = journal(np.stack([flops, flops], axis=1) / 200, flops=flops)
    found = agree(table, np.random.default_rng(0).permutation(flops / 200), np.random.default_rng(0))
    assert found.over_flops == Tau(0, 0, 0)
    assert "it is not shown to say more about the truth than FLOPs do" in verdict_line(
        audited(np.stack([flops, flops], axis=1) / 200), {"the truth": found}
    )


def test_what_is_left_without_flops_is_what_size_does_not_explain():
    rng = np.random.default_rng(0)
    size, own, *noise = rng.normal(size=(4, 2000))
    a, b = (size + own + 0.5 * one for one in noise)  # agree beyond size
    c, d = (size + one for one in noise)  # by size alone
    weights = np.ones((1, 2000))
    assert taus(c, d, weights)[0] > 0.3
    assert partial_taus(c, d, size, weights)[0] == pytest.approx(0, abs=0.03)
    left = taus(own + 0.5 * noise[0], own + 0.5 * noise[1], weights)[0]
    assert partial_taus(a, b, size, weights)[0] == pytest.approx(left, abs=0.03)
    assert np.isnan(partial_taus(a, b, a, weights)).all()
    gaps = np.where(rng.random(2000) < 0.1, NAN, a)
    some = np.isfinite(gaps)
    assert partial_taus(gaps, b, size, weights) == partial_taus(
        a[some], b[some], size[some], weights[:, some]
    )


@pytest.mark.parametrize(
    "accuracies",
    [
        [[NAN], [NAN]],
        [[0.5], [NAN]],
        [[0.5], [0.6]],
        [[0.5, NAN], [NAN, 0.6]],
        [[0.5, 0.6], [NAN, NAN]],
        [[0.5, 0.5], [0.5, 0.5]],
        [[0.5, 0.6], [0.6, 0.5], [NAN, NAN]],
        [[0.1, 0.1, NAN]] * 9,
    ],
)
def test_few_networks_ties_and_failures_give_words_and_no_warnings(accuracies):
    found = audited(accuracies)
    assert found.failed == int(np.isnan(accuracies).sum())
    assert found.done + found.failed == np.size(accuracies)
    _, table = journal(accuracies)
    rng = np.random.default_rng(0)
    others = [agree(table, table, rng), agree(table, np.linspace(0, 1, len(accuracies)), rng)]
    lines = [*consistency_lines(found), *(agreement_line("a", other) for other in others)]
    for words in (*lines, verdict_line(found, dict(zip("ab", others, strict=True)))):
        assert "nan" not in words
    if np.shape(accuracies)[1] == 1:
        assert "no network was trained twice" in consistency_lines(found)[0]


def test_fewer_than_eight_networks_have_no_interval():
    accuracies = np.random.default_rng(0).random((8, 2))
    assert math.isfinite(audited(accuracies).between_seeds.low)
    few = audited(accuracies[:7])
    assert math.isfinite(few.between_seeds.value)
    assert math.isnan(few.between_seeds.low)


def test_repetitions_are_columns_whatever_failed_or_is_missing():
    trials, table = journal([[0.1, 0.2], [NAN, 0.4], [0.5, 0.6]])
    assert table[["seed_1", "seed_2"]].to_numpy().tolist() == pytest.approx(
        np.array([[0.1, 0.2], [NAN, 0.4], [0.5, 0.6]]), nan_ok=True
    )
    assert table["flops"].tolist() == [100, 101, 102]
    begun = by_network(trials.head(2), ["n0", "n1", "n2"], 2)
    assert begun["seed_1"].tolist() == pytest.approx([0.1, NAN, NAN], nan_ok=True)
    assert begun["seed_2"].isna().all()
    assert begun["flops"].isna().tolist() == [False, False, True]
    assert by_network(trials.head(0), ["n0"], 2).shape == (1, 5)


@pytest.mark.parametrize(
    ("tau", "words"),
    [
        (Tau(0.9, 0.8, 0.95), "repeats itself well"),
        (Tau(0.5, 0.2, 0.7), "repeats itself roughly"),
        (Tau(0.3, 0.1, 0.5), "mostly noise"),
        (Tau(0.9, -0.1, 1.0), "12 networks cannot tell this proxy's ranking from chance"),
        (Tau(0.9, NAN, NAN), "12 networks are too few to tell how well this proxy repeats itself"),
        (Tau(NAN, NAN, NAN), "does not tell these networks apart"),
    ],
)
def test_the_verdict_is_in_words(tau, words):
    proxy = audited(np.random.default_rng(0).random((12, 2)))
    assert words in verdict_line(dataclasses.replace(proxy, between_seeds=tau), {})
