"""Compound scaling: one coefficient phi, shared between depth, width and resolution.

    ArchSpec --scale(coefficients, phi)--> ArchSpec
    depth x alpha^phi, width x beta^phi, resolution x gamma^phi

FLOPs grow with depth, width^2 and resolution^2, so alpha * beta^2 * gamma^2 = 2 would double them
with every step of phi, were it not for rounding.

Source: Tan & Le 2019, arXiv:1905.11946, sec. 3.3; rounding as in tensorflow/tpu,
efficientnet_model.py.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from search_spaces import ArchSpec, resize, round_repeats

PHIS = {"B0": 0.0, "B1": 0.5, "B2": 1.0, "B3": 2.0, "B4": 3.5, "B5": 5.0, "B6": 6.0, "B7": 7.0}
"""The phi of each model. Neither paper nor code gives it; with these, one alpha and one beta reproduce
every published depth and width (tensorflow/tpu#390)."""


def nearest(repeats: float) -> int:
    """The nearest integer of at least 1, halves up."""
    return max(1, math.floor(repeats + 0.5))


ROUNDINGS = {"ceil": round_repeats, "round": nearest}
"""How a stage's repeats become whole: ``ceil`` as published, ``round`` without its bias to depth."""


@dataclass(frozen=True)
class Coefficients:
    """alpha for depth, beta for width, gamma for resolution.

    Raises:
        ValueError: if one is below 1 or not finite.
    """

    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            value = getattr(self, name)
            if not 1 <= value < math.inf:
                raise ValueError(f"{name} must be finite and at least 1, got {value}")

    @property
    def product(self) -> float:
        """alpha * beta^2 * gamma^2, by which FLOPs grow with each phi before rounding."""
        return self.alpha * self.beta**2 * self.gamma**2


PUBLISHED_COEFFICIENTS = Coefficients(1.2, 1.1, 1.15)


def scale(
    arch: ArchSpec, coefficients: Coefficients, phi: float, *, rounding: str = "ceil", multiple: int = 8
) -> ArchSpec:
    """``arch`` with 2^phi times the compute, roughly: what it really costs, ``cost`` tells.

    Args:
        phi: 0 gives ``arch`` itself.
        rounding: of repeats, see ``ROUNDINGS``.
        multiple: the resolution is rounded to the nearest multiple of this, in pixels.

    Raises:
        ValueError: if ``phi`` is negative or not finite, or ``rounding`` or ``multiple`` out of range.
    """
    if not 0 <= phi < math.inf:
        raise ValueError(f"phi must be finite and at least 0, got {phi}")
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding must be one of {tuple(ROUNDINGS)}, got {rounding!r}")
    if multiple < 1:
        raise ValueError(f"multiple must be at least 1, got {multiple}")
    if phi == 0:
        return arch
    pixels = arch.resolution * coefficients.gamma**phi
    resolution = max(multiple, math.floor(pixels / multiple + 0.5) * multiple)
    wide = resize(arch, width=coefficients.beta**phi, resolution=resolution)
    depth = coefficients.alpha**phi
    stages = (
        dataclasses.replace(stage, repeats=ROUNDINGS[rounding](stage.repeats * depth))
        for stage in wide.stages
    )
    return dataclasses.replace(wide, stages=tuple(stages))


def dropout(phi: float) -> float:
    """The dropout rate of the published model whose phi is the last up to ``phi``: 0.2 to 0.5."""
    return 0.2 if phi < PHIS["B2"] else 0.3 if phi < PHIS["B4"] else 0.4 if phi < PHIS["B6"] else 0.5


def family(
    base: ArchSpec, coefficients: Coefficients, phis: Mapping[str, float] = PHIS, *, rounding: str = "ceil"
) -> dict[str, ArchSpec]:
    """The models of ``phis``, by name."""
    return {name: scale(base, coefficients, phi, rounding=rounding) for name, phi in phis.items()}
