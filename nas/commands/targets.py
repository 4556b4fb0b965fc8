"""How ``--target``, ``--target-flops``, ``--exponent`` and ``--reward`` are read together."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nas.commands.arguments import checked, parse_count
from nas.commands.options import SearchOptions
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.spec.objective import Objective
    from nas.spec.targets import Target


def find_objective(options: SearchOptions, usual: float | None) -> Objective:
    """The objective that the options ask for.

    Args:
        usual: the budget of FLOPs where no budget is named; None for none: the reward is then the accuracy.

    Raises:
        InputError: if a target cannot be read, or FLOPs have two.
    """
    from nas.spec.objective import EXPONENTS, PARETO, Objective
    from nas.spec.targets import Target

    front, maximize = options.reward == PARETO, find_maximized(options)
    flops, targets = find_targets(options.target_flops, options.target, front=front)
    if flops is None and not targets:
        named = () if options.device is None else (Target("latency"),)
        if not front and named:
            raise InputError(f"device must stand with `target` latency=T, got {options.device}")
        if usual is not None:
            flops, targets = (None, named or (Target("flops"),)) if front else (Target("flops", usual), ())
        elif options.exponent is not None:
            raise InputError(f"exponent must stand with a `target`, got {options.exponent:g}")
    own = None if flops is None else flops.exponent
    if own is not None:  # it is the exponent of FLOPs alone
        usual_exponent = EXPONENTS.get(options.reward) if options.exponent is None else options.exponent
        targets = tuple(
            dataclasses.replace(one, exponent=usual_exponent) if one.exponent is None else one
            for one in targets
        )
    exponent = options.exponent if own is None else own
    return Objective(None if flops is None else flops.value, exponent, options.reward, targets, maximize)


def find_maximized(options: SearchOptions) -> tuple[str, ...]:
    """The measures of which more is better."""
    return () if options.maximize is None else tuple(name.strip() for name in options.maximize.split(","))


def find_targets(
    target_flops: str | None, texts: list[str] | None, *, front: bool = False
) -> tuple[Target | None, tuple[Target, ...]]:
    """The budget of FLOPs, from either option, and those of other costs.

    Args:
        front: whether names alone are asked for; FLOPs are then among the others.

    Raises:
        InputError: if one cannot be read, or a cost has two.
    """
    from nas.spec.targets import Target, parse_target

    with checked():
        targets = tuple(parse_target(text) for text in texts or [])
        names = [target.name.lower() for target in targets]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"target must name every cost once, got {twice[0]} twice")
        if target_flops is not None and "flops" in names:
            raise ValueError(
                f"target must leave FLOPs to `target_flops` where that is given, got {target_flops}"
            )
        if front:
            if target_flops is not None:
                raise ValueError(
                    f"target_flops must be left out where `reward` is pareto, got {target_flops}"
                )
            return None, targets
        flops = next((target for target in targets if target.name == "flops"), None)
        if flops is not None and flops.value is None:
            raise ValueError("target must have a value, NAME=VALUE, got flops")
        if target_flops is not None:
            flops = Target("flops", _flops(target_flops))
        return flops, tuple(target for target in targets if target.name != "flops")


def _flops(text: str) -> float:
    """``--target-flops``, whose own rule is the objective's."""
    value = parse_count(text)
    with checked():
        from nas.spec.objective import Objective

        Objective(value)
    return value
