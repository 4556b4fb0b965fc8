"""Costs of networks beyond the formulas: where latency and other columns come from before a trial.

    Measures = {"latency": archs -> milliseconds, ...}

A measure is any callable from networks to positive numbers; NaN says that a network has none. The loop asks
it for one network at a time, and a controller, through ``of_actions``, for many.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from search_spaces import ArchSpec, Built, Cost, SearchSpace
from search_spaces.cost_table import CostTable

Measure = Callable[[Sequence[ArchSpec]], NDArray[np.float64]]
"""Networks, N of them -> what each costs, `[N]`."""
Measures = Mapping[str, Measure]
NONE: Measures = MappingProxyType({})
MOST_KEPT = 200_000
"""Networks whose costs a controller keeps."""


def of_actions(space: SearchSpace, measure: Measure) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """A measure of actions `[N, D]` of ``space``; every network is measured once.

    A measure that has ``of_actions`` itself is asked for what is new by that, without decoding.
    """
    direct = getattr(measure, "of_actions", None)
    memory: dict[bytes, float] = {}

    def measured(actions: NDArray[np.int64]) -> NDArray[np.float64]:
        keys = [row.tobytes() for row in actions]
        new = {key: row for key, row in zip(keys, actions.tolist(), strict=True) if key not in memory}
        if new:
            if len(memory) > MOST_KEPT:
                memory.clear()
                return measured(actions)
            if direct is not None:
                found = direct(np.array([*new.values()]))
            else:
                found = measure([space.decode(tuple(row)) for row in new.values()])
            memory.update(zip(new, np.asarray(found, float).tolist(), strict=True))
        return np.array([memory[key] for key in keys])

    return measured


def known_cost(space: SearchSpace, name: str) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """A field of ``Cost`` as a measure of actions `[N, D]`."""
    column = Cost._fields.index(name)
    if space.slots and space.in_channels == 3 and space.cost is None:
        table = CostTable(space)
        return lambda actions: table(actions)[:, column].astype(float)

    return of_actions(space, functools.partial(priced_by, space, name))


def priced_by(space: SearchSpace, name: str, archs: Sequence[Built]) -> NDArray[np.float64]:
    """A cost that the space knows of its networks; NaN of those of which it does not."""
    return np.array([space.price(arch).get(name, np.nan) for arch in archs], float)


def measured(measures: Measures, arch: Built) -> dict[str, float]:
    """What one network costs, by name."""
    return {name: float(measure([arch])[0]) for name, measure in measures.items()}
