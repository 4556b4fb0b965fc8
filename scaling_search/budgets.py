"""Families by budget: for each budget of FLOPs, the largest network that it allows.

    budget --phi_within--> phi --member--> Model

Rounding makes the family a staircase over phi, so that a budget is met from below, and rarely in full.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

from scaling_search.compound import MOST
from scaling_search.families import Model
from search_spaces import ArchSpec, cost

NARROW = 1e-6
"""Steps of the staircase that are narrower in phi are passed over."""
FALL = 3
"""FLOPs never fall to a third while sizes rise: a projection costs less than twice the rest of its layer."""


def within_budgets(member: Callable[[float], Model], budgets: Sequence[float]) -> dict[str, Model]:
    """The base as B0, then for each budget the model with the most FLOPs within it: B1, B2, ...

    Args:
        member: the family's model at a phi from 0 to ``MOST``; ValueError if it is too large for a network.
        budgets: in FLOPs, rising.

    Raises:
        ValueError: if the budgets do not rise, the first is below the base's FLOPs, or the last is beyond
            the largest network.
    """
    if any(low >= high for low, high in itertools.pairwise(budgets)):
        raise ValueError(f"budgets must rise, got {', '.join(f'{budget:.10g}' for budget in budgets)}")
    phis = (phi_within(member, budget) for budget in budgets)
    return {f"B{number}": member(phi) for number, phi in enumerate([0.0, *phis])}


def phi_within(member: Callable[[float], Model], budget: float) -> float:
    """The phi of the model with the most FLOPs within ``budget``, with as few decimals as give that model.

    No size of a network falls as phi rises. So the FLOPs between two phis lie between theirs, unless
    ``may_fall``, and most of the staircase need not be looked at.

    Raises:
        ValueError: as ``within_budgets``.
    """

    @functools.cache
    def at(phi: float) -> tuple[ArchSpec | None, float]:
        try:
            model = member(phi)
        except ValueError:
            return None, math.inf
        return model.arch, cost(model.arch, model.num_classes).flops

    most, best = at(0.0)[1], 0.0
    if budget < most:
        raise ValueError(f"budgets must be at least the base's FLOPs of {most:,}, got {budget:,.0f}")
    end = 1.0
    while at(end)[1] <= FALL * budget and end < MOST:
        end = min(2 * end, MOST)
    spans = [(NARROW, end)]
    while spans:
        low, high = spans.pop()
        (small, least), (large, greatest) = at(low), at(high)
        for phi, flops in ((low, least), (high, greatest)):
            if flops <= budget:
                most, best = max((most, best), (flops, phi))
        fall = FALL if may_fall(small, large) else 1
        if small != large and high - low > NARROW and least <= fall * budget and greatest * fall > most:
            middle = (low + high) / 2
            spans += [(low, middle), (middle, high)]
    if most < budget and (best == MOST or at(best + NARROW)[0] is None):
        raise ValueError(
            f"budgets must be at most the {most:,} FLOPs of the largest network that these coefficients "
            f"give, got {budget:.10g}"
        )
    shorter = (math.floor(best * 10**digits) / 10**digits for digits in range(7))
    return next((phi for phi in shorter if at(phi)[0] == at(best)[0]), best)


def may_fall(small: ArchSpec | None, large: ArchSpec | None) -> bool:
    """Whether FLOPs may fall while a network grows from ``small`` to ``large``; None is too large a network.

    They do where a bottleneck without a stride comes to have as many inputs as outputs: it needs no
    projection.
    """
    if small is None or large is None:
        return True
    ins = (small.stem_channels, large.stem_channels)
    for low, high in zip(small.stages, large.stages, strict=True):
        outs = (low.channels, high.channels)
        if low.op == "bottleneck" and low.stride == 1 and ins[0] <= outs[1] and outs[0] <= ins[1]:
            return True
        ins = outs
    return False
