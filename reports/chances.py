"""A network's chances of being the best, and on the front, from its estimated accuracy and the error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.means import Array

DRAWS = 2000
"""Draws from the posterior; a probability is exact to 0.011 or better."""
REACH = 4.0
"""A network that would not win with an error of this many standard errors is not drawn."""
FEWEST, MOST = 400, 4_000_000
"""Least number of draws, and most numbers drawn in all, if very many networks may be the best: each then has
almost no chance, and 400 draws are exact to 0.025."""
CHUNK = 500_000
"""Numbers drawn at a time."""


def chances(
    networks: pd.DataFrame,
    offset: Array,
    slope: Array,
    rng: np.random.Generator,
    draws: int = DRAWS,
    costs: Sequence[str] = ("flops",),
    maximize: Sequence[str] = (),
) -> tuple[Array, Array]:
    """Each network's chances of having the highest reward, and of being on the front.

    Only networks within ``REACH`` of the best or of the front are drawn.

    Args:
        networks: ``accuracy``, ``accuracy_error``, and the ``costs``.
        offset, slope: `[N]`, reward = offset + slope * accuracy.
        costs: of the front; a network that lacks one is not on it.
        maximize: those of them of which more is better.
    """
    mean, error = (networks[name].to_numpy(float) for name in ("accuracy", "accuracy_error"))
    reward, reach = offset + slope * mean, REACH * np.abs(slope) * error
    leading = np.flatnonzero(reward + reach >= (reward - reach).max())
    best = np.zeros(len(mean))
    count = min(draws, max(FEWEST, MOST // len(leading)))
    for drawn in _drawn(mean[leading], error[leading], count, rng):
        np.add.at(best, leading[(offset[leading] + slope[leading] * drawn).argmax(axis=1)], 1)
    signs = np.array([-1.0 if name in maximize else 1.0 for name in costs])
    prices = networks[list(costs)].to_numpy(float) * signs  # [N, costs]
    known = np.flatnonzero(~np.isnan(prices).any(axis=1))
    on_front = np.zeros(len(mean))
    if len(known):
        find = _on_front_of_one if len(costs) == 1 else _on_front_of_several
        on_front[known] = find(prices[known], mean[known], error[known], rng, draws)
    return best / count, on_front


def _on_front_of_one(prices: Array, mean: Array, error: Array, rng: np.random.Generator, draws: int) -> Array:
    """Each network's chance `[N]` to be on the front of accuracy against one cost `[N, 1]`."""
    flops = prices[:, 0]
    order = np.argsort(flops, kind="stable")
    starts = np.flatnonzero(np.diff(flops[order], prepend=-np.inf))  # of each group of equal FLOPs
    low, high = ((mean + side * REACH * error)[order] for side in (-1, 1))
    beaten = np.maximum.accumulate(np.maximum.reduceat(low, starts))  # [group of equal FLOPs]
    # In order of FLOPs. The networks left out never dominate one of these.
    near = order[high >= beaten[_groups(starts, len(order))]]
    starts = np.flatnonzero(np.diff(flops[near], prepend=-np.inf))
    groups = _groups(starts, len(near))
    on_front = np.zeros(len(mean))
    draws = min(draws, max(FEWEST, MOST // len(near)))
    for drawn in _drawn(mean[near], error[near], draws, rng):
        tops = np.maximum.reduceat(drawn, starts, axis=1)  # [draw, group of equal FLOPs]
        cheaper = np.maximum.accumulate(tops, axis=1)
        tops[:, 1:][tops[:, 1:] <= cheaper[:, :-1]] = np.inf  # no more accurate than a cheaper one
        on_front[near] += (drawn >= tops[:, groups]).sum(axis=0)
    return on_front / draws


def _on_front_of_several(
    prices: Array, mean: Array, error: Array, rng: np.random.Generator, draws: int
) -> Array:
    """Each network's chance `[N]` to be on the front of accuracy against several costs `[N, costs]`.

    Only networks that no cheaper one beats for sure are drawn; those left out never dominate one of these.
    """
    low, high = mean - REACH * error, mean + REACH * error
    near = np.flatnonzero([high[i] >= low[(prices <= prices[i]).all(axis=1)].max() for i in range(len(mean))])
    kept = prices[near]
    cheaper = [np.flatnonzero((kept <= one).all(axis=1) & (kept < one).any(axis=1)) for one in kept]
    equal = [np.flatnonzero((kept == one).all(axis=1)) for one in kept]
    on_front = np.zeros(len(mean))
    draws = min(draws, max(FEWEST, MOST // len(near)))
    for drawn in _drawn(mean[near], error[near], draws, rng):
        for number, (rivals, twins) in enumerate(zip(cheaper, equal, strict=True)):
            own = drawn[:, number]
            beats = own >= drawn[:, twins].max(axis=1)
            if len(rivals):
                beats &= own > drawn[:, rivals].max(axis=1)
            on_front[near[number]] += beats.sum()
    return on_front / draws


def _drawn(mean: Array, error: Array, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    """Accuracies `[B, K]`, ``draws`` rows in all, in parts of at most ``CHUNK`` numbers."""
    size = max(1, CHUNK // len(mean))
    for done in range(0, draws, size):
        yield rng.standard_normal((min(size, draws - done), len(mean))) * error + mean


def _groups(starts: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """The number of the group that each of ``length`` elements is in, from the groups' first elements."""
    return np.repeat(np.arange(len(starts)), np.diff(starts, append=length))
