"""The model that a scaling run's direction comes from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick

from scaling_search import PUBLISHED_COEFFICIENTS, STRATEGIES, Coefficients, Grid, distinct, scale, within
from scaling_search.direction import (
    Prior,
    coefficients_of,
    doubling,
    fit,
    log_growths,
    losses,
    realisable,
    shares_of,
    triangle,
)
from scaling_search.families import PHIS
from search_spaces import PRESETS, cost

B0 = PRESETS["efficientnet-b0"]
ALONE = np.array(
    [log_growths(B0, scale(B0, STRATEGIES[name], 1)) for name in ("depth", "width", "resolution")]
)
KEPT = within(distinct(B0, Grid().triples()), 2 * cost(B0).flops, 0.12)
GROWTHS = np.array([log_growths(B0, arch) for arch in KEPT])
NOTHING = fit(np.zeros((0, 3)), np.zeros(0), np.zeros(0), 0.0)


def told(best, runs, curvature=0.1, noise=0.002, seed=0):
    """The posterior after ``runs`` training runs of each of ``GROWTHS``, if ``best`` were the best shares."""
    rng = np.random.default_rng(seed)
    compute = GROWTHS.sum(axis=1)
    away = ((GROWTHS / compute[:, None] - best) ** 2).sum(axis=1)
    truth = 0.5 + 0.02 * compute - curvature * compute * away
    accuracies = truth + noise * rng.normal(size=(runs, len(truth)))
    squares = ((accuracies - accuracies.mean(axis=0)) ** 2).sum()
    return fit(GROWTHS, accuracies.mean(axis=0), np.full(len(truth), float(runs)), squares)


@given(st.floats(1, 3), st.floats(1, 2), st.floats(1, 2))
@quick
def test_shares_and_coefficients_are_inverse(alpha, beta, gamma):
    triple = Coefficients(alpha, beta, gamma)
    if triple.product > 1.001:
        found = coefficients_of(shares_of(triple), triple.product)
        assert (found.alpha, found.beta, found.gamma) == pytest.approx((alpha, beta, gamma))


def test_growth_is_divided_among_what_grew_and_adds_up():
    depth, width, resolution = ALONE
    assert np.flatnonzero(depth).tolist() == [0]
    assert np.flatnonzero(width).tolist() == [1]
    assert np.flatnonzero(resolution).tolist() == [2]
    arch = scale(B0, PUBLISHED_COEFFICIENTS, 2)
    growths = log_growths(B0, arch)
    assert growths.sum() == pytest.approx(np.log2(cost(arch).flops / cost(B0).flops))
    assert (growths > 0.1).all()
    assert not log_growths(B0, B0).any()


def test_without_training_runs_the_published_direction_stays():
    assert NOTHING.best == pytest.approx(shares_of(PUBLISHED_COEFFICIENTS), abs=0.06)
    assert NOTHING.directions == pytest.approx(Prior().weights)
    assert NOTHING.learned == pytest.approx(0, abs=1e-9)


def test_the_prior_rules_no_direction_out():
    prior = Prior()
    assert prior.weights.sum() == pytest.approx(1)
    assert (prior.weights * len(triangle()) >= prior.flat).all()
    assert triangle()[prior.weights.argmax()] == pytest.approx(prior.direction, abs=0.05)


@pytest.mark.parametrize("best", [(0.7, 0.15, 0.15), (0.1, 0.7, 0.2), (0.1, 0.2, 0.7), (0.3, 0.3, 0.4)])
def test_many_exact_training_runs_find_the_direction(best):
    posterior = told(best, 40)
    assert posterior.best == pytest.approx(best, abs=0.06)
    for axis in range(3):
        low, high = posterior.interval(axis)
        assert low <= best[axis] <= high
        assert high - low < 0.35
    assert posterior.learned > 0.5
    assert posterior.noise == pytest.approx(0.002, rel=0.3)


def test_few_noisy_training_runs_leave_the_prior_nearly_as_it_was():
    found = [told((0.9, 0.05, 0.05), 1, curvature=0.003, noise=0.01, seed=seed) for seed in range(10)]
    assert np.mean([one.best for one in found], axis=0) == pytest.approx(NOTHING.best, abs=0.1)
    assert np.median([one.learned for one in found]) < 0.3


def test_a_direction_beats_what_lies_further_from_the_best():
    posterior = told((0.3, 0.3, 0.4), 40)
    for corner in np.eye(3):
        assert posterior.beats(posterior.best, corner) > 0.99
        assert posterior.beats(corner, posterior.best) < 0.01
    assert posterior.beats((0.5, 0.5, 0), (0.5, 0.5, 0)) == 0


def test_the_order_of_networks_and_a_constant_in_all_accuracies_change_nothing():
    rng = np.random.default_rng(0)
    accuracies, counts = rng.uniform(0.4, 0.5, len(GROWTHS)), np.arange(1.0, len(GROWTHS) + 1)
    one = fit(GROWTHS, accuracies, counts, 1e-4)
    order = rng.permutation(len(GROWTHS))
    other = fit(GROWTHS[order], accuracies[order] + 0.3, counts[order], 1e-4)
    assert one.weights == pytest.approx(other.weights, abs=1e-9)


def test_a_direction_loses_by_its_squared_distance_and_by_the_compute():
    (loss,) = losses(np.array([[1.0, 0.0, 0.0]])).T
    assert loss == pytest.approx(((triangle() - [1, 0, 0]) ** 2).sum(axis=1))
    assert losses(np.array([[2.0, 0.0, 0.0]]))[:, 0] == pytest.approx(2 * loss)


@pytest.mark.parametrize("shares", [(0.28, 0.29, 0.43), (0.45, 0.2, 0.35), (0.1, 0.5, 0.4)])
def test_a_family_doubles_its_realised_flops(shares):
    coefficients = doubling(B0, shares)
    assert shares_of(coefficients) == pytest.approx(shares, abs=0.01)
    growth = cost(scale(B0, coefficients, 7)).flops / cost(B0).flops
    assert 0.9 * 2**7 <= growth <= 2**7


SHARES = st.tuples(*[st.floats(0.01, 1)] * 3).map(lambda parts: np.array(parts) / sum(parts))


@quick
@given(shares=SHARES)
def test_what_is_left_of_a_direction_keeps_its_proportions(shares):
    kept = realisable(B0, shares, PHIS.values())
    assert kept.sum() == pytest.approx(1)
    left = kept > 0
    assert kept[left] == pytest.approx(shares[left] / shares[left].sum())


def test_a_little_depth_is_left_out_where_rounding_up_would_make_it_much():
    shares = [0.07, 0.01, 0.92]
    growths = log_growths(B0, scale(B0, doubling(B0, shares), 1))
    assert growths[0] / growths.sum() > 0.35  # a layer more in every stage
    assert realisable(B0, shares, PHIS.values())[0] == 0
    assert realisable(B0, shares, PHIS.values(), rounding="round")[0] > 0


@pytest.mark.parametrize("coefficients", [(1.127, 1.118, 1.185), (1.265, 1.112, 1.126), (1.2, 1.1, 1.15)])
def test_a_direction_near_the_published_one_is_kept_whole(coefficients):
    shares = shares_of(Coefficients(*coefficients))
    assert realisable(B0, shares, PHIS.values()) == pytest.approx(shares)
