"""The best direction to scale in, from a few noisy training runs.

    networks --log_growths--> log2 growth of compute by depth, width, resolution --fit--> Posterior

Rounding makes some 15 networks of equal compute, which differ by less than a seed does: the best mean among
them is lucky more often than good. So all training runs together estimate one thing, the best direction. For
a network whose compute grew by c in log2, with the shares s of depth, width and resolution:

    accuracy = a + b c - k c |s - s*|^2 + u + noise

s* is the best direction, a point of the triangle of shares; k is what a wrong direction costs; u is what
the model misses, one draw per network. a and b are integrated out, everything else is on grids. Part of the
prior lies around the published direction: what a few short training runs cannot overturn stays near it.

Letters: N networks, G points of the triangle.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling_search.compound import PUBLISHED_COEFFICIENTS, Coefficients, Rounding, scale
from search_spaces import ArchSpec, cost

Array = NDArray[np.float64]

STEPS = 24  # the triangle's sides are cut in so many parts
CURVATURES = 0.0025 * 2.0 ** (np.arange(22) / 3)  # k, in accuracy
NOISES = 0.002 * 1.35 ** np.arange(12)  # standard deviations between training runs of one network
MISFITS = np.array([0.2, 0.5, 1.0])  # the deviation of u over that of the noise
GAIN, GAIN_DEVIATION = 0.02, 0.05
"""b, the accuracy that twice the compute adds."""


def shares_of(coefficients: Coefficients) -> Array:
    """The shares `[3]` of depth, width and resolution in the growth of compute."""
    logs = np.log([coefficients.alpha, coefficients.beta**2, coefficients.gamma**2])
    return np.asarray(logs / logs.sum())


def coefficients_of(shares: ArrayLike, product: float) -> Coefficients:
    """The coefficients with these ``shares`` `[3]` whose alpha * beta^2 * gamma^2 is ``product``."""
    alpha, beta, gamma = product ** (np.maximum(shares, 0) / np.array([1, 2, 2]))
    return Coefficients(float(alpha), float(beta), float(gamma))


def doubling(
    base: ArchSpec,
    shares: ArrayLike,
    *,
    phi: float = 7.0,
    num_classes: int = 1000,
    **how: Unpack[Rounding],
) -> Coefficients:
    """The coefficients with these ``shares`` `[3]` whose realised FLOPs come nearest to 2^phi from below.

    Rounding up adds compute, so their product is a little below 2, as the published one is: 1.92. To three
    decimals.
    """

    def triple(product: float) -> Coefficients:
        exact = coefficients_of(shares, product)
        return Coefficients(*(round(value, 3) for value in dataclasses.astuple(exact)))

    def fits(product: float) -> bool:
        try:
            arch = scale(base, triple(product), phi, **how)
        except ValueError:  # larger than a network may be
            return False
        return cost(arch, num_classes).flops <= most

    most = 2**phi * cost(base, num_classes).flops
    low, high = 1.0, 2.5
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return triple(low)


def grown_alone(base: ArchSpec, arch: ArchSpec, num_classes: int = 1000) -> tuple[float, float, float]:
    """How many times the FLOPs ``base`` has with the layers of ``arch`` alone, its channels, its resolution.

    Both must have as many stages.
    """
    pairs = list(zip(base.stages, arch.stages, strict=True))
    deep = dataclasses.replace(
        base, stages=tuple(dataclasses.replace(old, repeats=new.repeats) for old, new in pairs)
    )
    wide = dataclasses.replace(
        base,
        stages=tuple(dataclasses.replace(old, channels=new.channels) for old, new in pairs),
        stem_channels=arch.stem_channels,
        head_channels=arch.head_channels,
    )
    sharp = dataclasses.replace(base, resolution=arch.resolution)
    before = cost(base, num_classes).flops
    depth, width, resolution = (cost(one, num_classes).flops / before for one in (deep, wide, sharp))
    return depth, width, resolution


def log_growths(base: ArchSpec, arch: ArchSpec, num_classes: int = 1000) -> Array:
    """How much compute grew through depth, width and resolution, after rounding: log2 `[3]`.

    Each as if it had grown alone, then all in proportion, so that their sum is the growth in all.
    """
    whole = math.log2(cost(arch, num_classes).flops / cost(base, num_classes).flops)
    alone = np.log2(grown_alone(base, arch, num_classes))
    return alone * whole / alone.sum() if alone.sum() > 0 else alone


def realisable(
    base: ArchSpec,
    shares: ArrayLike,
    phis: Iterable[float],
    *,
    num_classes: int = 1000,
    **how: Unpack[Rounding],
) -> Array:
    """``shares`` `[3]`, without a small one if rounding would make it large.

    Layers are whole: rounded up, a depth of 1.05 adds one to every stage, and most of what a small model
    grows by is depth. So among all ways to leave dimensions out, and to share the rest in proportion, this
    is the one whose models at ``phis`` lose least by the formula above, for s* = ``shares``: c |s - s*|^2.
    """
    wanted, models = np.maximum(shares, 0), [phi for phi in phis if phi > 0]

    def kept(mask: tuple[int, ...]) -> Array:
        left = wanted * np.array(mask)
        return np.asarray(left / left.sum())

    def lost(mask: tuple[int, ...]) -> float:
        coefficients = doubling(base, kept(mask), num_classes=num_classes, **how)
        try:
            archs = [scale(base, coefficients, phi, **how) for phi in models]
        except ValueError:  # larger than a network may be
            return math.inf
        growths = np.array([log_growths(base, arch, num_classes) for arch in archs])
        compute = growths.sum(axis=1, keepdims=True)
        away = growths / np.where(compute > 0, compute, 1) - wanted
        return float((np.maximum(compute, 0) * away**2).sum())

    masks = [mask for mask in itertools.product((1, 0), repeat=3) if (wanted * np.array(mask)).sum() > 0]
    return kept(min(masks, key=lost))


@functools.cache
def triangle() -> Array:
    """The points of the grid: shares `[G, 3]`, which are at least 0 and add up to 1."""
    points = [
        (i / STEPS, j / STEPS, 1 - (i + j) / STEPS) for i in range(STEPS + 1) for j in range(STEPS + 1 - i)
    ]
    return np.array(points)


@dataclass(frozen=True)
class Prior:
    """What is believed before any training run.

    Args:
        direction: the most likely shares `[3]`.
        deviation: of each share from it, in the part of the prior that lies around it.
        flat: the part that is spread evenly over the triangle instead. It keeps intervals honest where the
            truth is far from the direction.
        curvature: the median of k; the published networks lose about two points in a wrong direction at four
            times the compute (arXiv:1905.11946, table 7).
        noise: the median deviation between training runs of one network.
    """

    direction: tuple[float, ...] = tuple(shares_of(PUBLISHED_COEFFICIENTS))
    deviation: float = 0.1
    flat: float = 0.6
    curvature: float = 0.02
    noise: float = 0.01

    @property
    def weights(self) -> Array:
        """Of the triangle's points: `[G]`, adding up to 1."""
        away = ((triangle() - np.array(self.direction)) ** 2).sum(axis=1)
        near = np.exp(-away / (2 * self.deviation**2))
        return np.asarray((1 - self.flat) * near / near.sum() + self.flat / len(near))


