"""A network as an SVG drawing: one block per stage, from the image at the top to the classifier's input.

A block is as wide as its channels (on a log scale) and has one bar per layer; its colour shows the
operation. Colours and fonts are the page's, see ``page.css``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reports.page.markup import Html, join, tag
from reports.page.parts import key
from search_spaces import ArchSpec, StageSpec

WIDTH = 320
CENTRE, TEXT = 45, 100  # x of the middle of the bars, and of the beginning of the text
BAR, PITCH = 9, 11  # height of a layer, and distance from one layer to the next
MOST_BARS = 12
"""A stage is drawn with this many layers at most; its text has the number."""


@dataclass(frozen=True)
class Block:
    """One row of a drawing.

    Args:
        kind: its colour: ``end`` (stem, head), ``conv``, ``linear``, ``mb1``, ``mb3`` (MBConv with expansion
            2 to 4) or ``mb6`` (5 and more).
        name: operation, expansion and kernel, like ``MBConv6 5x5``.
        detail: sizes in pixels, channels, squeeze-and-excitation, skip.
        channels: outputs.
        layers: how often it is repeated.
    """

    kind: str
    name: str
    detail: str
    channels: int
    layers: int = 1

    @property
    def height(self) -> int:
        """In the drawing's units."""
        return max(38, PITCH * min(self.layers, MOST_BARS) + 12)


def blocks(arch: ArchSpec) -> list[Block]:
    """Stem, stages and head of ``arch``."""
    size = -(-arch.resolution // arch.stem_stride)
    stem = f"{_sizes(arch.resolution, size)} · {arch.stem_channels} ch · {arch.activation}"
    kernel = f"{arch.stem_kernel}×{arch.stem_kernel}"
    rows = [Block("end", f"Stem {kernel}", stem, arch.stem_channels)]
    if arch.stem_pool:
        before, size = size, -(-size // 2)
        rows.append(Block("end", "Max pooling 3×3", _sizes(before, size), arch.stem_channels))
    channels = arch.stem_channels
    for stage in arch.stages:
        rows.append(_stage_block(stage, channels, size))
        channels, size = stage.channels, -(-size // stage.stride)
    if not arch.head_channels:
        return [*rows, Block("end", "Classifier", f"{size} px · {channels} ch", channels)]
    head = f"{size} px · {arch.head_channels} ch"
    return [*rows, Block("end", "Head 1×1", head, arch.head_channels)]


KINDS = {"separable": "mb1", "bottleneck": "conv"}
"""The colours of ops that have none of their own."""


def _stage_block(stage: StageSpec, in_channels: int, size: int) -> Block:
    if stage.op == "mbconv":
        expand = stage.expand_ratio
        kind, op = f"mb{1 if expand == 1 else 3 if expand < 5 else 6}", f"MBConv{expand}"
    else:
        kind, op = KINDS.get(stage.op, stage.op), stage.op.capitalize()
    detail = [_sizes(size, -(-size // stage.stride)), f"{stage.channels} ch"]
    detail += [f"SE {stage.se_ratio:g}"] * bool(stage.se_ratio)
    detail += ["skip"] * any(layer.residual for layer in stage.layers(in_channels))
    name = f"{op} {stage.kernel}×{stage.kernel}"
    return Block(kind, name, " · ".join(detail), stage.channels, stage.repeats)


def _sizes(before: int, after: int) -> str:
    return f"{before} px" if before == after else f"{before} → {after} px"


def draw_block(block: Block) -> Html:
    """One block, with its upper edge at 0."""
    width = min(90.0, max(8.0, 11 * math.log2(block.channels) - 26))
    count = min(block.layers, MOST_BARS)
    top = (block.height - PITCH * count + PITCH - BAR) / 2
    left = f"{CENTRE - width / 2:.1f}"
    bars = [
        tag("rect", x=left, y=f"{top + PITCH * bar:g}", width=f"{width:.1f}", height=BAR, rx=2)
        for bar in range(count)
    ]
    flow = tag("line", x1=CENTRE, x2=CENTRE, y1=0, y2=block.height)
    middle = block.height / 2
    repeats = tag("tspan", f"  ×{block.layers}", class_="repeats") if block.layers > 1 else ""
    name = tag("text", block.name, repeats, x=TEXT, y=f"{middle - 3:g}", class_="name")
    detail = tag("text", block.detail, x=TEXT, y=f"{middle + 11:g}", class_="detail")
    return tag("g", flow, *bars, name, detail, class_=f"block {block.kind}")


def draw(rows: Iterable[Block], label: str) -> Html:
    """The drawing of a network's ``blocks``; ``label`` describes it to a screen reader."""
    height, groups = 0, []
    for block in rows:
        groups.append(tag("g", draw_block(block), transform=f"translate(0 {height})"))
        height += block.height
    box = f"0 0 {WIDTH} {height}"
    return tag("svg", *groups, viewBox=box, class_="drawing", role="img", aria_label=label)


def define(rows: Iterable[Block]) -> Html:
    """The blocks as definitions ``block-0``, ``block-1``, ..., from which a script can stack a drawing."""
    groups = (tag("g", draw_block(block), id=f"block-{number}") for number, block in enumerate(rows))
    return tag("svg", tag("defs", *groups), class_="definitions", aria_hidden="true")


LEGEND = join(
    key("conv", "convolution"),
    key("linear", "convolution without activation"),
    key("mb1", "MBConv, expansion 1"),
    key("mb3", "expansion 2 to 4"),
    key("mb6", "expansion 5 and more"),
)
