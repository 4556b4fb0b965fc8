"""How a scaled number of channels or layers becomes a whole one."""

from __future__ import annotations

import math


def round_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` nearest to ``channels`` (halves up), never more than 10 % below it.

    Source: tensorflow/tpu, efficientnet_model.py, ``round_filters``.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def round_repeats(repeats: float) -> int:
    """``ceil(repeats)``, except that rounding errors do not count: ``50 * 1.1``, 55.00000000000001, gives 55.

    Source: tensorflow/tpu, efficientnet_model.py, ``round_repeats``.
    """
    return math.ceil(repeats - 1e-9)