@dataclass(frozen=True)
class Posterior:
    """What the training runs leave of the prior.

    Args:
        weights: of the triangle's points and of ``CURVATURES``: `[G, 22]`, adding up to 1.
        noise: the mean deviation between training runs of one network.
        prior: that it began from.
    """

    weights: Array
    noise: float
    prior: Prior

    @property
    def directions(self) -> Array:
        """The weight of each direction: `[G]`."""
        return np.asarray(self.weights.sum(axis=1))

    @property
    def best(self) -> Array:
        """The shares `[3]` that are expected to lose least."""
        loss = self.weights @ CURVATURES  # [G]
        return np.asarray(loss @ triangle() / loss.sum())

    def interval(self, dimension: int, mass: float = 0.9) -> tuple[float, float]:
        """The middle ``mass`` of the share of depth (0), width (1) or resolution (2)."""
        by_share = np.bincount(np.rint(triangle()[:, dimension] * STEPS).astype(int), self.directions)
        below = np.concatenate([[0.0], by_share.cumsum()])
        edges = (np.arange(STEPS + 2) - 0.5) / STEPS  # each point of the grid stands for a step around it
        low, high = np.interp([(1 - mass) / 2, (1 + mass) / 2], below, edges).clip(0, 1)
        return float(low), float(high)

    def beats(self, shares: ArrayLike, other: ArrayLike) -> float:
        """The probability that ``shares`` `[3]` is a better direction than ``other`` `[3]`."""
        first, second = (((triangle() - np.asarray(one)) ** 2).sum(axis=1) for one in (shares, other))
        return float(self.directions[first < second].sum())

    @property
    def learned(self) -> float:
        """How much narrower the training runs made the prior: 0 for not at all, 1 for a single point."""
        spreads = []
        for weights in (self.directions, self.prior.weights):
            away = triangle() - weights @ triangle()
            spreads.append(float((weights @ away**2).sum()))
        return max(0.0, 1 - math.sqrt(spreads[0] / spreads[1]))


