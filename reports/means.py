"""Mean results of networks, their standard errors, and which networks differ significantly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rewards = Callable[[Array, pd.DataFrame], Array]
"""Gives rewards from accuracies and the rows of their networks, with all costs; linear in accuracy."""


def network_means(trials: pd.DataFrame) -> pd.DataFrame:
    """One row per network that was trained to the end: its first trial, with the means of all its trials.

    Trials that a scheduler stopped early, failed ones and repeats do not count.

    Returns:
        the columns of ``trials``, with means in ``accuracy`` and ``reward``, the number ``trainings`` of
        training runs, and the standard errors ``accuracy_error`` and ``reward_error``: the noise of one
        run, pooled over all networks, over the square root of ``trainings``. The errors are NaN if no
        network was trained twice.
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


def widened(networks: pd.DataFrame, images: int) -> pd.DataFrame:
    """``networks`` with errors that include what a validation part of ``images`` adds to those of seeds.

    The images are a sample too: an accuracy measured on n of them has a binomial error, which more seeds do
    not make smaller. Errors that are unknown (NaN) stay so.

    Args:
        networks: with ``accuracy``, ``accuracy_error``, ``reward`` and ``reward_error``.
    """
    if not images or "accuracy_error" not in networks:
        return networks
    accuracy, seeds = networks["accuracy"].to_numpy(float), networks["accuracy_error"].to_numpy(float)
    error = np.hypot(seeds, binomial_error(accuracy, images))
    if "reward_error" not in networks:
        return networks.assign(accuracy_error=error)
    reward = networks["reward"].to_numpy(float)
    slope = np.divide(reward, accuracy, out=np.ones_like(reward), where=accuracy > 0)
    by_seeds = networks["reward_error"].to_numpy(float)
    slope = np.divide(by_seeds, seeds, out=slope, where=seeds > 0)
    return networks.assign(accuracy_error=error, reward_error=slope * error)


def binomial_error(accuracy: Array | float, images: int) -> Array:
    """The standard error of an accuracy measured on ``images``.

    One success and one failure are added (Laplace's rule), so that it is not 0 where all images agree.
    """
    share = (np.clip(accuracy, 0.0, 1.0) * images + 1) / (images + 2)
    return np.asarray(np.sqrt(share * (1 - share) / images))


def trained(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that were trained to the end, without repeats."""
    done = trials[(trials["status"] == "done") & trials["repeat_of"].isna()]
    return pd.DataFrame(done[done["epochs"] == done["epochs"].max()])


def completed(
    trials: pd.DataFrame, confirmations: pd.DataFrame, rewards: Rewards
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials and confirmations, where a stopped trial that was confirmed counts as trained to the end.

    The first of its fresh training runs, which are never stopped, replaces the one that was, and no longer
    counts as a confirmation.
    """
    fresh = confirmations.dropna(subset=["accuracy"]).drop_duplicates("trial")
    stopped = (trials["status"] == "done") & trials["repeat_of"].isna()
    stopped &= trials["epochs"] < fresh["epochs"].max()
    fresh = fresh[fresh["trial"].isin(trials.loc[stopped, "trial"])]
    if fresh.empty:
        return trials, confirmations
    trials = trials.set_index("trial", drop=False)
    rows, accuracy = fresh["trial"], fresh["accuracy"].to_numpy(float)
    trials.loc[rows, "reward"] = rewards(accuracy, trials.loc[rows])
    trials.loc[rows, "accuracy"] = accuracy
    trials.loc[rows, "epochs"] = fresh["epochs"].to_numpy()
    return trials.reset_index(drop=True), confirmations.drop(fresh.index)


def pooled_deviation(trainings: pd.DataFrame, column: str) -> float:
    """The standard deviation of ``column`` between runs of one network; NaN if each has only one."""
    groups = trainings.groupby("arch", sort=False)[column]
    freedom = len(trainings) - groups.ngroups
    squares = (trainings[column] - groups.transform("mean")) ** 2
    return float(np.sqrt(squares.sum() / freedom)) if freedom else float("nan")


def not_told_apart(means: pd.DataFrame, row: int) -> NDArray[np.bool_]:
    """Which networks of ``network_means`` cannot be told apart from the one in ``row``, itself included.

    Student's t on the difference of two mean rewards, 95 %, uncorrected for the number of pairs; True
    everywhere if the noise was not measured.
    """
    from scipy.special import stdtrit

    freedom = int(means["trainings"].sum()) - len(means)
    if not freedom:
        return np.ones(len(means), bool)
    rewards, errors = means["reward"].to_numpy(), means["reward_error"].to_numpy()
    limit = stdtrit(freedom, 0.975) * np.hypot(errors, errors[row])
    return np.asarray((np.abs(rewards - rewards[row]) <= limit) | (np.arange(len(means)) == row))
