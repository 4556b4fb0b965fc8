"""Better than random?"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import best_so_far, expected_best, near_random


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=4), st.integers(1, 4))
def test_the_expected_best_is_the_mean_over_all_draws(rewards, n):
    expected = [
        np.mean([max(draw) for draw in itertools.product(rewards, repeat=k)]) for k in range(1, n + 1)
    ]
    assert expected_best(rewards, n) == pytest.approx(np.array(expected), abs=1e-9)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=50))
def test_the_expected_best_rises_from_the_mean_to_the_highest(rewards):
    found = expected_best(rewards, 200)
    assert found[0] == pytest.approx(np.mean(rewards), abs=1e-9)
    assert (np.diff(found) >= -1e-12).all()
    assert found[-1] <= max(rewards)
    assert expected_best(rewards, [100_000])[0] == pytest.approx(max(rewards))


def test_numbers_of_draws_may_be_given_and_failed_trials_are_left_out():
    rewards = [0.1, np.nan, 0.5, 0.3]
    assert expected_best(rewards, [3, 1]) == pytest.approx(expected_best([0.1, 0.3, 0.5], 3)[[2, 0]])
    with pytest.raises(ValueError, match="at least one"):
        expected_best([np.nan], 3)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        expected_best([1.0], 0)


def test_a_large_sample_agrees_with_simulation():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=100_000)
    simulated = rng.choice(sample, size=(2000, 500)).max(axis=1).mean()
    assert expected_best(sample, [500])[0] == pytest.approx(simulated, abs=0.03)


def test_best_so_far_never_falls_and_passes_over_failures():
    assert best_so_far([0.2, np.nan, 0.5, 0.1]).tolist() == [0.2, 0.2, 0.5, 0.5]
    assert np.isnan(best_so_far([np.nan, 0.5])[0])
    assert len(best_so_far([])) == 0


def test_a_controller_is_near_random_before_its_first_update():
    assert near_random("random", {}) == math.inf
    assert near_random("rnn", {"update_every": 10}) == 10
    assert near_random("dyna", {"initial": 7, "rounds": 1}) == 7
    assert near_random("evolution", {"population": 50, "sample": 5}) == 50
    assert near_random("another", {}) == 20
