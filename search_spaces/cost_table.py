"""Costs, or any sum over stages, of many networks at once, from their actions, without building their specs.

What a stage adds depends only on its own choices and on its input channels, and a slot has few of either:
``StageTable`` computes each pair once, and then only adds entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.arch import StageSpec
from search_spaces.cost import head_cost, stage_cost, stem_cost
from search_spaces.space import SearchSpace

Values = NDArray[Any]
StageValues = Callable[[int, StageSpec, int, int], ArrayLike]
"""What a stage adds `[V]`: from the number of its slot, itself, its input channels and its input's side."""
HeadValues = Callable[[int, int], ArrayLike]
"""What the head adds `[V]`: from its input channels and its input's side."""


class StageTable:
    """Sums over the stages of the networks of a matrix of actions of a staged space.

    N: networks, D: decisions, C: input channels that a slot may have, K: combinations of its choices,
    V: values that are summed.

    Args:
        start: `[V]`, what all networks have.

    Raises:
        ValueError: if there are no slots, networks differ in resolution, or a slot's stages in stride.
    """

    def __init__(
        self, space: SearchSpace, start: ArrayLike, stage_values: StageValues, head: HeadValues
    ) -> None:
        if not space.slots:
            raise ValueError(f"space {space.name!r} is not built slot by slot")
        if space.resolutions:
            raise ValueError(f"space {space.name!r} must have one resolution, got {space.resolutions}")
        arch = space.first
        *_, size = stem_cost(arch)
        self.space = space
        self.start = np.asarray(start)  # [V]
        channels = [arch.stem_channels]  # possible inputs of the current slot
        self.slots: list[tuple[NDArray[np.int64], Values, NDArray[np.int64]]] = []
        for number, slot in enumerate(space.slots):
            outputs = sorted(
                {stage.channels if stage else c for stage in slot.stages.values() for c in channels}
            )
            shape = (len(channels), len(slot.stages))
            values = np.zeros((*shape, len(self.start)), self.start.dtype)  # [C, K, V]
            follows = np.zeros(shape, np.int64)  # [C, K]: index into ``outputs``
            sizes = set()
            for c, in_channels in enumerate(channels):
                for k, stage in enumerate(slot.stages.values()):
                    if stage:
                        values[c, k] = stage_values(number, stage, in_channels, size)
                    follows[c, k] = outputs.index(stage.channels if stage else in_channels)
                    sizes.add(-(-size // stage.stride) if stage else size)
            if len(sizes) > 1:
                raise ValueError(
                    f"the stages of a slot must have one stride, got output sides {sorted(sizes)}"
                )
            radix = np.cumprod([1, *(len(d.choices) for d in slot.decisions[:0:-1])])[::-1]
            self.slots.append((radix, values, follows))
            channels, size = outputs, sizes.pop()
        self.head = np.array([head(c, size) for c in channels])  # [C, V]

    def __call__(self, actions: ArrayLike) -> Values:
        """Sums `[N, V]` of ``actions`` `[N, D]`.

        Raises:
            ValueError: if ``actions`` is not a matrix of valid indices.
        """
        matrix = checked_matrix(self.space, actions)
        total = np.repeat(self.start[None], len(matrix), axis=0)  # [N, V]
        entering = np.zeros(len(matrix), np.int64)  # [N]: index of the current slot's input channels
        start = 0
        for radix, values, follows in self.slots:
            combination = matrix[:, start : start + len(radix)] @ radix  # [N]
            total += values[entering, combination]
            entering = follows[entering, combination]
            start += len(radix)
        total += self.head[entering]
        return total


class CostTable:
    """Costs `[N, 3]` (flops, params, activations) of ``actions`` `[N, D]`. Errors as ``StageTable``."""

    def __init__(self, space: SearchSpace, num_classes: int | None = None) -> None:
        classes = space.num_classes if num_classes is None else num_classes
        sizes = [space.of_resolution(choice) for choice in range(len(space.resolutions))]
        self.space = space
        self.tables = [_costs(one, classes) for one in sizes or [space]]

    def __call__(self, actions: ArrayLike) -> NDArray[np.int64]:
        if not self.space.resolutions:
            return self.tables[0](actions)
        matrix = checked_matrix(self.space, actions)  # the first decision is the resolution
        total = np.zeros((len(matrix), 3), np.int64)
        for choice, table in enumerate(self.tables):
            chosen = matrix[:, 0] == choice
            total[chosen] = table(matrix[chosen, 1:])
        return total


def _costs(space: SearchSpace, num_classes: int) -> StageTable:
    """The costs of networks of one resolution."""
    arch = space.first
    return StageTable(
        space,
        np.array(stem_cost(arch)[:3]),
        lambda _slot, stage, in_channels, size: stage_cost(stage, in_channels, size)[:3],
        lambda in_channels, size: head_cost(arch, in_channels, size, num_classes),
    )


def checked_matrix(space: SearchSpace, actions: ArrayLike) -> NDArray[np.int64]:
    """``actions`` as a matrix `[N, D]`; ValueError if it is none of valid indices."""
    matrix = np.asarray(actions)
    limits = [len(decision.choices) for decision in space.decisions]
    fits = matrix.dtype.kind in "iu" and matrix.ndim == 2 and matrix.shape[1] == len(limits)
    if not fits or (matrix < 0).any() or (matrix >= limits).any():
        raise ValueError(
            f"actions must be a matrix [N, {len(limits)}] of indices below {limits}, "
            f"got {matrix.dtype} of shape {matrix.shape}"
        )
    return matrix.astype(np.int64, copy=False)  # unsigned times signed would be float
