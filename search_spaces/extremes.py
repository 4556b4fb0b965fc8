"""The cheapest and the most expensive network of a staged space, exactly."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

from search_spaces.arch import StageSpec
from search_spaces.cost import head_cost, stage_cost, stem_cost
from search_spaces.space import Actions, SearchSpace, Slot


class Priced(NamedTuple):
    """FLOPs, and the actions whose network has them; Python's integers, so nothing is too large."""

    flops: int
    actions: Actions


def extremes(space: SearchSpace) -> tuple[Priced, Priced]:
    """The networks with the fewest and with the most FLOPs, at ``space.num_classes``.

    A stage's cost depends on its own choices and its input channels alone, so the best way to every width is
    kept from slot to slot.

    Raises:
        ValueError: if the space has no slots.
    """
    if not space.slots:
        raise ValueError(f"space {space.name!r} is not built slot by slot")
    if not space.resolutions:
        return _extreme(space, min), _extreme(space, max)
    ordered = sorted(range(len(space.resolutions)), key=space.resolutions.__getitem__)
    least, most = ordered[0], ordered[-1]
    fewest, greatest = _extreme(space.of_resolution(least), min), _extreme(space.of_resolution(most), max)
    return (
        fewest._replace(actions=(least, *fewest.actions)),
        greatest._replace(actions=(most, *greatest.actions)),
    )


def widths(space: SearchSpace) -> list[int]:
    """How many different input channels each slot may have."""
    found, counts = {-1}, []  # -1: those of the stem
    for slot in space.slots:
        counts.append(len(found))
        outputs = {stage.channels for stage in slot.stages.values() if stage}
        found = outputs | (found if None in slot.stages.values() else set())
    return counts


def _extreme(space: SearchSpace, best: Callable[..., Priced]) -> Priced:
    arch = space.first
    flops, _, _, size = stem_cost(arch, space.in_channels)
    ways = {arch.stem_channels: Priced(flops, ())}
    for slot in space.slots:
        found: dict[int, list[Priced]] = {}
        stages = _distinct(slot)
        for (channels, way), (stage, actions) in itertools.product(ways.items(), stages.items()):
            added = stage_cost(stage, channels, size)[0] if stage else 0
            priced = Priced(way.flops + added, way.actions + actions)
            found.setdefault(stage.channels if stage else channels, []).append(priced)
        ways = {channels: best(some) for channels, some in found.items()}
        size = -(-size // max(stage.stride if stage else 1 for stage in stages))
    heads = (
        Priced(way.flops + head_cost(arch, channels, size, space.num_classes)[0], way.actions)
        for channels, way in ways.items()
    )
    return best(heads)


def _distinct(slot: Slot) -> dict[StageSpec | None, Actions]:
    """The different stages of a slot, each with its first actions."""
    found: dict[StageSpec | None, Actions] = {}
    for actions, stage in slot.stages.items():
        found.setdefault(stage, actions)
    return found
