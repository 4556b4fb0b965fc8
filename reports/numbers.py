"""Numbers as text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from search_spaces.cost_units import is_bytes, is_time


def duration(seconds: float) -> str:
    """``5025`` as ``1 h 24 min``."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def rough_duration(hours: float) -> str:
    """A forecast, to two digits at most: ``1.5 hours``, ``12 minutes`` or ``40 seconds``."""
    for unit, size in (("hours", 1.0), ("minutes", 60.0)):
        if hours * size >= 2:
            return f"{float(f'{hours * size:.2g}'):g} {unit}"
    return f"{hours * 3600:.0f} seconds"


def count(number: float) -> str:
    """``385814752`` as ``386M``: three digits."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * scale:
            value = number / scale
            return f"{value:.{max(0, 3 - len(str(int(value + 0.0005))))}f}{unit}"
    return f"{number:.0f}"


def memory(size: float) -> str:
    """Bytes: ``779123456`` as ``779MB``."""
    return f"{count(size)}B"


def gigabytes(size: float) -> str:
    """Bytes, to be compared with the memory of a machine: ``779123456`` as ``0.8 GB``."""
    return f"{size / 1e9:.1f} GB"


def cost_text(name: str, value: float) -> str:
    """A cost in its unit: ``20.1 ms`` of a latency, ``512MB`` of memory, else ``300M`` or ``0.25``."""
    if is_time(name):
        return f"{value:,.0f} ms" if value >= 1000 else f"{value:.3g} ms"
    if is_bytes(name):
        return memory(value)
    return count(value) if value >= 1000 else f"{value:.3g}"


def cost_title(name: str) -> str:
    """The title of a cost: ``FLOPs``, else its name with spaces."""
    return "FLOPs" if name == "flops" else name.replace("_", " ")


def front_title(
    measured: str,
    costs: Sequence[str],
    maximize: Sequence[str] = (),
    title: Callable[[str], str] = cost_title,
) -> str:
    """What a front is of: ``accuracy against FLOPs``, ``accuracy and f1 against FLOPs and latency``.

    Args:
        maximize: those of ``costs`` of which more is better.
        title: of a cost, by its name.
    """
    larger = listing([measured, *(title(name) for name in costs if name in maximize)])
    smaller = [title(name) for name in costs if name not in maximize]
    return f"{larger} against {listing(smaller)}" if smaller else larger


def unit_words(name: str) -> str:
    """What stands after the title of a cost at an axis: `` (ms)``, `` (bytes)`` or nothing."""
    return " (ms)" if is_time(name) else " (bytes)" if is_bytes(name) else ""


def plus_minus(value: float, error: float | None = None) -> str:
    """``0.9459 ±0.0121``, without the error if it is unknown."""
    return f"{value:.4f}" + ("" if error is None or math.isnan(error) else f" ±{error:.4f}")


def points(difference: float, error: float) -> str:
    """A difference of accuracies in percentage points, with its standard error: ``1.8 ±0.6 points``."""
    return f"{100 * difference:.1f} ±{100 * error:.1f} points"


HIGHEST = "highest accuracy"
"""What the best has where all budgets are sought: no reward weighs its cost."""


def reward_title(network: Mapping[Any, Any]) -> str:
    """The name of a network's reward, a row of ``nas.runs.run.Run.networks``.

    The best reward is that of a single training run; after confirmation it is expected, or else the mean of
    several runs.
    """
    if "measured" in network:
        return "expected reward"
    return "mean reward" if network["trainings"] > 1 else "best reward"


def percent(share: float) -> str:
    """A share or a probability in whole percent: ``78 %``, and ``<1 %`` for a small one that is not 0."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def factor(number: float) -> str:
    """A coefficient such as alpha: ``1.15``."""
    return f"{number:.4g}"


def growth(ratio: float) -> str:
    """How many times the base's FLOPs: ``2.02x``."""
    return f"{ratio:.2f}x"


def listing(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def plural(number: int, noun: str) -> str:
    """``1 network``, ``2 networks``."""
    return f"{number} {noun}{'s' * (number != 1)}"
