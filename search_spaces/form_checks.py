"""What a staged space that somebody wrote must fulfil: all actions give networks, and sizes are limited."""

from __future__ import annotations

import math
from typing import Any

from search_spaces.arch import OPS
from search_spaces.extremes import extremes, widths
from search_spaces.limits import MOST_FLOPS, MOST_LAYERS
from search_spaces.names import unknown
from search_spaces.space import SearchSpace, Slot
from search_spaces.stages import EXPANDING, FIELDS, SpaceForm, StageForm, expand_ratio_of, plain_name

MOST_CHOICES = 1000
MOST_COMBINATIONS = 10_000
"""Of the choices of a stage; its costs are tabulated."""
MOST_FACTOR = 100
MOST_PRICED = 300_000
"""Combinations times input channels, of all stages: seconds of tabulating."""


class FormError(ValueError):
    """A rule that is broken; ``place``: keys and indices that lead to the value, as in ``FieldError``."""

    def __init__(self, text: str, *place: int | str) -> None:
        super().__init__(text)
        self.place = place


def check_space(space: SearchSpace, form: SpaceForm) -> None:
    """FormError unless every action gives a network, and every decision makes a difference somewhere."""
    for number, (slot, stage) in enumerate(zip(space.slots, form.stages, strict=True)):
        try:
            _check_stage(slot, stage)
        except (ValueError, TypeError, KeyError) as error:
            text = str(error)
            if isinstance(error, KeyError):
                text = f"{error.args[0]} is missing"
            key = text.split()[0].replace("repeats", "layers")
            key = "op" if key == "unknown" else key
            key = {plain_name(stage.name, one): one for one in FIELDS}.get(key, key)
            raise FormError(text.replace("repeats must", "layers must", 1), "stage", number, key) from None
    if all(None in slot.stages.values() for slot in space.slots):
        raise FormError("layers must be at least 1 in one stage: without stages there is no network", "stage")
    priced = sum(len(slot.stages) * width for slot, width in zip(space.slots, widths(space), strict=True))
    if priced > MOST_PRICED:
        rule = f"at most {MOST_PRICED:,} combinations of choices and input channels"
        raise FormError(f"stages must have {rule}, got {priced:,}", "stage")
    layers = sum(max(one.repeats if one else 0 for one in slot.stages.values()) for slot in space.slots)
    if layers > MOST_LAYERS:
        raise FormError(f"stages must have at most {MOST_LAYERS:,} layers in all, got {layers:,}", "stage")
    try:
        _, most = extremes(space)
    except ValueError as error:  # of the skeleton
        raise FormError(str(error), str(error).split()[0]) from None
    if most.flops > MOST_FLOPS:
        raise FormError(f"stages must need at most {MOST_FLOPS:.0e} FLOPs, got {most.flops:.1e}", "stage")


def _check_stage(slot: Slot, stage: StageForm) -> None:
    """As ``check_space``, of one stage: raises what its values raise; for a missing field, a KeyError."""
    for one in stage.decisions:
        if not 0 < len(one.rows) <= MOST_CHOICES:
            raise ValueError(f"{one.name} must have 1 to {MOST_CHOICES} choices, got {len(one.rows)}")
    combinations = math.prod(len(decision.choices) for decision in slot.decisions)
    if combinations > MOST_COMBINATIONS:
        raise ValueError(
            f"choices must have at most {MOST_COMBINATIONS:,} combinations, got {combinations:,}"
        )
    values: dict[str, set[Any]] = {field: {value} for field, value in stage.fixed.items()}
    for row in (row for one in stage.decisions for row in one.rows):
        for field, value in row.sets.items():
            values.setdefault(field, set()).add(value)
    for factor in values.get("filters", ()):
        if not 0 < factor <= MOST_FACTOR:
            raise ValueError(f"filters must be positive and at most {MOST_FACTOR}, got {factor}")
    ops = sorted(values.get("op", ()))
    for op in ops:
        if op not in OPS and expand_ratio_of(op) is None:
            raise ValueError(unknown("op", op, (*OPS, f"{EXPANDING}3", f"{EXPANDING}6")))
    if stage.fixed.get("expand_ratio", 1) != 1 and EXPANDING not in ops:
        raise ValueError(
            f"expand_ratio must be left out where no op is mbconv, got {stage.fixed['expand_ratio']}"
        )
    stages = slot.stages
    if stage.stride != 1 and None in stages.values():
        raise ValueError(f"layers must be at least 1 where the stride is {stage.stride}, got 0")
    for place, decision in enumerate(slot.decisions):
        others: dict[tuple[int, ...], set[Any]] = {}
        for actions, built in stages.items():
            others.setdefault(actions[:place] + actions[place + 1 :], set()).add(built)
        if len(decision.choices) > 1 and all(len(found) == 1 for found in others.values()):
            raise ValueError(
                f"{decision.name} must make a difference, got choices that all give the same stages"
            )
