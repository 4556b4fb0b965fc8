"""A network made as cheap as asked in the plainest way: fewer channels in every stage."""

from __future__ import annotations

import dataclasses

from search_spaces.arch import ArchSpec
from search_spaces.cost import cost
from search_spaces.presets import resize

WIDTHS = [width / 100 for width in range(5, 100)]


def narrowed(arch: ArchSpec, flops: float, num_classes: int = 1000) -> tuple[float, ArchSpec]:
    """The width and the network of ``arch``'s layers whose FLOPs are nearest to ``flops``.

    Stem and head are not scaled, as in EfficientNet-Lite's family.

    Args:
        num_classes: of the task; FLOPs include that classifier.
    """

    def at(width: float) -> ArchSpec:
        return dataclasses.replace(arch, stages=resize(arch, width).stages)

    width = min(WIDTHS, key=lambda width: abs(cost(at(width), num_classes).flops - flops))
    return width, at(width)
