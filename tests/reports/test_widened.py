"""Errors that include what a small validation part adds."""

import numpy as np
import pandas as pd
import pytest

import reports


def networks(accuracy, error, slope=1.1):
    """Networks with rewards in proportion."""
    accuracy, error = np.array(accuracy), np.array(error)
    columns = {"accuracy": accuracy, "accuracy_error": error}
    return pd.DataFrame({**columns, "reward": slope * accuracy, "reward_error": slope * error})


def test_the_error_of_seeds_and_that_of_images_add_as_squares():
    wide = reports.widened(networks([0.5], [0.03]), 242)
    images = np.sqrt(0.25 / 242)
    assert wide["accuracy_error"][0] == pytest.approx(np.hypot(0.03, images))
    assert wide["reward_error"][0] == pytest.approx(1.1 * np.hypot(0.03, images))


def test_without_seed_noise_the_images_remain_and_unknown_errors_stay_unknown():
    wide = reports.widened(networks([0.5, 1.0, 0.5], [0.0, 0.0, np.nan]), 100)
    assert wide["accuracy_error"][0] == pytest.approx(0.05)
    assert wide["reward_error"][0] == pytest.approx(1.1 * 0.05)
    assert 0 < wide["accuracy_error"][1] < 0.02
    assert np.isnan(wide["accuracy_error"][2])
    assert np.isnan(wide["reward_error"][2])


def test_an_unknown_number_of_images_changes_nothing():
    pd.testing.assert_frame_equal(reports.widened(networks([0.5], [0.03]), 0), networks([0.5], [0.03]))


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 0.9])
def test_95_of_100_intervals_of_1_96_errors_hold_the_accuracy_on_all_images(accuracy):
    rng, images = np.random.default_rng(0), 242
    measured = rng.binomial(images, accuracy, 20_000) / images
    held = np.abs(measured - accuracy) <= 1.96 * reports.binomial_error(measured, images)
    assert held.mean() == pytest.approx(0.95, abs=0.015)
