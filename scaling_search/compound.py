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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from search_spaces import ArchSpec, cost, resize, round_repeats
from search_spaces.limits import shown

MOST = 1000
"""Depth, width and resolution may grow by this factor at most; a larger one is taken for a typing error."""


def nearest(repeats: float) -> int:
    """The nearest integer of at least 1, halves up."""
    return max(1, math.floor(repeats + 0.5))


ROUNDINGS = {"ceil": round_repeats, "round": nearest}
"""How a stage's repeats become whole: ``ceil`` as published, ``round`` without its bias towards depth."""


class Rounding(TypedDict, total=False):
    """How sizes become whole: arguments of ``scale``, and of what calls it."""

    rounding: str
    multiple: int
    late_depth: bool


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


def late_layers(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """As many layers as ``after`` has, but what it adds to ``before`` goes to later stages.

    One by one, each added layer goes to the stage with the largest n * r / (2 * a + 1), the last of equals: n
    is the stage's number from 1, r its layers before, a the layers it was given. So stages grow in
    proportion to n * r, up to rounding, and no stage loses a layer when one more is added.

    EfficientNetV2 gradually adds layers to later stages (arXiv:2104.00298, sec. 3.3). It gives no formula;
    this one is ours.

    Args:
        before, after: layers of each stage, from the first to the last.
    """
    added = [0] * len(before)
    for _ in range(sum(after) - sum(before)):
        claims = [(n * r / (2 * a + 1), n) for n, (r, a) in enumerate(zip(before, added, strict=True), 1)]
        added[max(claims)[1] - 1] += 1
    return [r + a for r, a in zip(before, added, strict=True)]


def deepened(
    arch: ArchSpec, before: Sequence[int], depth: float, rounding: str, *, late_depth: bool = False
) -> ArchSpec:
    """``arch`` with ``depth`` times the layers ``before``, rounded; ValueError if that is too many.

    Args:
        before: layers of each stage.
        rounding, late_depth: as in ``scale``.
    """

    def with_layers(repeats: Sequence[int]) -> ArchSpec:
        pairs = zip(arch.stages, repeats, strict=True)
        return dataclasses.replace(arch, stages=tuple(dataclasses.replace(s, repeats=r) for s, r in pairs))

    after = [ROUNDINGS[rounding](repeats * depth) for repeats in before]
    deep = with_layers(after)
    return with_layers(late_layers(before, after)) if late_depth else deep


def scale(
    arch: ArchSpec,
    coefficients: Coefficients,
    phi: float,
    *,
    rounding: str = "ceil",
    multiple: int = 8,
    late_depth: bool = False,
) -> ArchSpec:
    """``arch`` with roughly ``coefficients.product``^phi times the compute; ``cost`` gives the exact figure.

    Args:
        phi: 0 gives ``arch`` itself.
        rounding: how repeats are rounded, see ``ROUNDINGS``.
        multiple: a resolution that grows is rounded to the nearest multiple of this, in pixels.
        late_depth: the layers that are added go to later stages, see ``late_layers``.

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
    rounded = max(multiple, math.floor(pixels / multiple + 0.5) * multiple)
    resolution = arch.resolution if coefficients.gamma == 1 else rounded
    try:
        wide = resize(arch, width=coefficients.beta**phi, resolution=resolution)
        before = [stage.repeats for stage in arch.stages]
        return deepened(wide, before, coefficients.alpha**phi, rounding, late_depth=late_depth)
    except ValueError as error:
        raise ValueError(f"phi must leave the network within its limits ({error}), got {phi:g}") from None


def limited(
    arch: ArchSpec, coefficients: Coefficients, phi: float, largest: int, *, multiple: int = 8
) -> Coefficients:
    """``coefficients`` that keep ``arch`` at a resolution of at most ``largest`` at this ``phi``.

    Depth and width, in their own proportion, take the compute that resolution leaves. Where neither grows,
    nothing does.
    """
    depth_and_width = coefficients.alpha * coefficients.beta**2
    highest = max(arch.resolution, largest // multiple * multiple)
    if not phi or arch.resolution * coefficients.gamma**phi <= highest:
        return coefficients
    gamma = (highest / arch.resolution) ** (1 / phi)
    if depth_and_width == 1:
        return Coefficients(1, 1, gamma)
    more = math.log(coefficients.product / gamma**2) / math.log(depth_and_width)
    return Coefficients(coefficients.alpha**more, coefficients.beta**more, gamma)


def scale_to(
    arch: ArchSpec,
    coefficients: Coefficients,
    flops: float,
    *,
    num_classes: int = 1000,
    **how: Unpack[Rounding],
) -> ArchSpec:
    """``arch`` scaled by ``coefficients`` and the phi that brings its realised FLOPs nearest to ``flops``.

    Rounding makes FLOPs a staircase over phi, so networks that should cost the same by the formula may
    differ by half. Use this to compare at equal compute.

    Raises:
        ValueError: if all coefficients are 1, if ``flops`` is below those of ``arch``, or as ``scale``.
    """
    if not flops >= (least := cost(arch, num_classes).flops):
        raise ValueError(f"flops must be at least the base's {least:,}, got {flops:,.0f}")
    phi = phi_to(arch, coefficients, flops / least, num_classes=num_classes, **how)
    return scale(arch, coefficients, phi, **how)


def phi_to(
    arch: ArchSpec,
    coefficients: Coefficients,
    growth: float,
    *,
    num_classes: int = 1000,
    **how: Unpack[Rounding],
) -> float:
    """The phi at which ``arch`` costs about ``growth`` times its own FLOPs; see ``scale_to``."""
    if coefficients.product <= 1:
        raise ValueError(f"one of the coefficients must be above 1 to scale by them, got {coefficients}")
    flops = growth * cost(arch, num_classes).flops

    def flops_at(phi: float) -> int:
        return cost(scale(arch, coefficients, phi, **how), num_classes).flops

    low, high = 0.0, 1.0
    while flops_at(high) < flops:
        low, high = high, 2 * high
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if flops_at(middle) < flops else (low, middle)
    return min((low, high), key=lambda phi: abs(flops_at(phi) - flops))
