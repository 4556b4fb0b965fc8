"""The networks around a given one: layers and channels of each stage, one step up or down.

It asks what a way to build a network left on the table, such as uniform scaling: with seven stages, 9^7
networks that differ from the given one by at most a layer and a step of channels in each stage.
"""

from __future__ import annotations

import dataclasses
from functools import partial

from search_spaces.arch import ArchSpec, StageSpec, round_channels
from search_spaces.space import Decision, SearchSpace, Slot, staged

AROUND = "around:"
"""Begins the name of such a space; the network follows, as text."""
STEP = 0.125
"""Of the channels, and at least 8 of them."""


def around(arch: ArchSpec) -> SearchSpace:
    """The space of the networks around ``arch``, itself among them."""
    slots = []
    for number, stage in enumerate(arch.stages, 1):
        layers = tuple(sorted({max(1, stage.repeats - 1), stage.repeats, stage.repeats + 1}))
        decisions = (
            Decision(f"stage{number}_layers", layers),
            Decision(f"stage{number}_channels", _channels(stage.channels)),
        )
        slots.append(Slot(decisions, partial(_stage, stage)))
    return staged(f"{AROUND}{arch}", slots, partial(_frame, arch))


def _channels(own: int) -> tuple[int, ...]:
    """One step below ``own``, itself, and one above."""
    step = max(8, round_channels(STEP * own))
    return tuple(sorted({max(8, own - step), own, own + step}))


def _stage(stage: StageSpec, layers: int, channels: int) -> StageSpec:
    return dataclasses.replace(stage, repeats=layers, channels=channels)


def _frame(arch: ArchSpec, stages: tuple[StageSpec, ...]) -> ArchSpec:
    return dataclasses.replace(arch, stages=stages)
