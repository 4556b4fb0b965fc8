"""The networks around a given one: layers and channels of each stage, one step up or down.

It asks what a way to build a network left on the table, such as uniform scaling: with seven stages, 9^7
networks that differ from the given one by at most a layer and a step of channels in each stage.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from search_spaces.arch import ArchSpec, StageSpec
from search_spaces.rounding import round_channels
from search_spaces.space import Choice, SearchSpace
from search_spaces.stages import SpaceForm, space_from, stage_form

AROUND = "around:"
"""Begins the name of such a space; the network follows, as text."""
STEP = 0.125
"""Of the channels, and at least 8 of them."""


def around(arch: ArchSpec) -> SearchSpace:
    """The space of the networks around ``arch``, itself among them."""
    stages = [
        stage_form(f"stage{number}", stage.stride, _options(stage))
        for number, stage in enumerate(arch.stages, 1)
    ]
    skeleton: dict[str, Any] = {one.name: getattr(arch, one.name) for one in dataclasses.fields(arch)}
    del skeleton["stages"]
    return space_from(SpaceForm(f"{AROUND}{arch}", skeleton, tuple(stages)))


def _options(stage: StageSpec) -> dict[str, Choice | tuple[Choice, ...]]:
    """The fields of ``stage``, with layers and channels to choose."""
    fixed = {name: getattr(stage, name) for name in ("op", "kernel", "expand_ratio", "se_ratio", "skip")}
    layers = tuple(sorted({max(1, stage.repeats - 1), stage.repeats, stage.repeats + 1}))
    return {**fixed, "layers": layers, "channels": _channels(stage.channels)}


def _channels(own: int) -> tuple[int, ...]:
    """One step below ``own``, itself, and one above."""
    step = max(8, round_channels(STEP * own))
    return tuple(sorted({max(8, own - step), own, own + step}))
