"""The grid of (alpha, beta, gamma) that doubles the compute, and the networks that it contains.

    Grid --triples()--> 108 triples --distinct--> 65 networks --within--> 15 of equal compute (on B0)

The paper's grid is unpublished; step and bounds are those of NNI's re-implementation (FLOPs x 2
within 0.1). After rounding, many triples give the same network, so each distinct one is trained once. Some
networks cost 1.7 times as much as others, so only those of equal realised FLOPs are compared.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Unpack

import numpy as np
from pydantic import Field

from scaling_search.compound import MOST, Coefficients, Rounding, scale
from scaling_search.direction import log_growths
from search_spaces import ArchSpec, cost
from search_spaces.rules import AtMost, validated

Positive = Annotated[float, Field(gt=0, lt=math.inf)]
MOST_TRIPLES, MOST_KEPT = 2_000_000, 20_000
"""Triples of a grid, and those within its tolerance: seconds of work, and far more than can be told apart."""
Axis = Annotated[float, Field(ge=1, le=10, description="lie in [1, 10]")]


@validated
class Grid:
    """Which triples are tried, and which of their networks are compared.

    Args:
        step: distance between neighbours on each axis; every axis begins at 1.
        alpha_max, beta_max, gamma_max: ends of the axes of depth, width and resolution.
        product: target of alpha * beta^2 * gamma^2; a network should cost product^phi times its base.
        tolerance: a triple is left out if its product differs from the target by this or more.
        flops_tolerance: a network is left out if its realised FLOPs differ by more than this share from
            product^phi times the base's. 0.12 keeps EfficientNet's own triple, which costs 2.23 times B0.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    step: Positive = 0.05
    alpha_max: Axis = 2.0
    beta_max: Axis = 1.5
    gamma_max: Axis = 1.5
    product: Annotated[float, Field(gt=1, lt=math.inf), AtMost(MOST)] = 2.0
    tolerance: Positive = 0.1
    flops_tolerance: Positive = 0.12

    def __post_init__(self) -> None:
        if self.step < 0.001:
            raise ValueError(f"step must be at least 0.001, got {self.step}")

    def triples(self) -> list[Coefficients]:
        """All triples within the tolerance, alpha changing slowest.

        Raises:
            ValueError: if there is none, or more than could be looked at.
        """

        def axis(most: float) -> list[float]:
            # Rounded, here and below, so that floating-point noise decides about no triple.
            steps = math.floor((most - 1) / self.step + 1e-9)
            return [round(1 + i * self.step, 10) for i in range(steps + 1)]

        axes = [axis(most) for most in (self.alpha_max, self.beta_max, self.gamma_max)]
        if (number := math.prod(map(len, axes))) > MOST_TRIPLES:
            raise ValueError(
                f"step must leave at most {MOST_TRIPLES:,} triples, got {self.step} for {number:,}"
            )
        triples = [
            Coefficients(alpha, beta, gamma)
            for alpha, beta, gamma in itertools.product(*axes)
            if abs(round(alpha * beta**2 * gamma**2 - self.product, 10)) < self.tolerance
        ]
        if len(triples) > MOST_KEPT:
            which = f"{self.tolerance} for {len(triples):,}"
            raise ValueError(f"tolerance must keep at most {MOST_KEPT:,} triples, got {which}")
        if not triples:
            raise ValueError(
                f"grid is empty: no triple on a step of {self.step} has a product within "
                f"{self.tolerance} of {self.product}"
            )
        return triples


def distinct(
    base: ArchSpec,
    triples: Sequence[Coefficients],
    phi: float = 1.0,
    **how: Unpack[Rounding],
) -> dict[ArchSpec, list[Coefficients]]:
    """The distinct networks that ``triples`` make of ``base``, each with the triples that give it."""
    classes: dict[ArchSpec, list[Coefficients]] = {}
    for triple in triples:
        arch = scale(base, triple, phi, **how)
        classes.setdefault(arch, []).append(triple)
    return classes


def within(
    classes: Mapping[ArchSpec, list[Coefficients]], flops: float, tolerance: float, num_classes: int = 1000
) -> dict[ArchSpec, list[Coefficients]]:
    """The networks whose realised FLOPs differ from ``flops`` by at most the share ``tolerance``.

    Args:
        num_classes: of the task; FLOPs include that classifier.

    Raises:
        ValueError: if there is none.
    """
    growth = {arch: cost(arch, num_classes).flops / flops for arch in classes}
    return near(classes, growth, tolerance, f"FLOPs within {100 * tolerance:g} % of {flops:,.0f}")


def near(
    classes: Mapping[ArchSpec, list[Coefficients]],
    growth: Mapping[ArchSpec, float],
    tolerance: float,
    rule: str,
) -> dict[ArchSpec, list[Coefficients]]:
    """The networks whose cost is 1 in ``growth``, over what it should be, to the share ``tolerance``.

    Raises:
        ValueError: if there is none; ``rule`` says what they should have.
    """
    kept = {arch: triples for arch, triples in classes.items() if abs(growth[arch] - 1) <= tolerance}
    if not kept:
        nearest = min(growth.values(), key=lambda ratio: abs(ratio - 1))
        raise ValueError(
            f"grid is empty: of {len(classes)} networks none has {rule}; "
            f"the nearest has {nearest:.3f} times that. Is the base too small to scale?"
        )
    return kept


def spread(base: ArchSpec, archs: Sequence[ArchSpec], most: int) -> list[ArchSpec]:
    """``most`` of the networks, which grew from ``base`` in directions as different as possible.

    Each next one is furthest from those that were taken; the first is the most balanced.
    """
    grown = np.array([log_growths(base, arch) for arch in archs])
    shares = grown / np.maximum(grown.sum(axis=1, keepdims=True), 1e-9)  # [N, 3]
    taken = [int(((shares - 1 / 3) ** 2).sum(axis=1).argmin())]
    while len(taken) < min(most, len(archs)):
        away = ((shares[:, None] - shares[taken]) ** 2).sum(axis=2).min(axis=1)
        taken.append(int(away.argmax()))
    return [archs[number] for number in sorted(taken)]


def one_network(
    base: ArchSpec,
    triple: Coefficients,
    phi: float = 1.0,
    **how: Unpack[Rounding],
) -> dict[str, tuple[float, float]]:
    """How far each coefficient of ``triple`` can change alone and still give the same network.

    No measurement can tell the coefficients in such an interval apart: on EfficientNet-B0 at phi 1,
    any alpha from just above 1 to 1.25 adds the same layers.

    Returns:
        the lowest and the highest value of alpha, beta and gamma, to 1e-4.
    """

    def network(triple: Coefficients) -> ArchSpec:
        return scale(base, triple, phi, **how)

    def same(name: str, value: float) -> bool:
        try:
            return network(dataclasses.replace(triple, **{name: value})) == found
        except ValueError:  # larger than a network may be
            return False

    def edge(name: str, inside: float, outside: float) -> float:
        if same(name, outside):
            return outside
        while abs(outside - inside) > 1e-4:
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if same(name, middle) else (inside, middle)
        return inside

    found, most = network(triple), MOST ** min(1.0, 1 / phi)
    return {
        name: (edge(name, value, 1.0), edge(name, value, min(2 * value, most)))
        for name, value in vars(triple).items()
    }
