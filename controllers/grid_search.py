"""Every network in turn, again and again: for measuring all of a small space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.controller import check_identity, checked_reward, identity
from search_spaces import Actions, SearchSpace


class GridSearch:
    """Asks all actions of a space, the last decision changing fastest, then all again.

    It is not in ``CONTROLLERS``, because it has no seed and most spaces are too large for it.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._asked = 0

    def ask(self) -> Actions:
        left, actions = self._asked % self.space.size, []
        for decision in reversed(self.space.decisions):
            left, action = divmod(left, len(decision.choices))
            actions.append(action)
        self._asked += 1
        return tuple(reversed(actions))

    def tell(self, actions: Actions, reward: float | None) -> None:
        self.space.check(actions)
        checked_reward(reward)

    def state_dict(self) -> dict[str, Any]:
        return {**identity("grid", self.space), "asked": self._asked}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check_identity(identity("grid", self.space), state)
        self._asked = state["asked"]
