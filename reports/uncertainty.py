"""What noisy training runs say about networks: estimates, their errors, and chances of being the best.

    accuracy of one training run = accuracy of the network + seed noise

The noise is Gaussian and the same for all networks. Networks scatter around the usual accuracy at their
FLOPs, also Gaussian, but wider below than above, since some hardly train at all. A network's estimate is
its posterior mean: the mean of its runs, shrunk towards the usual, more so with fewer runs. One lucky run
therefore counts less than three good ones. The networks that were trained again had been the luckiest. That
needs no further correction, because the posterior includes the runs for which they were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.chances import chances
from reports.means import Array, Rewards, network_means, pooled_deviation, trained

LEAST_SHARE = 0.1
"""At least this share of the variance between networks is taken to be real, however large the noise."""
MISFIT = 0.5
"""The chosen networks lie in the tail of the spread, which may not be Gaussian: their expected drop has a
standard error of this share of it."""
LEAST_TRAININGS = 3
"""With fewer fresh training runs, the noise is known too poorly to give chances."""
LEAST_FOR_TREND = 10
"""With fewer networks, no trend over FLOPs is fitted."""


class Noise(NamedTuple):
    """The standard deviation of accuracy between training runs of one network.

    networks: how many it was measured on.
    trainings: runs of these networks after the first.
    """

    deviation: float
    networks: int
    trainings: int


def measured_noise(trials: pd.DataFrame, confirmations: pd.DataFrame) -> Noise | None:
    """The seed noise; None if no network was trained twice.

    Confirmed networks were chosen for lucky first runs, so their distance from these is not noise alone.
    The result is therefore the noise that makes the fresh runs most likely, given the first ones. It explains
    how much the fresh runs of a network differ, and how far they drop below the first; choosing does not bias
    it. The drop is evidence only if the spread of the networks follows the model; with one fresh seed each,
    there is no other. ``benchmarks/confirming.py``: median 0.97 of the truth, 0.6 to 1.5 in 90 of 100.

    Without confirmations, it comes from the networks that were trained in several trials.

    Args:
        trials: with ``trial``, ``status``, ``repeat_of``, ``arch``, ``accuracy`` and ``epochs``.
        confirmations: ``trial`` and ``accuracy``, one row per fresh run.
    """
    first = trained(trials)
    once = first.groupby("arch", sort=False)["accuracy"]
    again = confirmed(first, confirmations).groupby("arch", sort=False)["accuracy"]
    if not again.ngroups:
        several = int((once.size() > 1).sum())
        if not several:
            return None
        return Noise(pooled_deviation(first, "accuracy"), several, len(first) - once.ngroups)
    means, fresh = once.mean(), again.mean()
    excess = means - usual(means.to_numpy(float), flops_of(first, means.index)).accuracy
    deviation = _likeliest(
        excess.to_numpy(float),
        excess.loc[fresh.index].to_numpy(float),
        means.loc[fresh.index].to_numpy(float),
        fresh.to_numpy(float),
        np.asarray((again.size() - 1) * again.var().fillna(0.0), np.float64),
        np.asarray(again.size(), np.float64),
    )
    return Noise(deviation, again.ngroups, int(again.size().sum()))


def _likeliest(
    excess: Array, excess_chosen: Array, chosen: Array, fresh: Array, squares: Array, counts: Array
) -> float:
    """The noise that makes the fresh runs of the chosen networks most likely, given their first runs.

    Given a first run y, the network's mean is c + w (y - c) and its variance w sigma^2, with the center c and
    the weight w of ``posterior``. Fresh runs scatter around the network with variance sigma^2.

    Args:
        excess: `[N]`, y - c of all networks.
        excess_chosen, chosen, fresh, squares, counts: `[K]`, for the chosen networks: y - c, y, the mean of
            the fresh runs, the sum of their squared deviations from it, and their number.
    """
    differ = max(float(np.abs(fresh - chosen).max()), float(np.sqrt(squares.max())))
    if differ == 0:  # what is computed without chance
        return 0.0
    scale = max(float(np.ptp(excess)), differ)
    sigma = scale * np.geomspace(1e-4, 10, 1000)[:, None]  # [sigma, K] from here on
    prior = _prior(_spread(excess, excess_chosen), sigma)
    weight = prior / (prior + sigma**2)
    drop = (1 - weight) * excess_chosen  # expected, from the first run to the fresh ones
    variance = sigma**2 * (weight + 1 / counts) + (MISFIT * drop) ** 2
    fall = fresh - chosen + drop
    logs = np.log(variance) + fall**2 / variance + 2 * (counts - 1) * np.log(sigma) + squares / sigma**2
    return float(sigma[logs.sum(axis=1).argmin(), 0])


def confirmed(first: pd.DataFrame, confirmations: pd.DataFrame) -> pd.DataFrame:
    """``arch`` and ``accuracy`` of the fresh training runs that did not fail."""
    archs = first.set_index("trial")["arch"]
    again = confirmations.dropna(subset=["accuracy"])
    again = again[again["trial"].isin(archs.index)]
    found = archs.reindex(again["trial"]).to_numpy()
    return pd.DataFrame({"arch": found, "accuracy": again["accuracy"].to_numpy(float)})


def estimated_networks(
    trials: pd.DataFrame,
    confirmations: pd.DataFrame,
    rng: np.random.Generator,
    rewards: Rewards | None = None,
    costs: Sequence[str] = ("flops",),
    maximize: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per network, as ``network_means``, updated with the fresh training runs.

    Args:
        trials, confirmations: as for ``measured_noise``, with ``flops`` and ``reward``.
        rng: for the chances.
        rewards: the search's; None takes each network's reward to be proportional to its accuracy.
        costs: of the front; columns of ``trials``.
        maximize: those of them of which more is better.

    Returns:
        the columns of ``network_means``. With confirmations, ``accuracy`` and ``reward`` are posterior means,
        ``accuracy_error`` and ``reward_error`` their standard errors, ``trainings`` counts all runs, and
        ``measured`` is the plain mean of their accuracies. If the noise was measured on ``LEAST_TRAININGS``,
        ``p_best`` and ``p_front`` are added, the chances of having the highest reward of all and of being on
        the front of accuracy against ``costs``. Noise and spread are taken as known, so the errors of 24
        networks, 3 of them confirmed on 2 seeds, are about a quarter too small
        (``tests/reports/test_uncertainty.py``).
    """
    means = network_means(trials)
    noise = measured_noise(trials, confirmations)
    if noise is None or means.empty:
        return means
    offset, slope = _linear(means, rewards)
    again = confirmed(trained(trials), confirmations).groupby("arch")["accuracy"]
    if again.ngroups:
        more = again.size().reindex(means["arch"], fill_value=0).to_numpy()
        sums = again.sum().reindex(means["arch"], fill_value=0.0).to_numpy()
        first, counts = means["accuracy"].to_numpy(), means["trainings"].to_numpy()
        measured = (first * counts + sums) / (counts + more)
        center = usual(first, sizes(means))
        accuracy, error = posterior(measured, counts + more, first, center, noise.deviation)
        means = means.assign(
            trainings=counts + more,
            accuracy=accuracy,
            accuracy_error=error,
            reward=offset + slope * accuracy,
            reward_error=np.abs(slope) * error,
            measured=measured,
        )
    if noise.trainings < LEAST_TRAININGS:
        return means
    p_best, p_front = chances(means, offset, slope, rng, costs=costs, maximize=maximize)
    return means.assign(p_best=p_best, p_front=p_front)


