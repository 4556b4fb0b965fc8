"""What makes a trial short: the proxy task and its recipe, as frozen data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from search_spaces import ArchSpec, resize


@dataclass(frozen=True)
class Proxy:
    """What makes a trial short, and its recipe; the defaults are measured (``benchmarks/proxy.py``, LOG.md).

    Args:
        resolution: side of the images, in pixels.
        width: factor on every channel count of the searched network.
        divisor: of the channel counts after that. A small one gives wider networks the compute that they
            are due, as a comparison of scaled networks must.
        epochs: passes over the training part.
        fraction: of the training images, the first ones.
        batch_size: images per step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: decoupled, on weights of two or more dimensions.
        warmup: share of the steps with a rising learning rate.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    resolution: int = 32
    width: float = 0.25
    divisor: int = 8
    epochs: int = 4
    fraction: float = 1.0
    batch_size: int = 128
    learning_rate: float = 0.01
    weight_decay: float = 0.05
    warmup: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("resolution", 8), ("divisor", 1), ("epochs", 1), ("batch_size", 2)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
        for name, holds, rule in (
            ("width", 0 < self.width < math.inf, "positive"),
            ("fraction", 0 < self.fraction <= 1, "in (0, 1]"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "positive"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("warmup", 0 <= self.warmup < 1, "in [0, 1)"),
        ):
            if not holds:
                raise ValueError(f"{name} must be {rule}, got {getattr(self, name)!r}")

    def shrink(self, arch: ArchSpec, reference: int | None = None) -> ArchSpec:
        """The network that is trained in place of ``arch``.

        Args:
            reference: the resolution that ``self.resolution`` stands for, in pixels: larger networks are
                trained on images as much larger. None takes that of ``arch``.
        """
        resolution = round(self.resolution * arch.resolution / (reference or arch.resolution))
        return resize(arch, self.width, resolution=max(1, resolution), divisor=self.divisor)
