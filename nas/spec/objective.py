"""The reward: accuracy against cost, MnasNet's trade-off with FLOPs or any other cost in place of latency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nas.spec.targets import COSTS, STEEPEST, Target, can_be_larger
from search_spaces.limits import MOST_FLOPS
from search_spaces.rules import AtMost, Number, OneOf, validated

EXPONENTS = {"soft": -0.07, "hard": -1.0, "abs": -0.07}
"""The kinds of reward with a budget, and their default exponents."""
PARETO = "pareto"
"""The kind without one."""


class Aim(NamedTuple):
    """A budget of the reward: the cost's ``name``, T and w."""

    name: str
    value: float
    exponent: float


@validated
class Objective:
    """``objective(accuracy, costs)`` is the reward of a network; x is a cost / its target.

    soft: ``accuracy * x ** exponent``. -0.07 lets twice the cost pay for about 5 % relative accuracy.
    hard: ``accuracy * max(x, 1) ** exponent``: cost is free up to the target; MnasNet's -1 applies above it.
    abs:  ``accuracy + exponent * |x - 1|``: pulls towards the target from both sides.
    pareto: the accuracy itself; the front of accuracy against ``targets``, without values, is sought.

    Where more is better (``maximize``), x is a value / its target, and w counts without its sign:
    ``accuracy * x ** |w|``, ``accuracy * min(x, 1) ** |w|`` and ``accuracy - |w| * max(1 - x, 0)``.

    Of several targets the factors are multiplied, as in EfficientNetV2's reward; in ``abs`` the summands are
    added. Without any, the reward is the accuracy. ``costs`` are the FLOPs, or all costs by name.

    Args:
        target_flops: T, multiply-adds of one image; None for no budget of FLOPs.
        exponent: w (the factor beta in ``abs``) of FLOPs and of targets without their own; None takes the
            default of ``kind``: -0.07, -1 or -0.07.
        kind: ``soft``, ``hard``, ``abs`` or ``pareto``.
        targets: of further costs; of FLOPs, only in ``pareto``.
        maximize: measures of which more is better, such as ``f1``; in ``pareto`` they are sought, too.

    Source: Tan et al. 2019, arXiv:1807.11626, eq. 2-3 (soft, hard); Bender et al. 2020,
    arXiv:2008.06120, sec. 3 (abs); Tan and Le 2021, arXiv:2104.00298, sec. 3.3 (several).
    """

    target_flops: Annotated[Number | None, Field(gt=0, lt=math.inf), AtMost(MOST_FLOPS)] = None
    exponent: float | None = None
    kind: Annotated[str, OneOf((*EXPONENTS, PARETO)), Field(title="reward")] = "soft"
    targets: tuple[Target, ...] = ()
    maximize: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_maximize()
        if self.target_flops is not None and self.target_flops < 1:  # the smallest network has more
            raise ValueError(f"target_flops must be at least 1, got {self.target_flops:g}")
        names = [target.name.lower() for target in self.targets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"target must name every cost once, got {name} twice")
        if self.exponent is None:
            object.__setattr__(self, "exponent", EXPONENTS.get(self.kind, 0.0))
        elif abs(self.exponent) > STEEPEST:
            raise ValueError(f"exponent must lie in [-{STEEPEST}, {STEEPEST}], got {self.exponent:g}")
        self._check_targets()

    def _check_maximize(self) -> None:
        for name in self.maximize:
            if not can_be_larger(name):
                rule = "must name measures of your own, in letters, digits and _, of which more is better"
                raise ValueError(f"maximize {rule}, got {name!r}")
            if [one.lower() for one in self.maximize].count(name.lower()) > 1:
                raise ValueError(f"maximize must name every measure once, got {name} twice")
        if self.kind == PARETO:
            named = {target.name for target in self.targets}
            more = (Target(name) for name in self.maximize if name not in named)
            object.__setattr__(self, "targets", (*self.targets, *more))

    def _check_targets(self) -> None:
        if self.seeks_front:
            if self.target_flops is not None:
                given = f"{self.target_flops:g}"
                raise ValueError(f"target_flops must be left out where `reward` is pareto, got {given}")
            if not self.targets:
                raise ValueError("target must name a cost where `reward` is pareto, got nothing")
            for target in self.targets:
                if target.value is not None:
                    raise ValueError(
                        "target must be a name alone where `reward` is pareto, which has no budget, "
                        f"got {target.name}={target.value:g}"
                    )
            return
        for target in self.targets:
            if target.value is None:
                raise ValueError(f"target must have a value, NAME=VALUE, got {target.name}")
            if target.name == "flops":
                raise ValueError("target must leave FLOPs to `target_flops`, got flops")

    @property
    def seeks_front(self) -> bool:
        """Whether there is no budget, and the networks for all budgets are sought."""
        return self.kind == PARETO

    @property
    def aims(self) -> tuple[Aim, ...]:
        """The budgets, FLOPs first; none in ``pareto``."""
        if self.seeks_front:
            return ()
        assert self.exponent is not None
        flops = [] if self.target_flops is None else [Aim("flops", self.target_flops, self.exponent)]
        return (
            *flops,
            *(
                Aim(target.name, target.value, self.exponent if target.exponent is None else target.exponent)
                for target in self.targets
                if target.value is not None
            ),
        )

    @property
    def costs(self) -> tuple[str, ...]:
        """The names of the costs that count."""
        first = ("flops",) if self.target_flops is not None else ()
        return (*first, *(target.name for target in self.targets))

    @property
    def names_beside_flops(self) -> tuple[str, ...]:
        """The costs other than FLOPs."""
        return tuple(name for name in self.costs if name != "flops")

    @property
    def measures(self) -> tuple[str, ...]:
        """Those of them that no formula gives, and what else is to be maximized."""
        counted = (name for name in self.costs if name not in COSTS)
        return tuple(dict.fromkeys([*counted, *self.maximize]))

    def lack(self, costs: Mapping[str, float]) -> str | None:
        """Why a trial with these ``costs`` has failed: one that counts is missing or too small; or None."""
        for name in dict.fromkeys([*self.costs, *self.maximize]):
            value, largest = costs.get(name), name in self.maximize
            if value is None:
                return f"{name} must be given by the evaluator or a device, and was not"
            if name in self.costs and not (value >= 0 if largest else value > 0):
                return f"{name} must be {'at least' if largest else 'above'} 0 to count, got {value:g}"
        return None

    def inverts(self, name: str) -> bool:
        """Whether a controller is told 1 / value: where it seeks a front, everything is a cost to it."""
        return self.seeks_front and name in self.maximize

    def as_costs(self, measured: Mapping[str, float]) -> dict[str, float]:
        """What a controller that seeks a front is told of ``measured``: of what is maximized, 1 / value."""
        return {
            name: 1 / value if self.inverts(name) else value
            for name, value in measured.items()
            if value > 0 or not self.inverts(name)
        }

    def rewards(self, accuracies: NDArray[np.float64], costs: Any) -> NDArray[np.float64]:
        """``self(accuracy, costs)`` for arrays that broadcast; estimates may lie a little outside [0, 1].

        Args:
            costs: FLOPs, or a mapping or DataFrame of costs by name.
        """
        found = accuracies
        for name, target, exponent in self.aims:
            ratio = np.asarray(_cost(costs, name), float) / target
            if name in self.maximize:
                found = _maximized(self.kind, found, ratio, abs(exponent))
                continue
            if self.kind == "abs":
                found = found + exponent * np.abs(ratio - 1)
                continue
            factor = np.maximum(ratio, 1.0) if self.kind == "hard" else ratio
            found = np.asarray(found * factor**exponent)
        return found

    def __call__(self, accuracy: float, costs: float | Mapping[str, float]) -> float:
        """The reward of a network with ``accuracy`` in [0, 1] and positive ``costs``.

        Raises:
            ValueError: if ``accuracy`` or a cost is out of range, or a cost is missing.
        """
        if not 0 <= accuracy <= 1:
            raise ValueError(f"accuracy must lie in [0, 1], got {accuracy}")
        found = accuracy
        for name, target, exponent in self.aims:
            value = _cost(costs, name)
            if name in self.maximize and value is not None and value >= 0:
                found = float(_maximized(self.kind, found, np.float64(value / target), abs(exponent)))
                continue
            if value is None or not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
            ratio = value / target
            if self.kind == "abs":
                found = found + exponent * abs(ratio - 1)
            else:
                found = float(found * (max(ratio, 1.0) if self.kind == "hard" else ratio) ** exponent)
        return found


def _maximized(kind: str, rewards: Any, ratio: Any, exponent: float) -> Any:
    """Rewards after a target of which more is better; ``ratio`` is x."""
    if kind == "abs":
        return rewards - exponent * np.maximum(1 - ratio, 0.0)
    return rewards * (np.minimum(ratio, 1.0) if kind == "hard" else ratio) ** exponent


def _cost(costs: Any, name: str) -> Any:
    """One of ``costs``, which are the FLOPs or have names."""
    if hasattr(costs, "keys"):
        return costs[name] if name in costs else None  # noqa: SIM401 - a DataFrame's get is another
    return costs if name == "flops" else None
