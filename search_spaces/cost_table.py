"""Costs of many networks at once, from their actions, without building their specs.

A stage's cost depends only on its own choices and on its input channels, and a slot has few of
either: ``CostTable`` computes each pair once, by ``search_spaces.cost``, and then only adds entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from search_spaces.cost import head_cost, stage_cost, stem_cost
from search_spaces.space import SearchSpace


class CostTable:
    """Costs of a matrix of actions of a staged space.

    N: networks, D: decisions, C: input channels that a slot may have, K: combinations of its choices.

    Raises:
        ValueError: if the space has no slots, or a slot's stages differ in stride.
    """

    def __init__(self, space: SearchSpace, num_classes: int | None = None) -> None:
        if not space.slots:
            raise ValueError(f"space {space.name!r} is not built slot by slot")
        self.space = space
        self.sizes = [CostTable(space.of_resolution(i), num_classes) for i in range(len(space.resolutions))]
        if self.sizes:
            return
        arch = space.decode([0] * len(space.decisions))
        *stem, size = stem_cost(arch)
        self.stem = np.array(stem)  # [3]: flops, params, activations
        channels = [arch.stem_channels]  # possible inputs of the current slot
        self.slots: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
        for slot in space.slots:
            outputs = sorted(
                {stage.channels if stage else c for stage in slot.stages.values() for c in channels}
            )
            costs = np.zeros((len(channels), len(slot.stages), 3), np.int64)  # [C, K, 3]
            follows = np.zeros((len(channels), len(slot.stages)), np.int64)  # [C, K]: index into ``outputs``
            sizes = set()
            for c, in_channels in enumerate(channels):
                for k, stage in enumerate(slot.stages.values()):
                    out = size
                    if stage:
                        *costs[c, k], out = stage_cost(stage, in_channels, size)
                    follows[c, k] = outputs.index(stage.channels if stage else in_channels)
                    sizes.add(out)
            if len(sizes) > 1:
                raise ValueError(
                    f"the stages of a slot must have one stride, got output sides {sorted(sizes)}"
                )
            radix = np.cumprod([1, *(len(d.choices) for d in slot.decisions[:0:-1])])[::-1]
            self.slots.append((radix, costs, follows))
            channels, size = outputs, sizes.pop()
        classes = space.num_classes if num_classes is None else num_classes
        self.head = np.array([head_cost(arch, c, size, classes) for c in channels])  # [C, 3]

    def __call__(self, actions: ArrayLike) -> NDArray[np.int64]:
        """Costs ``[N, 3]`` (flops, params, activations) of ``actions`` ``[N, D]``.

        Raises:
            ValueError: if ``actions`` is not a matrix of valid indices.
        """
        matrix = np.asarray(actions)
        limits = [len(decision.choices) for decision in self.space.decisions]
        fits = matrix.dtype.kind in "iu" and matrix.ndim == 2 and matrix.shape[1] == len(limits)
        if not fits or (matrix < 0).any() or (matrix >= limits).any():
            raise ValueError(
                f"actions must be a matrix [N, {len(limits)}] of indices below {limits}, "
                f"got {matrix.dtype} of shape {matrix.shape}"
            )
        matrix = matrix.astype(np.int64, copy=False)  # unsigned times signed would be float
        if self.sizes:
            total = np.zeros((len(matrix), 3), np.int64)
            for choice, table in enumerate(self.sizes):
                total[matrix[:, 0] == choice] = table(matrix[matrix[:, 0] == choice, 1:])
            return total
        total = np.repeat(self.stem[None], len(matrix), axis=0)  # [N, 3]
        entering = np.zeros(len(matrix), np.int64)  # [N]: index of the current slot's input channels
        start = 0
        for radix, costs, follows in self.slots:
            combination = matrix[:, start : start + len(radix)] @ radix  # [N]
            total += costs[entering, combination]
            entering = follows[entering, combination]
            start += len(radix)
        total += self.head[entering]
        return total
