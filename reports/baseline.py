"""Is a search better than random? What so many random draws would have found, exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEGLIGIBLE = 40.0
"""exp(-40) times a reward is lost in its rounding."""
FIRST = 20
"""First trials that are taken for near-random under a controller whose settings do not say how many."""


def best_so_far(rewards: ArrayLike) -> NDArray[np.float64]:
    """The highest of the first 1, 2, ... rewards `[N]`; NaN until one is not missing."""
    values = np.asarray(rewards, float)
    best = np.fmax.accumulate(values) if len(values) else values
    return np.asarray(best)


def expected_best(rewards: ArrayLike, n: int | Sequence[int]) -> NDArray[np.float64]:
    """The expected highest of so many independent draws from ``rewards``, with replacement.

    The highest of k draws is at most the i-th smallest of m rewards with probability (i / m)^k, so
    E = sum_i x_i ((i / m)^k - ((i - 1) / m)^k): exact, nothing is simulated. It cannot exceed the highest
    of the sample, so for k beyond m it is less than what k fresh draws of the same kind would find.

    Args:
        rewards: the sample `[m]`; missing ones, of failed trials, are left out.
        n: for 1, 2, ..., n draws; or the numbers of draws themselves, in any order.

    Returns:
        `[n]`, or one value for each number of draws.

    Raises:
        ValueError: if no reward is there, or a number of draws is below 1.

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
    first = np.searchsorted(logarithms, -NEGLIGIBLE / draws)  # what stands before adds nothing
    lost = [
        float(steps[start:] @ np.exp(k * logarithms[start:])) for k, start in zip(draws, first, strict=True)
    ]
    return np.asarray(values[-1] - np.array(lost))


def near_random(controller: str, settings: Mapping[str, Any]) -> float:
    """How many of its first trials a controller proposes before it has learned anything.

    ``random`` never learns: all of them. ``dyna`` asks its model after ``initial`` trials, ``rnn`` is uniform
    until its first update, ``update_every``; evolution fills its ``population`` at random. For any other it
    is ``FIRST``.
    """
    if controller == "random":
        return math.inf
    known = (settings.get(name) for name in ("initial", "update_every", "population"))
    return float(next(filter(None, known), FIRST))
