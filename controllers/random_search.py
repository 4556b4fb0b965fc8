"""Uniform random search: the baseline that every controller must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from controllers.controller import check_identity, checked_reward, identity
from search_spaces import Actions, SearchSpace


class RandomSearch:
    """Draws every decision uniformly, whatever it is told."""

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        self.space = space
        self._rng = np.random.default_rng(seed)
        self._choices = np.array([len(decision.choices) for decision in space.decisions])

    def ask(self) -> Actions:
        return tuple(self._rng.integers(self._choices).tolist())

    def tell(self, actions: Actions, reward: float | None) -> None:
        self.space.check(actions)
        checked_reward(reward)

    def state_dict(self) -> dict[str, Any]:
        return {**identity("random", self.space), "rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check_identity(identity("random", self.space), state)
        self._rng.bit_generator.state = state["rng"]