def sizes(networks: pd.DataFrame) -> Array:
    """What the usual accuracy of networks follows: FLOPs `[N]`, or ones where these are not known of all."""
    flops = networks["flops"].to_numpy(float) if "flops" in networks else np.full(len(networks), np.nan)
    return flops if (flops > 0).all() else np.ones(len(networks))


def posterior(
    measured: Array, trainings: NDArray[np.integer[Any]], first: Array, center: Usual, noise: float
) -> tuple[Array, Array]:
    """Posterior means and standard errors of accuracies `[N]`.

    The prior is two halves of Gaussians that meet at the ``center``. A half's variance is that of ``first``
    there minus the noise, and each network uses the half that it lies in.

    Args:
        measured: `[N]`, each network's mean over its ``trainings`` `[N]`.
        first: `[N]`, one run each, so without bias from choosing.
        center: the usual accuracies; their uncertainty adds to errors, more so with few runs.
        noise: standard deviation of one run.
    """
    prior = _prior(_spread(first - center.accuracy, measured - center.accuracy), noise)
    total = prior + noise**2 / trainings
    weight = np.divide(prior, total, out=np.ones_like(total), where=total > 0)
    error = np.hypot(noise * np.sqrt(weight / trainings), (1 - weight) * center.error)
    return center.accuracy + weight * (measured - center.accuracy), error


class Usual(NamedTuple):
    """The usual accuracy at each network's FLOPs `[N]`, and its standard error `[N]`."""

    accuracy: Array
    error: Array


def usual(first: Array, flops: Array) -> Usual:
    """The usual among accuracies `[N]` of single runs: a line over the logarithm of ``flops``.

    The slope is that of least squares, and half of the networks lie above the line. With fewer than
    ``LEAST_FOR_TREND`` networks, or equal FLOPs, or FLOPs that are not all known, it is the median.
    """
    x = np.log(flops) - np.log(flops).mean()
    squares = float(x @ x)
    if not squares >= 1e-12 or len(first) < LEAST_FOR_TREND:
        x, squares = np.zeros_like(x), 1.0
    slope = float(x @ first) / squares
    level = float(np.median(first - slope * x))
    variance = float(np.mean((first - slope * x - level) ** 2))
    error = np.sqrt(variance * (np.pi / 2 / len(first) + x**2 / squares))  # of a median, and of a slope
    return Usual(np.asarray(level + slope * x), np.asarray(error))


def flops_of(trials: pd.DataFrame, archs: pd.Index) -> Array:
    """The ``sizes`` of each of ``archs``."""
    return sizes(trials.drop_duplicates("arch").set_index("arch").reindex(archs))


def _spread(excess: Array, values: Array) -> Array:
    """The variance around 0 of the half of ``excess``, above or below 0, that each of ``values`` is in."""
    below, above = (
        float((half**2).sum()) / max(1.0, len(half) - 1)
        for half in (excess[excess <= 0], excess[excess >= 0])
    )
    return np.where(values < 0, below, above)


def _prior(spread: Array, noise: float | Array) -> Array:
    """The networks' part of the variance of single runs."""
    return np.asarray(np.maximum(spread - noise**2, LEAST_SHARE * spread))


def _linear(networks: pd.DataFrame, rewards: Rewards | None) -> tuple[Array, Array]:
    """Offset and slope `[N]` of rewards as functions of accuracies."""
    accuracy = networks["accuracy"].to_numpy(float)
    if rewards is not None:
        offset = rewards(np.zeros_like(accuracy), networks)
        return offset, rewards(np.ones_like(accuracy), networks) - offset
    reward = networks["reward"].to_numpy(float)
    return np.zeros_like(reward), np.divide(reward, accuracy, out=np.zeros_like(reward), where=accuracy > 0)
