"""Explains a family: compares it with the formula and the published table, and shows what rounding did."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

from scaling_search.compound import PUBLISHED_COEFFICIENTS, deepened
from scaling_search.direction import grown_alone
from scaling_search.families import PHIS, Model, models, published
from search_spaces import PRESETS, ArchSpec, cost

B0 = PRESETS["efficientnet-b0"]


class Side(NamedTuple):
    """A model of a family; ``growth`` is its FLOPs over those of the family's base."""

    model: str
    family: str
    phi: float | None
    depth: float
    width: float
    resolution: int
    flops: int
    growth: float


class Implied(NamedTuple):
    """The phis for which the formula gives a published depth, width or resolution.

    depth, width: lowest and highest phi, since multipliers are published with one decimal.
    resolution: the one phi.
    """

    model: str
    depth: tuple[float, float]
    width: tuple[float, float]
    resolution: float

    @property
    def common(self) -> tuple[float, float] | None:
        """The lowest and highest phi that give both depth and width; None if none does."""
        low, high = max(self.depth[0], self.width[0], 0.0), min(self.depth[1], self.width[1])
        return (low, high) if low < high else None


class Shares(NamedTuple):
    """How FLOPs grow through one dimension alone: by the multiplier, and after rounding.

    ceil, round: growth in all, if layers are rounded in either way.
    """

    model: str
    depth: tuple[float, float]
    width: tuple[float, float]
    resolution: tuple[float, float]
    all: tuple[float, float]
    ceil: float
    round: float


def side_by_side(yours: Mapping[str, Model]) -> list[Side]:
    """EfficientNet by the formula and as published, and ``yours``, model by model."""
    families = {"formula": models(B0, PUBLISHED_COEFFICIENTS), "published": published(), "yours": yours}
    sides = []
    for name in dict.fromkeys([*PHIS, *yours]):
        for family, found in families.items():
            if model := found.get(name):
                flops, base = cost(model.arch).flops, cost(next(iter(found.values())).arch).flops
                sizes = (model.depth, model.width, model.arch.resolution)
                sides.append(Side(name, family, model.phi, *sizes, flops, flops / base))
    return sides


def implied_phis() -> list[Implied]:
    """The phi that each published coefficient of B1 to B8 implies under (1.2, 1.1, 1.15)."""

    def interval(multiplier: float, coefficient: float) -> tuple[float, float]:
        low, high = (math.log(multiplier + d) / math.log(coefficient) for d in (-0.05, 0.05))
        return low, high

    alpha, beta, gamma = dataclasses.astuple(PUBLISHED_COEFFICIENTS)
    return [
        Implied(
            name,
            interval(model.depth, alpha),
            interval(model.width, beta),
            math.log(model.arch.resolution / B0.resolution) / math.log(gamma),
        )
        for name, model in published().items()
        if model.phi
    ]


def why(implied: Implied) -> str:
    """Explains a published model's sizes."""
    model, phi = published()[implied.model], PHIS.get(implied.model, 8.0)
    pixels = B0.resolution * PUBLISHED_COEFFICIENTS.gamma**phi
    text = (
        f"{implied.model} at {model.arch.resolution} px: the formula at phi {phi:g} gives {pixels:.0f} px, "
        f"and {model.arch.resolution} is what phi {implied.resolution:.2f} gives; "
    )
    if implied.common is None:
        return text + "no phi gives both its depth and its width. They were rounded and set by hand."
    low, high = implied.common
    text += f"its depth {model.depth:g} and width {model.width:g} mean phi {low:.2f} to {high:.2f}. "
    if low <= implied.resolution <= high:
        return text + "One phi fits all three."
    return text + "The resolution was set by hand."


def rounding_shares(yours: Mapping[str, Model], gamma: float, *, late_depth: bool = False) -> list[Shares]:
    """How rounding shifted the compute of ``yours`` between dimensions; its first model is the base.

    A multiplier d of depth stands for d times the FLOPs, one of width or resolution for d^2 times.

    Args:
        late_depth: as ``yours`` was scaled, see ``scale``.
    """
    base = next(iter(yours.values())).arch
    return [_shares(name, model, base, gamma, late_depth) for name, model in yours.items()]


def _shares(name: str, model: Model, base: ArchSpec, gamma: float, late_depth: bool) -> Shares:
    arch = model.arch
    before = cost(base).flops
    depth, width, resolution = grown_alone(base, arch)
    ratio = arch.resolution / base.resolution if model.phi is None else gamma**model.phi
    layers = [stage.repeats for stage in base.stages]
    ceil, rounded = (
        cost(deepened(arch, layers, model.depth, way, late_depth=late_depth)).flops / before
        for way in ("ceil", "round")
    )
    return Shares(
        name,
        (model.depth, depth),
        (model.width**2, width),
        (ratio**2, resolution),
        (model.depth * model.width**2 * ratio**2, cost(arch).flops / before),
        ceil,
        rounded,
    )
