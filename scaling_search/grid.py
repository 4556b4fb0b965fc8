"""The grid of (alpha, beta, gamma) that doubles the compute, and the networks that it really holds.

The paper's grid is unpublished; step and bounds are those of NNI's re-implementation (FLOPs x 2
within 0.1). Rounding makes many triples one network, so only distinct networks are worth training.
"""

from __future__ import annotations

import math

from scaling_search.scaling import Coefficients, scale
from search_spaces import ArchSpec


def grid(
    step: float = 0.05,
    alpha_max: float = 2.0,
    beta_max: float = 1.5,
    gamma_max: float = 1.5,
    product: float = 2.0,
    tolerance: float = 0.1,
) -> list[Coefficients]:
    """All triples from 1 up on ``step`` whose product is less than ``tolerance`` away from ``product``.

    Raises:
        ValueError: if ``step`` or ``tolerance`` is not positive, or no triple is left.
    """
    if not (step > 0 and tolerance > 0):
        raise ValueError(f"step and tolerance must be positive, got {step} and {tolerance}")

    def axis(most: float) -> list[float]:
        # Rounded, here and below, so that no triple is in or out by the noise of floating point.
        return [round(1 + i * step, 10) for i in range(math.floor((most - 1) / step + 1e-9) + 1)]

    triples = [
        Coefficients(alpha, beta, gamma)
        for alpha in axis(alpha_max)
        for beta in axis(beta_max)
        for gamma in axis(gamma_max)
        if abs(round(alpha * beta**2 * gamma**2 - product, 10)) < tolerance
    ]
    if not triples:
        raise ValueError(f"no triple on a step of {step} has a product within {tolerance} of {product}")
    return triples


def distinct(
    base: ArchSpec, triples: list[Coefficients], phi: float = 1.0
) -> dict[ArchSpec, list[Coefficients]]:
    """The networks that ``triples`` scale ``base`` to, each with the triples that give it."""
    classes: dict[ArchSpec, list[Coefficients]] = {}
    for triple in triples:
        classes.setdefault(scale(base, triple, phi), []).append(triple)
    return classes
