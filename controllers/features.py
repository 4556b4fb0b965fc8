"""Networks as numbers for a model of accuracy to learn from: their decisions and their exact costs.

N: networks, D: decisions, F: features, G: groups of features, one per decision and one per cost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from controllers.controller import Price
from search_spaces import Decision, SearchSpace
from search_spaces.cost_table import CostTable

Matrix = NDArray[np.float64]
Networks = NDArray[np.int64]
"""Actions of several networks, `[N, D]`."""
SAMPLES = 512
"""Random networks that set the scale of the costs."""
ORDER = 0.75
"""Share of a numeric choice's rank in the product of two choices; the rest only tells equal from unequal."""


class Features:
    """Actions `[N, D]` to features `[N, F]` and FLOPs `[N]`; without prices, FLOPs are 1.

    The C choices of a decision become the corners of a regular simplex around zero: the product of a choice
    with itself is C - 1 and with any other -1, so all are treated alike and random networks have mean zero.
    If the choices are three or more numbers, most of that product comes from their ranks, so that neighbours
    are similar. FLOPs, parameters and activations enter as logarithms, scaled to zero mean and unit variance
    over random networks.

    Attributes:
        groups: the group of every feature, `[F]`.

    Args:
        space: whose decisions are encoded.
        price: actions -> their cost; None leaves the costs out.
    """

    def __init__(self, space: SearchSpace, price: Price | None) -> None:
        self.choices = np.array([len(decision.choices) for decision in space.decisions])
        self._codes = [_code(decision) for decision in space.decisions]
        self._costs = None if price is None else _cost_function(space, price, self.choices)
        groups = np.repeat(np.arange(len(self.choices)), [code.shape[1] for code in self._codes])
        if self._costs is not None:
            logs = np.log(self._costs(random_networks(self.choices, SAMPLES)))
            self._mean, self._scale = logs.mean(axis=0), np.maximum(logs.std(axis=0), 1e-6)
            groups = np.concatenate([groups, len(self.choices) + np.arange(3)])
        self.groups = groups

    def __call__(self, actions: Networks) -> tuple[Matrix, Matrix]:
        columns = [code[actions[:, d]] for d, code in enumerate(self._codes)]
        if self._costs is None:
            return np.concatenate(columns, axis=1), np.ones(len(actions))
        costs = self._costs(actions)
        columns.append((np.log(costs) - self._mean) / self._scale)
        return np.concatenate(columns, axis=1), costs[:, 0]


def _code(decision: Decision) -> Matrix:
    """A row per choice: `[C, C]`, or `[C, C + 1]` if they have an order; 0 for a single choice."""
    count = len(decision.choices)
    corners = np.sqrt(count) * (np.eye(count) - 1 / count)
    if count < 3 or not all(isinstance(choice, int | float) for choice in decision.choices):
        return np.asarray(corners)
    ranks = np.argsort(np.argsort(decision.choices)) - (count - 1) / 2
    order = np.sqrt(count - 1) * ranks / ranks.std()
    return np.column_stack([np.sqrt(1 - ORDER) * corners, np.sqrt(ORDER) * order])


def random_networks(choices: NDArray[np.int64], count: int) -> Networks:
    """The same ``count`` networks at every call, `[N, D]`; ``choices``: how many each decision has."""
    return np.random.default_rng(0).integers(choices, size=(count, len(choices)))


def _cost_function(space: SearchSpace, price: Price, choices: Networks) -> Callable[[Networks], Matrix]:
    """FLOPs, parameters and activations `[N, 3]`, at least 1 each, of actions `[N, D]`.

    A ``CostTable`` is about a thousand times faster than ``price``. It is used if, on 32 random networks,
    the two differ by a constant at most (the classifier's cost depends on the number of classes).
    """
    memory: dict[bytes, tuple[int, int, int]] = {}

    def asked(actions: Networks) -> Matrix:
        costs = np.empty((len(actions), 3))
        for row, taken in enumerate(actions):
            key = taken.tobytes()
            if key not in memory:
                if len(memory) > 100_000:
                    memory.clear()
                memory[key] = tuple(price(tuple(taken.tolist()))[:3])  # type: ignore[assignment]
            costs[row] = memory[key]
        return np.maximum(costs, 1.0)

    if not space.slots:
        return asked
    table = CostTable(space)
    some = random_networks(choices, 32)
    offsets = asked(some) - table(some)
    if np.ptp(offsets, axis=0).any():
        return asked
    return lambda actions: np.maximum(table(actions) + offsets[0], 1.0)
