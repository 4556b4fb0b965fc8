"""Regularised evolution: tournament, one mutation, and the oldest dies, however good it was.

Source: Real et al. 2019, arXiv:1802.01548, algorithm 1.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from controllers.controller import check_identity, checked_reward, identity
from controllers.settings import EvolutionSettings
from search_spaces import Actions, SearchSpace


class RegularizedEvolution:
    """Random until the population, pending trials included, is full; then mutants of tournament winners.

    A network joins the population when its reward is told and dies when ``population`` younger
    ones have joined. A failed trial never joins; actions told but never asked do.
    """

    def __init__(self, space: SearchSpace, settings: EvolutionSettings, seed: int = 0) -> None:
        self.space = space
        self.settings = settings
        self._identity = identity("evolution", space, settings)
        self._rng = np.random.default_rng(seed)
        self._choices = np.array([len(decision.choices) for decision in space.decisions])
        self._mutable = np.flatnonzero(self._choices > 1).tolist()
        self._population: deque[tuple[Actions, float]] = deque(maxlen=settings.population)
        self._pending: Counter[Actions] = Counter()

    def ask(self) -> Actions:
        missing = self.settings.population - len(self._population)
        if missing and (self._pending.total() < missing or not self._population):
            actions: Actions = tuple(self._rng.integers(self._choices).tolist())
        else:
            actions = self._mutate(self._tournament())
        self._pending[actions] += 1
        return actions

    def tell(self, actions: Actions, reward: float | None) -> None:
        actions = self.space.check(actions)
        reward = checked_reward(reward)
        self._pending -= Counter([actions])
        if reward is not None:
            self._population.append((actions, reward))

    def _tournament(self) -> Actions:
        drawn = self._rng.integers(len(self._population), size=self.settings.sample).tolist()
        winner, _ = max((self._population[i] for i in drawn), key=lambda member: member[1])
        return winner

    def _mutate(self, actions: Actions) -> Actions:
        """``actions`` with another choice in one decision, both drawn uniformly."""
        if not self._mutable:
            return actions
        d = self._mutable[self._rng.integers(len(self._mutable))]
        action = int(self._rng.integers(self._choices[d] - 1))
        action += action >= actions[d]
        return (*actions[:d], action, *actions[d + 1 :])

    def state_dict(self) -> dict[str, Any]:
        return {
            **self._identity,
            "population": list(self._population),
            "pending": list(self._pending.items()),
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check_identity(self._identity, state)
        self._population = deque(
            ((tuple(actions), reward) for actions, reward in state["population"]), self.settings.population
        )
        self._pending = Counter({tuple(actions): count for actions, count in state["pending"]})
        self._rng.bit_generator.state = state["rng"]