def losses(growths: Array) -> Array:
    """What each network loses in accuracy for k = 1, if a point of the triangle is best: `[G, N]`."""
    compute = growths.sum(axis=1)
    shares = growths / np.where(compute > 0, compute, 1)[:, None]
    away = ((shares[None] - triangle()[:, None]) ** 2).sum(axis=2)
    return np.asarray(away * np.maximum(compute, 0))


def fit(
    growths: Array, accuracies: Array, counts: Array, squares: float, prior: Prior | None = None
) -> Posterior:
    """The posterior after training runs of N networks.

    Args:
        growths: `[N, 3]`, see ``log_growths``; of the networks as they were trained.
        accuracies: `[N]`, means over the ``counts`` `[N]` training runs of each.
        squares: squared deviations of single training runs from their network's mean, in all.
    """
    prior = prior or Prior()
    lost = losses(growths)
    design = np.stack([np.ones(len(growths)), growths.sum(axis=1)], axis=1)  # [N, 2]
    centred = accuracies - accuracies.mean() if len(accuracies) else accuracies
    expected = centred - design[:, 1] * GAIN + (design[:, 1].mean() * GAIN if len(centred) else 0.0)
    freedom = float(counts.sum() - len(counts))
    curvature_prior = -(np.log(CURVATURES / prior.curvature) ** 2) / (2 * math.log(3) ** 2)
    logs = np.empty((len(NOISES), len(MISFITS), len(lost), len(CURVATURES)))
    for i, noise in enumerate(NOISES):
        told = -freedom * math.log(noise) - squares / (2 * noise**2)
        told -= math.log(noise / prior.noise) ** 2 / (2 * math.log(2) ** 2)
        for j, misfit in enumerate(MISFITS * noise):
            covariance = np.diag(misfit**2 + noise**2 / counts)
            covariance += design @ np.diag([1.0, GAIN_DEVIATION**2]) @ design.T
            inverse = np.linalg.inv(covariance)
            _, volume = np.linalg.slogdet(covariance)
            read = lost @ inverse  # [G, N]
            plain, cross, own = expected @ inverse @ expected, read @ expected, (read * lost).sum(axis=1)
            fits = plain + 2 * np.outer(cross, CURVATURES) + np.outer(own, CURVATURES**2)  # [G, 22]
            logs[i, j] = told - (volume + fits) / 2
    logs += np.log(prior.weights)[:, None] + curvature_prior
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    return Posterior(
        weights=weights.sum(axis=(0, 1)), noise=float(weights.sum(axis=(1, 2, 3)) @ NOISES), prior=prior
    )
