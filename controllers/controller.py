"""What a controller is: it proposes actions, is told rewards, and can be saved and restored."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from search_spaces import Actions, Cost, SearchSpace

Objective = Callable[[Any, Any], Any]
"""(accuracy, flops) -> reward; with measures, (accuracies `[N]`, costs `[N]` by name) -> rewards `[N]`."""
Price = Callable[[Actions], Cost]
"""The exact cost of a network, known before it is trained."""
Measure = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""A further cost, such as latency, predicted before training: actions `[N, D]` -> `[N]`, positive."""


class Controller(Protocol):
    """An optimiser over categorical decisions.

    Any number of asks may be pending, and results may come in any order, late, or never. The same
    seed and the same sequence of calls give the same asks, in any process.
    """

    def ask(self) -> Actions:
        """The next actions to try."""

    def tell(self, actions: Actions, reward: float | None) -> None:
        """The result of one trial; None if it failed.

        Actions that were never asked are welcome (a warm start). If the same actions are pending
        several times, each tell answers the oldest of these asks.

        Raises:
            ValueError: if the space does not have ``actions``, or ``reward`` is not finite.
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything that later asks depend on: plain values and numpy arrays, safe to pickle."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly as the controller that saved ``state``, whatever the seed of this one.

        Raises:
            ValueError: if that was another kind of controller, or had another space or other settings.
        """


@runtime_checkable
class Observer(Protocol):
    """A controller that also learns costs which only a trial shows."""

    def observe(self, actions: Actions, costs: Mapping[str, float]) -> None:
        """What was measured of a trial, by name; told before its reward."""


def checked_reward(reward: float | None) -> float | None:
    """``reward`` as a float, or None; ValueError if it is not finite: a diverged trial is told as None."""
    if reward is None:
        return None
    if not math.isfinite(reward):
        raise ValueError(f"reward must be finite, or None for a failed trial, got {reward!r}")
    return float(reward)


def identity(name: str, space: SearchSpace, settings: Any = None) -> dict[str, Any]:
    """What a saved state and the controller that loads it must have in common; ``settings``: a dataclass."""
    return {
        "controller": name,
        "space": space.name,
        "decisions": [[decision.name, len(decision.choices)] for decision in space.decisions],
        "settings": dataclasses.asdict(settings) if settings else {},
    }


def check_identity(own: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Raises a ValueError that names the first part of ``identity`` in which ``state`` differs."""
    for key, value in own.items():
        if state.get(key) != value:
            raise ValueError(f"the state to load must have {key} {value!r}, got {state.get(key)!r}")
