"""How much a network would add to a whole front of accuracy against costs, averaged over many budgets.

A budget is a limit on every cost. The best accuracy within a budget, averaged over budgets, is a hypervolume
of the front, weighted by where budgets are dense. A network of known costs counts in every budget that they
fit; only its accuracy is uncertain. So its expected improvement of that hypervolume is the mean, over
budgets, of the ordinary expected improvement on the best accuracy within each, for any number of costs.

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
SHARE = (0.6, 1.1)
"""Budgets are costs of random networks times a factor between these, as a search finds smaller ones."""

Gain = Callable[[Matrix, Matrix, Matrix], Matrix]
"""Means and deviations of accuracies `[N]`, and costs `[N, K]` -> log expected improvements `[N]`."""


def front_gain(costs: Matrix, accuracies: Matrix, budgets: Matrix) -> Gain:
    """The logarithm of the expected improvement of the hypervolume, by networks' accuracies and costs.

    Args:
        costs: of the networks told, `[T, K]`.
        accuracies: theirs, `[T]`. Within a budget that none of them fits, the lowest of them counts.
        budgets: `[B, K]`.

    Source: Emmerich et al. 2006, IEEE TEC 10(4) (expected improvement of the hypervolume).
    """
    fits = (costs[None] <= budgets[:, None]).all(axis=2)  # [B, T]
    best = np.where(fits, accuracies, accuracies.min()).max(axis=1)  # [B]
    levels, level = np.unique(best, return_inverse=True)
    shares = np.zeros((len(budgets), len(levels)))
    shares[np.arange(len(budgets)), level] = 1 / len(budgets)  # [B, L]

    def gain(mean: Matrix, deviation: Matrix, costs: Matrix) -> Matrix:
        counts = np.ones((len(mean), len(budgets)), bool)  # [N, B]
        for column, limits in zip(costs.T, budgets.T, strict=True):
            counts &= column[:, None] <= limits
        weights = counts @ shares  # [N, L]
        improvements = log_expected_improvement(mean[:, None] - levels, deviation[:, None])
        with np.errstate(divide="ignore"):  # a network that fits no budget gains nothing
            return np.asarray(logsumexp(improvements, axis=1, b=weights))

    return gain


def usual_budgets(usual: Matrix, turn: int) -> Matrix:
    """Budgets `[B, K]`, as dense as the costs of random networks, and as closely related to each other.

    Spread evenly over the box of all costs, most budgets would be larger than nearly every network, and many
    would be large in one cost and small in another, as no network is (LOG.md).

    Args:
        usual: costs of random networks, `[R, K]`.
        turn: draws others, so that no gap between budgets stays.
    """
    rng = np.random.default_rng(turn)
    drawn = usual[rng.integers(len(usual), size=BUDGETS)]
    low, high = np.log(SHARE)
    return np.asarray(drawn * np.exp(rng.uniform(low, high, drawn.shape)))


def on_front(costs: Matrix, accuracies: Matrix) -> Matrix:
    """Which networks `[T]` no other beats in accuracy and every cost."""
    no_worse = (accuracies[:, None] >= accuracies) & (costs[:, None] <= costs[None]).all(axis=2)
    better = (accuracies[:, None] > accuracies) | (costs[:, None] < costs[None]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))
