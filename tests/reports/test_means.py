"""Networks that were trained several times."""

import numpy as np
import pandas as pd
import pytest

from reports import network_means, not_told_apart


def trials(*rows, epochs=4):
    """Rows of (arch, accuracy), all done."""
    frame = pd.DataFrame(rows, columns=["arch", "accuracy"])
    return frame.assign(
        trial=range(len(rows)), status="done", reward=frame["accuracy"] / 2, epochs=epochs, repeat_of=pd.NA
    )


def test_means_and_pooled_errors():
    means = network_means(trials(("a", 0.5), ("b", 0.8), ("a", 0.7), ("b", 0.8), ("c", 0.1)))
    assert list(means["arch"]) == ["a", "b", "c"]
    assert list(means["trial"]) == [0, 1, 4]
    assert list(means["accuracy"]) == pytest.approx([0.6, 0.8, 0.1])
    assert list(means["reward"]) == pytest.approx([0.3, 0.4, 0.05])
    assert list(means["trainings"]) == [2, 2, 1]
    noise = np.sqrt((0.1**2 + 0.1**2) / 2)  # two degrees of freedom: five training runs of three networks
    assert list(means["accuracy_error"]) == pytest.approx([noise / 2**0.5, noise / 2**0.5, noise])
    assert list(means["reward_error"]) == pytest.approx([noise / 8**0.5, noise / 8**0.5, noise / 2])


def test_without_a_second_training_the_noise_is_unknown_and_nobody_told_apart():
    means = network_means(trials(("a", 0.5), ("b", 0.9)))
    assert means["accuracy_error"].isna().all()
    assert not_told_apart(means, 1).tolist() == [True, True]


def test_failed_stopped_and_repeated_trials_do_not_count():
    frame = trials(("a", 0.5), ("a", 0.9), ("b", 0.7), ("c", 0.8), ("d", 0.6))
    frame.loc[1, "epochs"] = 2
    frame.loc[2, "repeat_of"] = 0
    frame.loc[3, ["status", "accuracy"]] = ["failed", np.nan]
    assert list(network_means(frame)["arch"]) == ["a", "d"]
    assert list(network_means(frame)["accuracy"]) == [0.5, 0.6]
    assert network_means(frame.iloc[:0]).empty


def test_networks_are_told_apart_by_students_t():
    rows = [("best", 0.9), ("best", 0.92), ("near", 0.9), ("near", 0.88), ("far", 0.7), ("far", 0.72)]
    means = network_means(trials(*rows))
    # noise of the reward 0.00707, three degrees of freedom: differences above 3.182 * 0.00707 count
    assert not_told_apart(means, 0).tolist() == [True, True, False]
    assert not_told_apart(means, 2).tolist() == [False, False, True]
    equal = network_means(trials(("a", 0.5), ("a", 0.5), ("b", 0.4), ("b", 0.4)))
    assert not_told_apart(equal, 0).tolist() == [True, False]


def test_equal_networks_are_rarely_told_apart_and_different_ones_mostly():
    rng = np.random.default_rng(0)

    def told_apart(difference):
        noise = rng.normal(size=(200, 8))
        runs = [[("a", n) for n in row[:4]] + [("b", n - difference) for n in row[4:]] for row in noise]
        return np.mean([not not_told_apart(network_means(trials(*run)), 0)[1] for run in runs])

    assert 0.01 < told_apart(0) < 0.1
    assert told_apart(5) > 0.95
