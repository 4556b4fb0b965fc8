"""Accuracy as a power law of compute."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick

from scaling_search import fit_power_law
from scaling_search.power_law import FURTHEST

# EfficientNet B0 to B7, arXiv:1905.11946, table 2: billions of FLOPs, and top-1 accuracies on ImageNet
FLOPS = np.array([0.39, 0.70, 1.0, 1.8, 4.2, 9.9, 19, 37])
ACCURACIES = np.array([0.771, 0.791, 0.801, 0.816, 0.829, 0.836, 0.840, 0.843])


def law(networks, error=0.003):
    return fit_power_law(FLOPS[:networks], ACCURACIES[:networks], np.full(networks, error))


def test_each_published_model_is_predicted_by_those_before_it():
    for networks in range(2, 8):
        _, low, high = law(networks).band(FLOPS[networks])
        assert low <= ACCURACIES[networks] <= high
        assert high - low < 0.045


def test_the_band_holds_the_truth_about_as_often_as_it_says():
    rng, held, compute = np.random.default_rng(0), [], np.array([1.0, 2.0, 4.0, 8.0])
    for _ in range(300):
        floor, exponent, level = rng.uniform(0, 1), 0.4 * 2 ** rng.normal(), rng.uniform(0.2, 0.7)
        truth = 1 - level * (floor + (1 - floor) * compute**-exponent) + rng.normal(0, 0.005, 4)
        seen = truth + rng.normal(0, 0.006, 4)
        _, low, high = fit_power_law(compute[:3], seen[:3], np.full(3, 0.006)).band(8.0, error=0.006)
        held.append(low <= seen[3] <= high)
    assert 0.85 <= np.mean(held) <= 0.99


@quick
@given(st.floats(1, 4), st.floats(0.2, 0.9), st.floats(0.001, 0.05))
def test_the_band_surrounds_its_middle_and_widens_beyond_what_was_trained(times, accuracy, error):
    found = fit_power_law(np.array([1.0, 2.0]), np.array([accuracy, accuracy]), np.full(2, error))
    middle, low, high = found.band(2 * times)
    assert 0 <= low <= middle <= high <= 1
    edge, lowest, highest = found.band(2.0)  # of the error: that falls, and the band's width with it
    assert (high - low) / (1 - middle) >= (highest - lowest) / (1 - edge) - 1e-3


def test_the_unit_of_compute_does_not_matter():
    in_flops = fit_power_law(1e9 * FLOPS[:4], ACCURACIES[:4], np.full(4, 0.003)).band(4.2e9)
    assert in_flops == pytest.approx(law(4).band(4.2), abs=1e-4)


def test_nothing_is_predicted_further_than_four_times_what_was_trained():
    law(3).band(FURTHEST * FLOPS[2])
    with pytest.raises(ValueError, match=r"compute must be at most 4 times the largest .*, 1, got 4\.2"):
        law(3).band(4.2)


@pytest.mark.parametrize("networks", [0, 1])
def test_one_network_is_no_line(networks):
    with pytest.raises(ValueError, match="two networks of different compute"):
        fit_power_law(FLOPS[:networks], ACCURACIES[:networks], np.zeros(networks))
