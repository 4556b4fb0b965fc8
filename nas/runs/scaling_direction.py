"""The direction that all training runs of a scaling run point in, and what is known of it, in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.spec.recipe import Recipe
from nas.spec.scaling import Scaling
from nas.spec.settings import Settings
from reports.numbers import factor, percent
from scaling_search import (
    PUBLISHED_COEFFICIENTS,
    STRATEGIES,
    Coefficients,
    Posterior,
    coefficients_of,
    doubling,
)
from scaling_search.direction import fit, log_growths, realisable, shares_of
from search_spaces import ArchSpec

LITTLE = 0.1
"""Training runs that narrow the prior by less say next to nothing."""
WORTH_SAYING = 0.01
"""The smallest share of a dimension whose absence from the family is explained."""
DIMENSIONS = {"depth": "alpha", "width": "beta", "resolution": "gamma"}


@dataclass(frozen=True)
class Direction:
    """What a scaling run's training runs say together.

    Args:
        posterior: over the shares of depth, width and resolution.
        shares: of each network, by its text: `[3]`.
        coefficients: of the family, which doubles its FLOPs with each step of phi.
        trainings: training runs that it rests on.
    """

    posterior: Posterior
    shares: dict[str, NDArray[np.float64]]
    coefficients: Coefficients
    trainings: int

    def nearest(self, archs: pd.Series[str]) -> int:
        """The position of the network that was scaled most alike; of those with ``shares``."""
        away = [
            float(((self.shares[arch] - self.posterior.best) ** 2).sum()) if arch in self.shares else np.inf
            for arch in archs
        ]
        return int(np.argmin(away))


def find_direction(trials: pd.DataFrame, settings: Settings) -> Direction | None:
    """The direction, from every finished training run of the grid; None if there is none, or no model."""
    scaling = settings.scaling
    assert scaling is not None
    if not scaling.modelled:
        return None
    growths = grid_growths(scaling, settings.recipe)
    done = trials[trials["arch"].isin(growths.keys())].dropna(subset=["accuracy"])
    if done.empty:
        return None
    groups = done.groupby("arch", sort=False)["accuracy"]
    means, counts = groups.mean(), groups.size().to_numpy().astype(np.float64)
    squares = float(((done["accuracy"] - groups.transform("mean")) ** 2).sum())
    grown = np.array([growths[arch] for arch in means.index])
    posterior = fit(grown, means.to_numpy(np.float64), counts, squares)
    shares = {arch: growth / max(growth.sum(), 1e-9) for arch, growth in growths.items()}
    classes, phis = scaling.num_classes, scaling.phis.values()
    kept = realisable(scaling.arch, posterior.best, phis, num_classes=classes, **scaling.how)
    coefficients = doubling(scaling.arch, kept, num_classes=classes, **scaling.how)
    return Direction(posterior, shares, coefficients, len(done))


def grid_growths(scaling: Scaling, proxy: Recipe) -> dict[str, NDArray[np.float64]]:
    """``log_growths`` of the grid's networks as the proxy trains them, by their text: `[3]`."""

    def trained(arch: ArchSpec) -> ArchSpec:
        return proxy.shrink(arch, scaling.arch.resolution)

    base = trained(scaling.arch)
    return {
        str(candidate.arch): log_growths(base, trained(scaling.scaled(candidate.triples[0])), 1)
        for candidate in scaling.candidates
        if "compound" in candidate.strategy.split(", ")
    }


def shares_text(found: Direction) -> str:
    """The shares of depth, width and resolution with their 90 % intervals."""
    intervals = [found.posterior.interval(number) for number in range(3)]
    return ", ".join(
        f"{name} {percent(share)} ({percent(low)} to {percent(high)})"
        for name, share, (low, high) in zip(DIMENSIONS, found.posterior.best, intervals, strict=True)
    )


def left_out(found: Direction) -> list[str]:
    """Which dimensions the family does without, and why."""
    return [
        f"The family leaves {name} as it is: rounded to whole layers, channels and pixels, it would grow by "
        f"more than {percent(share)} of the compute."
        for share, (name, letter) in zip(found.posterior.best, DIMENSIONS.items(), strict=True)
        if getattr(found.coefficients, letter) == 1 and share >= WORTH_SAYING
    ]


def direction_lines(found: Direction) -> list[str]:
    """The choice, its intervals, and what it is better than; the first line is the verdict."""
    posterior, product = found.posterior, found.coefficients.product
    intervals = {name: posterior.interval(number) for number, name in enumerate(DIMENSIONS)}
    ends = [coefficients_of([interval[end] for interval in intervals.values()], product) for end in (0, 1)]
    chosen = ", ".join(f"{name} {factor(value)}" for name, value in vars(found.coefficients).items())
    between = ", ".join(
        f"{name} {factor(round(getattr(ends[0], name), 2))} to {factor(round(getattr(ends[1], name), 2))}"
        for name in DIMENSIONS.values()
    )
    beats = ", ".join(
        f"{name} alone {percent(posterior.beats(posterior.best, shares_of(STRATEGIES[name])))}"
        for name in DIMENSIONS
    )
    before = str(PUBLISHED_COEFFICIENTS)
    if posterior.learned < LITTLE:
        learned = (
            f"These training runs say next to nothing: without them it would be about the published {before}."
        )
    else:
        learned = (
            f"Without these training runs it would be about the published {before}; they narrowed the "
            f"intervals by {percent(posterior.learned)}."
        )
    return [
        f"Chosen: {chosen}, by a model of all {found.trainings} training runs (90 %: {between}).",
        f"Of the growth in compute: {shares_text(found)}.",
        *left_out(found),
        f"Probability that it is better than {beats}.",
        learned,
    ]
