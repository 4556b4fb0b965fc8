"""Kendall's tau-b with intervals, and how seed noise lowers it.

Letters: K networks, S training runs of each, B bootstrap samples. NaN: unknown.
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
"""With fewer there is no interval: it would contain the truth too rarely (LOG.md)."""


@dataclass(frozen=True)
class Tau:
    """A tau, or a difference of two, and its 95 % interval; NaN where it is unknown."""

    value: float
    low: float
    high: float


def draws(networks: int, rng: np.random.Generator) -> Array:
    """How often each network counts: once in the first row, then as often as drawn with replacement.

    Returns:
        `[B, K]`, B = 1 + ``DRAWS``.
    """
    drawn = rng.multinomial(networks, np.full(networks, 1 / networks), size=DRAWS)
    return np.concatenate([np.ones((1, networks)), drawn])


def taus(a: Array, b: Array, weights: Array) -> Array:
    """Tau-b between ``a`` and ``b`` `[K]`, each network counted ``weights`` `[B, K]` times: `[B]`.

    A network that is counted twice is tied with itself; tau-b leaves out such pairs, like all that are tied
    in both rankings. NaN where no two networks differ; networks with a NaN do not count.
    """
    known = np.isfinite(a) & np.isfinite(b)
    signs = [np.sign(np.subtract.outer(values[known], values[known])) for values in (a, b)]
    counts = weights[:, known]

    def total(matrix: Array) -> Array:
        return np.asarray(((counts @ matrix) * counts).sum(axis=1))

    scale = np.sqrt(total(np.abs(signs[0])) * total(np.abs(signs[1])))
    return np.divide(total(signs[0] * signs[1]), scale, out=np.full_like(scale, np.nan), where=scale > 0)


def partial_taus(a: Array, b: Array, given: Array, weights: Array) -> Array:
    """``taus`` of what is left of ``a`` and ``b`` when that part is taken out which ``given`` `[K]` explains.

    The partial correlation of Gaussians that have these taus (Greiner: r = sin(pi tau / 2)), as a tau. Unlike
    Kendall's own partial tau it is 0 where nothing is left. NaN where ``given`` ranks as one of them does.
    """
    known = np.isfinite(a) & np.isfinite(b) & np.isfinite(given)
    a, b = np.where(known, a, np.nan), np.where(known, b, np.nan)
    pairs = ((a, b), (a, given), (b, given))
    ab, ag, bg = (np.sin(np.pi / 2 * taus(*pair, weights)) for pair in pairs)
    scale = np.sqrt((1 - ag**2) * (1 - bg**2))
    left = np.divide(ab - ag * bg, scale, out=np.full_like(scale, np.nan), where=scale > 1e-9)
    return np.asarray(2 / np.pi * np.arcsin(left.clip(-1, 1)))


def average_tau(pairs: Iterable[tuple[Array, Array]], weights: Array, given: Array | None = None) -> Tau:
    """The mean tau over ``pairs`` of rankings `[K]`, and its percentile interval over networks.

    If two rankings agree fully, so do all samples of them: the interval is then 1 to 1, which is too narrow.

    Args:
        weights: from ``draws``.
        given: a ranking `[K]` whose part is taken out: see ``partial_taus``.
    """
    pairs = list(pairs)
    if given is None:
        values = [taus(a, b, weights) for a, b in pairs]
    else:
        values = [partial_taus(a, b, given, weights) for a, b in pairs]
    values = values or [np.full(len(weights), np.nan)]
    least = min((int((np.isfinite(a) & np.isfinite(b)).sum()) for a, b in pairs), default=0)
    return _interval(row_means(np.stack(values, axis=1)), least)


def difference(a: tuple[Array, Array], b: tuple[Array, Array], weights: Array) -> Tau:
    """The tau of the rankings ``a`` minus that of ``b``, over the same samples of networks."""
    known = int((np.isfinite(a[0]) & np.isfinite(a[1])).sum())
    return _interval(taus(*a, weights) - taus(*b, weights), known)


def _interval(values: Array, networks: int) -> Tau:
    """The first of ``values`` and the interval of the others."""
    drawn = values[1:][np.isfinite(values[1:])]
    if networks < LEAST_NETWORKS or not len(drawn) or not np.isfinite(values[0]):
        return Tau(float(values[0]), math.nan, math.nan)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Tau(float(values[0]), float(low), float(high))


def row_means(values: Array) -> Array:
    """The mean of each row `[K, S]` without NaN: `[K]`; NaN where a row has nothing else.

    Rounded to 12 digits, so that equal rows stay equal in whatever order they are added up.
    """
    counts = np.isfinite(values).sum(axis=1)
    means = np.full(len(counts), np.nan)
    np.divide(np.nansum(values, axis=1), counts, out=means, where=counts > 0)
    return means.round(12)


def reliability(tau: float, seeds: float) -> float:
    """The reliability of means of ``seeds`` training runs: from 0, all noise, to 1, no noise.

    ``tau`` between single runs is turned into the correlation of Gaussians that have it (Greiner:
    sin(pi tau / 2)), and that into the reliability of means (Spearman and Brown). It is taken from ranks,
    because a few networks that hardly train would dominate the correlation of accuracies.
    """
    one = max(0.0, math.sin(math.pi * tau / 2)) if math.isfinite(tau) else math.nan
    return seeds * one / (1 + (seeds - 1) * one)


def tau_of(correlation: float) -> float:
    """The tau of Gaussians with this correlation."""
    return 2 / math.pi * math.asin(min(1.0, correlation)) if math.isfinite(correlation) else math.nan
