"""Networks that were trained more than once: their means, how sure these are, and who is told apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rewards = Callable[[Array, Array], Array]
"""Rewards from accuracies and FLOPs, linear in accuracy."""


def network_means(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per network that was trained to the end: its first trial, with means in place of its own.

    Trials that a scheduler stopped after fewer epochs, failed ones and repeats do not count.

    Returns:
        the columns of ``trials``, ``accuracy`` and ``reward`` being means over the network's
        ``trainings``, and their standard errors ``accuracy_error`` and ``reward_error``: the noise of a
        training, pooled over all networks, over the square root of ``trainings``. NaN if no network was
        trained twice.
    """
    done = trained(trials)
    groups = done.groupby("arch", sort=False)
    means = done.drop_duplicates("arch").set_index("arch", drop=False)
    counts = groups.size()
    means["trainings"] = counts
    for column in ("accuracy", "reward"):
        means[column] = groups[column].mean()
        means[f"{column}_error"] = pooled_deviation(done, column) / np.sqrt(counts)
    return pd.DataFrame(means.reset_index(drop=True))


def trained(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that were trained to the end, without repeats."""
    done = trials[(trials["status"] == "done") & trials["repeat_of"].isna()]
    return pd.DataFrame(done[done["epochs"] == done["epochs"].max()])


def completed(
    trials: pd.DataFrame, confirmations: pd.DataFrame, rewards: Rewards
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials that a scheduler stopped, and that were then confirmed, as if they had been trained to the end.

    The first of the fresh trainings, which are never stopped, takes the place of the one that was, and no
    longer counts among the confirmations.
    """
    fresh = confirmations.dropna(subset=["accuracy"]).drop_duplicates("trial")
    stopped = (trials["status"] == "done") & trials["repeat_of"].isna()
    stopped &= trials["epochs"] < fresh["epochs"].max()
    fresh = fresh[fresh["trial"].isin(trials.loc[stopped, "trial"])]
    if fresh.empty:
        return trials, confirmations
    trials = trials.set_index("trial", drop=False)
    accuracy = fresh["accuracy"].to_numpy(float)
    trials.loc[fresh["trial"], "reward"] = rewards(
        accuracy, trials.loc[fresh["trial"], "flops"].to_numpy(float)
    )
    trials.loc[fresh["trial"], "accuracy"] = accuracy
    trials.loc[fresh["trial"], "epochs"] = fresh["epochs"].to_numpy()
    return trials.reset_index(drop=True), confirmations.drop(fresh.index)


def pooled_deviation(trainings: pd.DataFrame, column: str) -> float:
    """The standard deviation of ``column`` between trainings of one network; NaN if all have one."""
    groups = trainings.groupby("arch", sort=False)[column]
    freedom = len(trainings) - groups.ngroups
    squares = (trainings[column] - groups.transform("mean")) ** 2
    return float(np.sqrt(squares.sum() / freedom)) if freedom else float("nan")


def not_told_apart(means: pd.DataFrame, row: int) -> NDArray[np.bool_]:
    """Which networks of ``network_means`` cannot be told apart from the one in ``row``, itself included.

    Student's t on the difference of two mean rewards, 95 %, each pair by itself; True everywhere if the
    noise was not measured.
    """
    from scipy.special import stdtrit

    freedom = int(means["trainings"].sum()) - len(means)
    if not freedom:
        return np.ones(len(means), bool)
    rewards, errors = means["reward"].to_numpy(), means["reward_error"].to_numpy()
    limit = stdtrit(freedom, 0.975) * np.hypot(errors, errors[row])
    return np.asarray((np.abs(rewards - rewards[row]) <= limit) | (np.arange(len(means)) == row))
