"""The reward: accuracy against cost, MnasNet's trade-off with FLOPs in place of latency."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from search_spaces.limits import MOST_FLOPS
from search_spaces.rules import AtMost, Number, OneOf, validated

EXPONENTS = {"soft": -0.07, "hard": -1.0, "abs": -0.07}
"""The kinds of reward and their default exponents."""
STEEPEST = 10
"""The largest exponent, up or down: beyond it, rewards leave the range of floating point."""


@validated
class Objective:
    """``objective(accuracy, flops)`` is the reward of a network; x is its FLOPs / ``target_flops``.

    soft: ``accuracy * x ** exponent``. -0.07 lets twice the cost pay for about 5 % relative accuracy.
    hard: ``accuracy * max(x, 1) ** exponent``: cost is free up to the target; MnasNet's -1 applies above it.
    abs:  ``accuracy + exponent * |x - 1|``: pulls towards the target from both sides.

    Args:
        target_flops: T, multiply-adds of one image.
        exponent: w (the factor beta in ``abs``); None takes the default of ``kind``: -0.07, -1 or -0.07.
        kind: ``soft``, ``hard`` or ``abs``.

    Source: Tan et al. 2019, arXiv:1807.11626, eq. 2-3 (soft, hard); Bender et al. 2020,
    arXiv:2008.06120, sec. 3 (abs).
    """

    target_flops: Annotated[Number, Field(gt=0, lt=math.inf), AtMost(MOST_FLOPS)]
    exponent: float | None = None
    kind: Annotated[str, OneOf(tuple(EXPONENTS)), Field(title="reward")] = "soft"

    def __post_init__(self) -> None:
        if self.target_flops < 1:  # the smallest network has more, and rewards stay finite
            raise ValueError(f"target_flops must be at least 1, got {self.target_flops:g}")
        if self.exponent is None:
            object.__setattr__(self, "exponent", EXPONENTS[self.kind])
        elif abs(self.exponent) > STEEPEST:
            raise ValueError(f"exponent must lie in [-{STEEPEST}, {STEEPEST}], got {self.exponent:g}")

    def rewards(self, accuracies: NDArray[np.float64], flops: NDArray[np.float64]) -> NDArray[np.float64]:
        """``self(accuracy, flops)`` for arrays that broadcast; estimates may lie a little outside [0, 1]."""
        assert self.exponent is not None
        ratio = np.asarray(flops, float) / self.target_flops
        if self.kind == "abs":
            return accuracies + self.exponent * np.abs(ratio - 1)
        factor = np.maximum(ratio, 1.0) if self.kind == "hard" else ratio
        return np.asarray(accuracies * factor**self.exponent)

    def __call__(self, accuracy: float, flops: float) -> float:
        """The reward of a network with ``accuracy`` in [0, 1] and ``flops`` > 0.

        Raises:
            ValueError: if ``accuracy`` or ``flops`` is out of range.
        """
        if not 0 <= accuracy <= 1:
            raise ValueError(f"accuracy must lie in [0, 1], got {accuracy}")
        if not flops > 0:
            raise ValueError(f"flops must be positive, got {flops}")
        assert self.exponent is not None
        ratio = flops / self.target_flops
        if self.kind == "abs":
            return accuracy + self.exponent * abs(ratio - 1)
        return float(accuracy * (max(ratio, 1.0) if self.kind == "hard" else ratio) ** self.exponent)
