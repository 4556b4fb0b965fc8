"""Compound scaling: one coefficient phi, shared between depth, width and resolution.

    ArchSpec --scale(coefficients, phi)--> ArchSpec
    depth x alpha^phi, width x beta^phi, resolution x gamma^phi

FLOPs grow with depth, width^2 and resolution^2. Without rounding, alpha * beta^2 * gamma^2 = 2 would
double them with every step of phi.

Source: Tan & Le 2019, arXiv:1905.11946, sec. 3.3; rounding as in tensorflow/tpu, efficientnet_model.py.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from search_spaces import ArchSpec, cost, resize, round_repeats
from search_spaces.limits import shown

MOST = 1000
"""Depth, width and resolution may grow by this factor at most; a larger one is taken for a typing error."""


def nearest(repeats: float) -> int:
    """The nearest integer of at least 1, halves up."""
    return max(1, math.floor(repeats + 0.5))


ROUNDINGS = {"ceil": round_repeats, "round": nearest}
"""How a stage's repeats become whole: ``ceil`` as published, ``round`` without its bias towards depth."""


@dataclass(frozen=True)
class Coefficients:
    """alpha for depth, beta for width, gamma for resolution.

    Raises:
        ValueError: if one is below 1, above ``MOST`` or not finite.
    """

    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 1 <= value < math.inf:
                raise ValueError(f"{name} must be finite and at least 1, got {shown(value)}")
            if value > MOST:
                raise ValueError(f"{name} must be at most {MOST}, got {shown(value)}")

    def __str__(self) -> str:
        return f"({self.alpha:.4g}, {self.beta:.4g}, {self.gamma:.4g})"

    @property
    def product(self) -> float:
        """alpha * beta^2 * gamma^2: the growth of FLOPs with each step of phi, before rounding."""
        return self.alpha * self.beta**2 * self.gamma**2


PUBLISHED_COEFFICIENTS = Coefficients(1.2, 1.1, 1.15)

STRATEGIES = {
    "depth": Coefficients(2, 1, 1),
    "width": Coefficients(1, 2**0.5, 1),
    "resolution": Coefficients(1, 1, 2**0.5),
    "dwr": Coefficients(2 ** (1 / 3), 2 ** (1 / 6), 2 ** (1 / 6)),
    "dWr": Coefficients(2**0.1, 2**0.4, 2**0.05),
}
"""Ways to spend twice the compute without a search: on one dimension (the paper's figure 3), on all
equally (dwr), or mostly on width (dWr), so that activations grow with about the square root of FLOPs.

Source of dwr and dWr: Dollar et al. 2021, arXiv:2103.06877."""


def scale(
    arch: ArchSpec, coefficients: Coefficients, phi: float, *, rounding: str = "ceil", multiple: int = 8
) -> ArchSpec:
    """``arch`` with roughly ``coefficients.product``^phi times the compute; ``cost`` gives the exact figure.

    Args:
        phi: 0 gives ``arch`` itself.
        rounding: how repeats are rounded, see ``ROUNDINGS``.
        multiple: the resolution is rounded to the nearest multiple of this, in pixels.

    Raises:
        ValueError: if ``phi`` is negative or not finite, ``rounding`` or ``multiple`` is out of range, or
            a dimension would grow by more than ``MOST`` or beyond what an ``ArchSpec`` may be.
    """
    if not 0 <= phi < math.inf:
        raise ValueError(f"phi must be finite and at least 0, got {phi}")
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding must be one of {tuple(ROUNDINGS)}, got {rounding!r}")
    if multiple < 1:
        raise ValueError(f"multiple must be at least 1, got {multiple}")
    if phi == 0:
        return arch
    largest = max(coefficients.alpha, coefficients.beta, coefficients.gamma)
    if phi * math.log(largest) > math.log(MOST):
        raise ValueError(f"phi must keep {largest:g}^phi at most {MOST}, got {phi:g}")
    pixels = arch.resolution * coefficients.gamma**phi
    resolution = max(multiple, math.floor(pixels / multiple + 0.5) * multiple)
    depth = coefficients.alpha**phi
    try:
        wide = resize(arch, width=coefficients.beta**phi, resolution=resolution)
        stages = (
            dataclasses.replace(stage, repeats=ROUNDINGS[rounding](stage.repeats * depth))
            for stage in wide.stages
        )
        return dataclasses.replace(wide, stages=tuple(stages))
    except ValueError as error:
        raise ValueError(f"phi must leave the network within its limits ({error}), got {phi:g}") from None


def limited(
    arch: ArchSpec, coefficients: Coefficients, phi: float, largest: int, *, multiple: int = 8
) -> Coefficients:
    """``coefficients`` that keep ``arch`` at a resolution of at most ``largest`` at this ``phi``.

    Depth and width, in their own proportion, take the compute that resolution leaves. Coefficients that
    scale nothing but the resolution stay as they are.
    """
    depth_and_width = coefficients.alpha * coefficients.beta**2
    highest = max(arch.resolution, largest // multiple * multiple)
    if not phi or depth_and_width <= 1 or arch.resolution * coefficients.gamma**phi <= highest:
        return coefficients
    gamma = (highest / arch.resolution) ** (1 / phi)
    more = math.log(coefficients.product / gamma**2) / math.log(depth_and_width)
    return Coefficients(coefficients.alpha**more, coefficients.beta**more, gamma)


def scale_to(
    arch: ArchSpec,
    coefficients: Coefficients,
    flops: float,
    *,
    rounding: str = "ceil",
    multiple: int = 8,
    num_classes: int = 1000,
) -> ArchSpec:
    """``arch`` scaled by ``coefficients`` and the phi that brings its realised FLOPs nearest to ``flops``.

    Rounding makes FLOPs a staircase over phi, so networks that should cost the same by the formula may
    differ by half. Use this to compare at equal compute.

    Raises:
        ValueError: if all coefficients are 1, if ``flops`` is below those of ``arch``, or as ``scale``.
    """
    if coefficients.product <= 1:
        raise ValueError(f"one of the coefficients must be above 1 to scale by them, got {coefficients}")
    if not flops >= (least := cost(arch, num_classes).flops):
        raise ValueError(f"flops must be at least the base's {least:,}, got {flops:,.0f}")

    def at(phi: float) -> ArchSpec:
        return scale(arch, coefficients, phi, rounding=rounding, multiple=multiple)

    def flops_at(phi: float) -> int:
        return cost(at(phi), num_classes).flops

    low, high = 0.0, 1.0
    while flops_at(high) < flops:
        low, high = high, 2 * high
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if flops_at(middle) < flops else (low, middle)
    return at(min((low, high), key=lambda phi: abs(flops_at(phi) - flops)))
