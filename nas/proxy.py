"""What makes a trial short: the proxy task and its recipe, as frozen data."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Proxy:
    """What makes a trial short, and its recipe; the defaults are measured (``benchmarks/proxy.py``).

    Args:
        resolution: side of the images, in pixels.
        width: factor on every channel count of the searched network.
        epochs: passes over the training part.
        fraction: of the training images, the first ones.
        batch_size: images per step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: decoupled, on weights of two or more dimensions.
        warmup: share of the steps with a rising learning rate.
        label_smoothing: of the training loss.
        ema: decay of the averaged weights per step, 0 for none.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    resolution: int = 32
    width: float = 0.25
    epochs: int = 3
    fraction: float = 1.0
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.2
    label_smoothing: float = 0.0
    ema: float = 0.0

    def __post_init__(self) -> None:
        for name in ("resolution", "epochs"):
            self._require(
                name, type(getattr(self, name)) is int and getattr(self, name) >= 1, "an integer >= 1"
            )
        self._require("batch_size", type(self.batch_size) is int and self.batch_size >= 2, "an integer >= 2")
        for name in ("width", "learning_rate"):
            self._require(name, 0 < getattr(self, name) < math.inf, "positive")
        self._require("fraction", 0 < self.fraction <= 1, "in (0, 1]")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more")
        for name in ("warmup", "label_smoothing", "ema"):
            self._require(name, 0 <= getattr(self, name) < 1, "in [0, 1)")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"{name} must be {rule}, got {getattr(self, name)!r}")
