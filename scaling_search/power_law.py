"""What a larger network of a line will reach: accuracy as a power law of compute, from two networks on.

    error = e (f + (1 - f) C^-b) + u

C is compute over that of the smallest network, e its error, f the share of it that no compute removes (above
1 where more compute makes it worse, as in training that is too short), b how fast the rest falls, and u what
the law misses, one draw per network. e is integrated out; f, b and the deviation of u are on grids, with
priors: two or three networks cannot fit three numbers.

Source of the form: Hestness et al. 2017, arXiv:1712.00409; Rosenfeld et al. 2020, arXiv:1909.12673.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

FURTHEST = 4.0
"""Times the largest compute that was trained: no prediction goes further."""
FLOORS = np.arange(0.0, 1.305, 0.05)  # f
EXPONENTS = 0.4 * 2.0 ** (np.arange(-10, 9) / 3)  # b
MISFITS = 0.002 * 2.0 ** np.arange(5)  # the deviation of u, in accuracy
USUAL_NOISE = 0.015
"""The deviation of a training run, where no network was trained twice; short runs have more of it."""


@dataclass(frozen=True)
class PowerLaw:
    """The law after some training runs.

    Args:
        smallest, largest: compute of the networks it was fitted to.
        weights: of each combination of f, b and the deviation of u: `[G]`, adding up to 1.
        floors, exponents, misfits: f, b and that deviation: `[G]`.
        levels, deviations: the posterior of e, mean and standard deviation: `[G]`.
    """

    smallest: float
    largest: float
    weights: Array
    floors: Array
    exponents: Array
    misfits: Array
    levels: Array
    deviations: Array

    def band(self, compute: float, error: float = 0.0) -> tuple[float, float, float]:
        """The median accuracy of a network of this ``compute``, and the ends of its 90 % band.

        Args:
            error: standard error of an accuracy that is to be compared with the band.

        Raises:
            ValueError: if the compute is further than ``FURTHEST`` times the largest that was trained.
        """
        if compute > FURTHEST * self.largest * (1 + 1e-9):
            raise ValueError(
                f"compute must be at most {FURTHEST:g} times the largest that was trained, "
                f"{self.largest:.4g}, got {compute:.4g}"
            )
        shape = _shape(np.array([compute / self.smallest]), self.floors, self.exponents)[:, 0]
        means = 1 - self.levels * shape
        spreads = np.sqrt((self.deviations * shape) ** 2 + self.misfits**2 + error**2)
        low, middle, high = (self._quantile(share, means, spreads) for share in (0.05, 0.5, 0.95))
        return middle, low, high

    def _quantile(self, share: float, means: Array, spreads: Array) -> float:
        """Of the mixture of Gaussians with these ``means`` and ``spreads`` `[G]`, between 0 and 1."""
        low, high = 0.0, 1.0
        while high - low > 1e-5:
            middle = (low + high) / 2
            below = float(self.weights @ ndtr((middle - means) / spreads))
            low, high = (middle, high) if below < share else (low, middle)
        return low


def fit_power_law(compute: Array, accuracies: Array, errors: Array) -> PowerLaw:
    """The law after training N networks.

    Args:
        compute: `[N]`, in any unit.
        accuracies: `[N]`, means over the training runs of each.
        errors: `[N]`, their standard errors; NaN where unknown.

    Raises:
        ValueError: if there are not two networks of different compute.
    """
    if len(compute) < 2 or not compute.max() > compute.min():
        raise ValueError(f"a power law needs two networks of different compute, got {len(compute)}")
    floors, exponents, misfits = (
        grid.ravel() for grid in np.meshgrid(FLOORS, EXPONENTS, MISFITS, indexing="ij")
    )
    shape = _shape(compute / compute.min(), floors, exponents)  # [G, N]
    known = np.where(np.isfinite(errors), errors, USUAL_NOISE)
    precision = 1 / (known**2 + misfits[:, None] ** 2)  # [G, N]
    lost = 1 - accuracies
    total = (shape**2 * precision).sum(axis=1)
    levels = (shape * precision * lost).sum(axis=1) / total
    left = (precision * (lost - levels[:, None] * shape) ** 2).sum(axis=1)
    logs = (np.log(precision).sum(axis=1) - np.log(total) - left) / 2 + _prior(floors, exponents, misfits)
    weights = np.exp(logs - logs.max())
    return PowerLaw(
        *(float(compute.min()), float(compute.max()), weights / weights.sum()),
        *(floors, exponents, misfits, levels, 1 / np.sqrt(total)),
    )


def _shape(compute: Array, floors: Array, exponents: Array) -> Array:
    """The error over that of the smallest network: `[G, N]` for ``compute`` `[N]`."""
    return floors[:, None] + (1 - floors[:, None]) * compute ** -exponents[:, None]


def _prior(floors: Array, exponents: Array, misfits: Array) -> Array:
    """Log weights: more compute rarely hurts; b is about 0.4, u half a point, each within a factor of 2."""
    hurts = np.where(floors > 1, math.log(0.3), 0.0)
    log2 = math.log(2)
    spread = (np.log(exponents / 0.4) / log2) ** 2 + (np.log(misfits / 0.005) / log2) ** 2
    return np.asarray(hurts - spread / 2)
