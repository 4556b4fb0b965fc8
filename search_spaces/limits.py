"""How large a network may be, and how a wrong value is shown.

The limits are far beyond any published network, and small enough for every cost to be a 64-bit integer.
"""

from __future__ import annotations

MOST_PIXELS = 8192
MOST_CHANNELS = 65_536
MOST_EXPAND = 64
MOST_LAYERS = 10_000
MOST_FLOPS = 10**18
MOST_CLASSES = 10**7
MOST_TEXT = 1_000_000
"""Characters of an architecture's text, more than the most layers need."""
MOST_SHOWN = 300
"""Characters of a wrong value that a message repeats."""


def require(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """ValueError unless ``value`` is one of ``allowed``, and of their type."""
    if value not in allowed or type(value) is not type(allowed[0]):  # 3.0 and True equal 3 and 1
        raise ValueError(f"{name} must be one of {allowed}, got {shown(value)}")


def require_size(name: str, value: object, most: int) -> None:
    """ValueError unless ``value`` is an integer from 1 to ``most``."""
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {shown(value)}")
    if value > most:
        raise ValueError(f"{name} must be at most {most:,}, got {shown(value)}")


def shown(value: object) -> str:
    """``repr(value)`` for a message: in one line, and cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; lists nested as deep
        text = f"a very long {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
