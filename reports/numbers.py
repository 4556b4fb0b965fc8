"""Numbers in words."""

from __future__ import annotations

import pandas as pd


def duration(seconds: float) -> str:
    """``5025`` as ``1 h 24 min``."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds < 600 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def count(number: float) -> str:
    """``385814752`` as ``386M``, three digits."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * scale:
            value = number / scale
            return f"{value:.{max(0, 3 - len(str(int(value + 0.0005))))}f}{unit}"
    return f"{number:.0f}"


def plus_minus(value: float, error: float | None) -> str:
    """``0.9459 ±0.0121``, without the error if it is not known."""
    return f"{value:.4f}" + ("" if error is None or pd.isna(error) else f" ±{error:.4f}")


def percent(chance: float) -> str:
    """A probability in whole percent."""
    return "<1%" if 0 < chance < 0.005 else f"{chance:.0%}"
