"""Kendall's tau-b with intervals, and what seed noise leaves of it.

Letters: K networks, S trainings of each, B draws of the bootstrap. NaN: not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRAWS = 2000
LEAST_NETWORKS = 8
"""From fewer there is no interval: it would hold the truth too rarely (LOG.md)."""


@dataclass(frozen=True)
class Tau:
    """A tau, or a difference of two, and its 95 % interval; NaN where there is nothing to tell it from."""

    value: float
    low: float
    high: float


def draws(networks: int, rng: np.random.Generator) -> Array:
    """How often each network is in each of ``DRAWS`` samples with replacement: `[B, K]`."""
    return rng.multinomial(networks, np.full(networks, 1 / networks), size=DRAWS).astype(np.float64)


def taus(a: Array, b: Array, weights: Array) -> Array:
    """Tau-b between ``a`` and ``b`` `[K]`, each network counted ``weights`` `[B, K]` times: `[B]`.

    A network that is counted twice is tied with itself; tau-b leaves such pairs out, as it does those that
    are tied in both. NaN where no two networks differ; networks with a NaN do not count.
    """
    known = np.isfinite(a) & np.isfinite(b)
    signs = [np.sign(np.subtract.outer(values[known], values[known])) for values in (a, b)]
    counts = weights[:, known]

    def total(matrix: Array) -> Array:
        return np.asarray(((counts @ matrix) * counts).sum(axis=1))

    scale = np.sqrt(total(np.abs(signs[0])) * total(np.abs(signs[1])))
    return np.divide(total(signs[0] * signs[1]), scale, out=np.full_like(scale, np.nan), where=scale > 0)


def average_tau(pairs: Iterable[tuple[Array, Array]], weights: Array) -> Tau:
    """The mean tau over ``pairs`` of rankings `[K]`, and its percentile interval over networks.

    Where all pairs are ordered alike, they are in every sample: the interval is then 1 to 1, too narrow.

    Args:
        weights: as of ``draws``.
    """
    pairs = list(pairs)
    rows = _all_first(weights)
    values = [taus(a, b, rows) for a, b in pairs] or [np.full(len(rows), np.nan)]
    least = min((int((np.isfinite(a) & np.isfinite(b)).sum()) for a, b in pairs), default=0)
    return _interval(row_means(np.stack(values, axis=1)), least)


def difference(a: tuple[Array, Array], b: tuple[Array, Array], weights: Array) -> Tau:
    """The tau of the rankings ``a`` less that of ``b``, over the same samples of networks."""
    rows = _all_first(weights)
    return _interval(taus(*a, rows) - taus(*b, rows), int((np.isfinite(a[0]) & np.isfinite(a[1])).sum()))


def _all_first(weights: Array) -> Array:
    """``weights`` `[B, K]` behind a row that counts each network once."""
    return np.concatenate([np.ones((1, weights.shape[1])), weights])


def _interval(values: Array, networks: int) -> Tau:
    """The first of ``values`` and the interval of the others."""
    drawn = values[1:][np.isfinite(values[1:])]
    if networks < LEAST_NETWORKS or not len(drawn) or not np.isfinite(values[0]):
        return Tau(float(values[0]), math.nan, math.nan)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Tau(float(values[0]), float(low), float(high))


def row_means(values: Array) -> Array:
    """The mean of each row `[K, S]`, NaN left out: `[K]`; NaN where there is nothing else.

    Rounded to 12 digits, so that the order of adding makes no difference between equals.
    """
    counts = np.isfinite(values).sum(axis=1)
    means = np.full(len(counts), np.nan)
    np.divide(np.nansum(values, axis=1), counts, out=means, where=counts > 0)
    return means.round(12)


def reliability(tau: float, seeds: float) -> float:
    """What share of the order of means of ``seeds`` trainings is the networks', from 0 to 1.

    ``tau`` between single trainings, as the correlation of Gaussians that have it (Greiner:
    sin(pi tau / 2)), raised to means by Spearman and Brown. Taken from ranks, since a few networks that
    hardly train make the correlation of accuracies say more than it knows about the others.
    """
    one = max(0.0, math.sin(math.pi * tau / 2)) if math.isfinite(tau) else math.nan
    return seeds * one / (1 + (seeds - 1) * one)


def tau_of(correlation: float) -> float:
    """Tau of Gaussians with this correlation."""
    return 2 / math.pi * math.asin(min(1.0, correlation)) if math.isfinite(correlation) else math.nan
