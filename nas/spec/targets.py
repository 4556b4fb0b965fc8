"""Budgets of what a network costs, as people write them: ``latency=20ms``, ``flops=300M^-0.07``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from search_spaces.cost_units import is_bytes, is_time
from search_spaces.names import unknown
from search_spaces.rules import Number, validated

COSTS = ("flops", "params", "activations")
"""What is known of every network: the fields of ``search_spaces.Cost``."""
STEEPEST = 10
"""The largest exponent, up or down: beyond it, rewards leave the range of floating point."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
OWN = (
    *("trial", "status", "arch", "actions", "accuracy", "reward", "epochs", "seed", "worker"),
    *("error", "started", "finished", "repeat_of", "images_per_second", "trainings", "measured", "p_best"),
    *("p_front", "accuracy_error", "reward_error", "run", "rank", "old_reward", "name", "test_accuracy"),
    *("latency_measured", "latency_error"),
)
"""Columns of trials that are no cost of a network; how long its trial took, ``seconds``, may count as one."""
KNOWN = (*COSTS, "latency", "peak_memory")
"""Costs that mean the same everywhere, spelled so."""
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}
"""Units of latencies, which are kept in milliseconds."""
BYTES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30}
"""Prefixes of bytes."""
COUNTS = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|[-+]?inf)"


@validated
class Target:
    """The budget of one cost.

    Args:
        name: ``flops``, ``params``, ``activations``, or a measure: ``latency``, ``peak_memory``, a column.
        value: T, milliseconds of a latency, bytes of memory, else a number; None where all are sought.
        exponent: w; None takes the objective's.
    """

    name: str
    value: Annotated[Number | None, Field(gt=0, lt=math.inf)] = None
    exponent: float | None = None

    def __post_init__(self) -> None:
        if not can_be_cost(self.name):
            raise ValueError(f"target must name a cost of networks in letters, digits and _, got {self.name}")
        if self.exponent is not None and abs(self.exponent) > STEEPEST:
            raise ValueError(f"exponent must lie in [-{STEEPEST}, {STEEPEST}], got {self.exponent:g}")

    def __str__(self) -> str:
        """The text that ``parse_target`` reads."""
        value = "" if self.value is None else f"={plain_value(self.name, self.value)}"
        return f"{self.name}{value}" if self.exponent is None else f"{self.name}{value}^{self.exponent!r}"


def parse_target(text: str, field: str = "target") -> Target:
    """``NAME=VALUE`` or ``NAME=VALUE^EXPONENT``; the name alone where all budgets are sought.

    Raises:
        ValueError: if it reads otherwise, a unit is missing, or a number is not positive and finite.
    """
    name, equals, rest = text.partition("=")
    number, power, exponent = rest.partition("^")
    if not can_be_cost(name):
        raise ValueError(f"{field} must name a cost of networks in letters, digits and _, got {text!r}")
    if (equals and not number) or (power and not exponent):
        raise ValueError(f"{field} must read NAME=VALUE or NAME=VALUE^EXPONENT, got {text!r}")
    try:
        steep = float(exponent) if power else None
    except ValueError:
        steep = math.nan
    if steep is not None and not abs(steep) <= STEEPEST:
        raise ValueError(f"{field} must have an exponent in [-{STEEPEST}, {STEEPEST}], got {text!r}")
    return Target(name, parse_value(name, number, field) if equals else None, steep)


def can_be_cost(name: str) -> bool:
    """Whether a cost can have this name, which becomes a column of trials, where case makes no difference."""
    low = name.lower()
    known = low in KNOWN and name != low
    return bool(NAME.fullmatch(name)) and low not in OWN and not known


def can_be_larger(name: str) -> bool:
    """Whether a measure can have this name of which more is better: it is no cost that means the same
    everywhere, such as FLOPs, latencies and memory.
    """
    low = name.lower()
    cost = low in (*KNOWN, "seconds") or is_time(name) or is_bytes(name)
    return can_be_cost(name) and not cost


def parse_value(name: str, text: str, field: str = "target") -> float:
    """The value of a cost: a time in ms, bytes, or a number like 300M.

    Raises:
        ValueError: if it reads otherwise, a unit is missing, or it is not positive and finite.
    """
    found = re.fullmatch(rf"{NUMBER}\s*([a-z]*)", text.strip().lower())
    unit = found[2] if found else ""
    rule, scale = _unit(name, unit)
    if not found or scale is None:
        raise ValueError(f"{field} {name} must be {rule}, got {text!r}")
    value = float(found[1]) * scale
    if not 0 < value < math.inf:
        raise ValueError(f"{field} {name} must be positive and finite, got {text!r}")
    return value


def plain_value(name: str, value: float) -> str:
    """A number, in a cost's own unit, as text that ``parse_value`` reads."""
    return f"{value!r}{'ms' if is_time(name) else 'b' if is_bytes(name) else ''}"


def _unit(name: str, unit: str) -> tuple[str, float | None]:
    """What values of a cost look like, and what its ``unit`` counts; None if it takes none such."""
    if is_time(name):
        return "a time with its unit, like 20ms or 0.02s", TIMES.get(unit)
    if is_bytes(name):
        known = unit != "" and unit.removesuffix("b") in BYTES
        return "bytes with their unit, like 500MB or 2G", BYTES[unit.removesuffix("b")] if known else None
    return "a number like 300M, 0.3G or 3e8", COUNTS.get(unit) if unit else 1.0


def parse_budgets(texts: Iterable[str], known: Iterable[str], field: str = "budget") -> dict[str, float]:
    """``NAME=VALUE`` texts, by name.

    Raises:
        ValueError: if one reads otherwise, is not of the ``known`` costs, or stands there twice.
    """
    budgets: dict[str, float] = {}
    for text in texts:
        target = parse_target(text, field)
        if target.value is None or target.exponent is not None:
            raise ValueError(f"{field} must read NAME=VALUE, got {text!r}")
        if target.name not in (names := tuple(known)):
            raise ValueError(f"{field}: {unknown('measure', target.name, names)}")
        if target.name in budgets:
            raise ValueError(f"{field} must name every measure once, got {target.name} twice")
        budgets[target.name] = target.value
    return budgets
