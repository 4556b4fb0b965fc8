"""How much a network would add to a whole front of accuracy against costs, averaged over all budgets.

A budget is a limit on every cost. The best accuracy within a budget, averaged over budgets, is the
hypervolume of the front but for a constant. A network of known costs counts in every budget that they fit;
only its accuracy is uncertain. So its expected improvement of the hypervolume is the mean, over budgets, of
the ordinary expected improvement on the best accuracy within each, for any number of costs.

N: networks, B: budgets, K: costs, L: levels, the different best accuracies within budgets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from controllers.expected import log_expected_improvement
from controllers.features import Matrix

BUDGETS = 1024
"""Budgets that are averaged over."""
LOWEST = 0.5
"""Budgets begin at this share of the least cost of random networks, since a search finds smaller ones."""

Gain = Callable[[Matrix, Matrix, Matrix], Matrix]
"""Means and deviations of accuracies `[N]`, and costs `[N, K]` -> log expected improvements `[N]`."""


def front_gain(costs: Matrix, accuracies: Matrix, usual: Matrix, turn: int) -> Gain:
    """The logarithm of the expected improvement of the hypervolume, by networks' accuracies and costs.

    Args:
        costs: of the networks told, `[T, K]`.
        accuracies: theirs, `[T]`. Within a budget that none of them fits, the lowest of them counts.
        usual: costs of random networks `[R, K]`, which set the range of budgets.
        turn: shifts the budgets, so that no gap between them stays.

    Source: Emmerich et al. 2006, IEEE TEC 10(4) (expected improvement of the hypervolume).
    """
    within = _budgets(usual, turn)  # [B, K]
    fits = (costs[None] <= within[:, None]).all(axis=2)  # [B, T]
    best = np.where(fits, accuracies, accuracies.min()).max(axis=1)  # [B]
    levels, level = np.unique(best, return_inverse=True)
    shares = np.zeros((len(within), len(levels)))
    shares[np.arange(len(within)), level] = 1 / len(within)  # [B, L]

    def gain(mean: Matrix, deviation: Matrix, costs: Matrix) -> Matrix:
        counts = np.ones((len(mean), len(within)), bool)  # [N, B]
        for column, limits in zip(costs.T, within.T, strict=True):
            counts &= column[:, None] <= limits
        weights = counts @ shares  # [N, L]
        improvements = log_expected_improvement(mean[:, None] - levels, deviation[:, None])
        with np.errstate(divide="ignore"):  # a network that fits no budget gains nothing
            return np.asarray(logsumexp(improvements, axis=1, b=weights))

    return gain


def _budgets(usual: Matrix, turn: int) -> Matrix:
    """Budgets `[B, K]`, spread evenly between the least and the greatest cost, by an additive recurrence.

    Source: Roberts 2018, "The unreasonable effectiveness of quasirandom sequences".
    """
    low, high = LOWEST * usual.min(axis=0), usual.max(axis=0)
    count = usual.shape[1]
    root = 1.5
    for _ in range(50):  # the positive root of x^(K + 1) = x + 1
        root = (1 + root) ** (1 / (count + 1))
    steps = root ** -np.arange(1.0, count + 1)
    places = (0.5 + (turn * BUDGETS + np.arange(BUDGETS)[:, None]) * steps) % 1.0
    return np.asarray(low + places * (high - low))


def on_front(costs: Matrix, accuracies: Matrix) -> Matrix:
    """Which networks `[T]` no other beats in accuracy and every cost."""
    no_worse = (accuracies[:, None] >= accuracies) & (costs[:, None] <= costs[None]).all(axis=2)
    better = (accuracies[:, None] > accuracies) | (costs[:, None] < costs[None]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))
