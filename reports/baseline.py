"""Is a search better than random? The exact expected result of random draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEGLIGIBLE = 40.0
"""exp(-40) times a reward is lost in rounding."""
FIRST = 20
"""First trials that count as near-random if the controller's settings do not say how many."""


def best_so_far(rewards: ArrayLike) -> NDArray[np.float64]:
    """The highest of the first 1, 2, ... rewards `[N]`; NaN as long as all are missing."""
    return np.asarray(np.fmax.accumulate(np.asarray(rewards, float)))


def expected_best(rewards: ArrayLike, n: int | Sequence[int]) -> NDArray[np.float64]:
    """The expected maximum of k independent draws from ``rewards``, with replacement.

    The maximum of k draws is at most the i-th smallest of m rewards with probability (i / m)^k, so
    E = sum_i x_i ((i / m)^k - ((i - 1) / m)^k): exact, nothing is simulated. It cannot exceed the highest
    reward of the sample, so for k above m it is less than k fresh draws would find.

    Args:
        rewards: the sample `[m]`; missing ones, from failed trials, are left out.
        n: for k = 1, 2, ..., n; or the values of k themselves, in any order.

    Returns:
        one value for each k.

    Raises:
        ValueError: if all rewards are missing, or a k is below 1.

    Source: Dodge et al. 2019, arXiv:1909.03004, sec. 3.1.
    """
    values = np.asarray(rewards, float)
    values = np.sort(values[~np.isnan(values)])
    draws = np.arange(1, n + 1) if isinstance(n, int) else np.asarray(n, int)
    if not len(values):
        raise ValueError("rewards must have at least one that is not missing")
    if len(draws) == 0 or draws.min() < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    steps = np.diff(values)  # E = x_m - sum_i (x_(i+1) - x_i) (i / m)^k
    logarithms = np.log(np.arange(1, len(values)) / len(values))
    first = np.searchsorted(logarithms, -NEGLIGIBLE / draws)  # earlier terms add nothing
    lost = [
        float(steps[start:] @ np.exp(k * logarithms[start:])) for k, start in zip(draws, first, strict=True)
    ]
    return np.asarray(values[-1] - np.array(lost))


def near_random(controller: str, settings: Mapping[str, Any]) -> float:
    """How many trials a controller proposes before it has learned anything; infinite for ``random``.

    ``dyna`` asks its model after ``initial`` trials, ``rnn`` is uniform until its first update after
    ``update_every``, and evolution fills its ``population`` at random; Optuna's samplers call these
    ``n_startup_trials`` and ``population_size``. For any other it is ``FIRST``.
    """
    if controller in ("random", "optuna:RandomSampler"):
        return math.inf
    names = ("initial", "update_every", "population", "n_startup_trials", "population_size")
    known = (settings.get(name) for name in names)
    return float(next(filter(None, known), FIRST))
