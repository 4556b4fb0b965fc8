"""The contract of a controller as tests, for yours as for ours. The only module here that imports pytest.

    from controllers.testing import ControllerContract

    class TestMine(ControllerContract):
        def make(self, space, seed):
            return Mine(space, seed)

pytest then runs every test of ``ControllerContract`` on ``Mine``, on a small, a middle and a large space.
"""

from __future__ import annotations

import json
import math
import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from controllers.controller import Controller
from search_spaces import PRESETS, SPACES, Actions, Decision, SearchSpace

Move = tuple[str, int]
"""``ask``, ``tell`` or ``fail``, and for the latter two which pending actions: see ``play``."""


def bandit(*counts: int, name: str = "bandit") -> SearchSpace:
    """A space of decisions with ``counts`` choices; all of its networks are the same one."""
    decisions = tuple(Decision(f"arm{i}", tuple(range(count))) for i, count in enumerate(counts))
    return SearchSpace(name, decisions, lambda _: PRESETS["efficientnet-b0"])


BANDIT = bandit(4, 2, 1, 3)
CONTRACT_SPACES = {"bandit": BANDIT, "nasbench-macro": SPACES["nasbench-macro"], "mnas": SPACES["mnas"]}
every_space = pytest.mark.parametrize("space", CONTRACT_SPACES.values(), ids=CONTRACT_SPACES)


def reward_of(actions: Actions) -> float:
    """A reward that higher choices raise."""
    return 0.5 + 0.01 * sum(actions) / len(actions)


def run(controller: Controller, trials: int, reward: Callable[[Actions], float] = reward_of) -> list[float]:
    """The rewards of trials, each told before the next is asked."""
    rewards = []
    for _ in range(trials):
        actions = controller.ask()
        rewards.append(reward(actions))
        controller.tell(actions, rewards[-1])
    return rewards


def asks(controller: Controller, trials: int) -> list[Actions]:
    """The actions of trials, each told before the next is asked."""
    asked = []
    for _ in range(trials):
        asked.append(controller.ask())
        controller.tell(asked[-1], reward_of(asked[-1]))
    return asked


def play(controller: Controller, moves: Sequence[Move], pending: list[Actions]) -> list[Actions]:
    """Asks or tells as ``moves`` says and keeps ``pending`` up to date; returns the asks."""
    asked = []
    for move, position in moves:
        if move == "ask" or not pending:
            asked.append(controller.ask())
            pending.append(asked[-1])
        else:
            actions = pending.pop(position % len(pending))
            controller.tell(actions, reward_of(actions) if move == "tell" else None)
    return asked


def random_moves(rng: np.random.Generator, number: int) -> list[Move]:
    """Moves for ``play``: as many asks as answers, and about twice as many results as failures."""
    kinds = ("ask", "ask", "ask", "tell", "tell", "fail")
    return [(kinds[rng.integers(len(kinds))], int(rng.integers(10))) for _ in range(number)]


def same(a: object, b: object) -> bool:
    """Equality of nested states that contain arrays."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return bool(a == b)


def through_json(state: Mapping[str, Any]) -> Any:
    """``state`` as a run gives it back: kept as JSON, so tuples are lists then; arrays stay arrays."""

    def pack(value: object) -> dict[str, Any]:
        assert isinstance(value, np.ndarray), f"a state must be plain values and arrays, got {type(value)}"
        return {"array": value.tolist(), "dtype": value.dtype.str, "shape": value.shape}

    def unpack(value: dict[str, Any]) -> Any:
        if value.keys() != {"array", "dtype", "shape"}:
            return value
        return np.array(value["array"], value["dtype"]).reshape(value["shape"])

    return json.loads(json.dumps(state, default=pack), object_hook=unpack)


class ControllerContract:
    """What every controller must do; a subclass says how one is made.

    Attributes:
        seeded: whether different seeds must ask differently.
    """

    seeded = True

    def make(self, space: SearchSpace, seed: int) -> Controller:
        """A new controller for ``space``; the same ``seed`` must give the same asks."""
        raise NotImplementedError("a subclass of ControllerContract must have make(self, space, seed)")

    @every_space
    def test_asks_are_actions_of_the_space(self, space: SearchSpace) -> None:
        for actions in asks(self.make(space, 0), 25):
            assert type(actions) is tuple, f"ask must give a tuple, got {actions!r}"
            assert all(type(action) is int for action in actions), f"actions must be ints, got {actions!r}"
            assert space.check(actions) == actions

    @every_space
    def test_same_seed_and_same_calls_give_the_same_asks(self, space: SearchSpace) -> None:
        assert asks(self.make(space, 3), 25) == asks(self.make(space, 3), 25)

    @every_space
    def test_different_seeds_ask_differently(self, space: SearchSpace) -> None:
        if self.seeded:
            assert asks(self.make(space, 3), 25) != asks(self.make(space, 4), 25)

    @every_space
    def test_results_may_be_late_out_of_order_or_failures(self, space: SearchSpace) -> None:
        controller = self.make(space, 0)
        asked = [controller.ask() for _ in range(30)]
        for i in np.random.default_rng(0).permutation(28):  # two results never come back
            controller.tell(asked[i], None if i % 5 == 0 else reward_of(asked[i]))
            space.check(controller.ask())

    def test_a_search_whose_every_trial_fails_goes_on(self) -> None:
        controller = self.make(BANDIT, 0)
        for _ in range(30):
            controller.tell(controller.ask(), None)

    def test_the_same_actions_may_be_pending_many_times(self) -> None:
        controller = self.make(bandit(2, 2), 0)
        asked = [controller.ask() for _ in range(200)]
        assert len(set(asked)) <= 4
        for actions in reversed(asked):
            controller.tell(actions, reward_of(actions))
        assert not controller.state_dict().get("pending"), "nothing is pending when all has been told"

    @every_space
    def test_actions_never_asked_may_be_told(self, space: SearchSpace) -> None:
        controller = self.make(space, 0)
        rng = np.random.default_rng(0)
        for i in range(20):
            actions = space.sample(rng)
            controller.tell(actions, None if i % 4 == 0 else reward_of(actions))
        space.check(controller.ask())

    def test_a_space_of_one_network_can_be_searched(self) -> None:
        assert set(asks(self.make(bandit(1, 1), 0), 25)) == {(0, 0)}

    @pytest.mark.parametrize("saved", [lambda state: pickle.loads(pickle.dumps(state)), through_json])  # noqa: S301
    @pytest.mark.parametrize("number", range(5))
    def test_a_restored_controller_continues_identically(
        self, number: int, saved: Callable[[Mapping[str, Any]], Any]
    ) -> None:
        rng, pending = np.random.default_rng(number), list[Actions]()
        original = self.make(BANDIT, 1)
        play(original, random_moves(rng, 4 + 9 * number), pending)
        restored = self.make(BANDIT, 2)
        restored.load_state_dict(saved(original.state_dict()))
        assert same(original.state_dict(), restored.state_dict()), "a restored state must be the same"
        after = [*random_moves(rng, 6 * number), *[("ask", 0), ("tell", 0)] * 20]
        assert play(original, after, pending.copy()) == play(restored, after, pending.copy())
        assert same(original.state_dict(), restored.state_dict())

    def test_a_saved_state_is_a_snapshot(self) -> None:
        controller = self.make(BANDIT, 0)
        run(controller, 10)
        state = controller.state_dict()
        copy = pickle.loads(pickle.dumps(state))  # noqa: S301 - it was made here
        run(controller, 10)
        assert same(state, copy), "what the controller does later must not change a saved state"
        restored = self.make(BANDIT, 0)
        restored.load_state_dict(state)
        run(restored, 10)
        assert same(state, copy), "what a restored controller does must not change the saved state"

    @pytest.mark.parametrize(
        "other", [bandit(4, 2, 1, 3, name="other"), bandit(4, 2, 1, 2)], ids=["name", "decisions"]
    )
    def test_a_state_of_another_space_is_refused(self, other: SearchSpace) -> None:
        state = self.make(BANDIT, 0).state_dict()
        with pytest.raises(ValueError, match=r"\w"):
            self.make(other, 0).load_state_dict(state)

    @pytest.mark.parametrize(
        ("actions", "reward"),
        [
            ((0, 0, 0), 0.5),
            ((0, 0, 0, 3), 0.5),
            ((-1, 0, 0, 0), None),
            ((0.5, 0, 0, 0), 0.5),
            ((0, 0, 0, 0), math.nan),
            ((0, 0, 0, 0), -math.inf),
        ],
    )
    def test_a_wrong_result_is_refused_and_changes_nothing(self, actions: Any, reward: float | None) -> None:
        controller = self.make(BANDIT, 0)
        run(controller, 6)
        for _ in range(1000):
            if controller.ask() == (0, 0, 0, 0):
                break
        state = controller.state_dict()
        with pytest.raises(ValueError, match=r"\w"):
            controller.tell(actions, reward)
        assert same(controller.state_dict(), state)

    def test_global_random_states_are_neither_used_nor_touched(self) -> None:
        import torch

        states = random.getstate(), pickle.dumps(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
        first = asks(self.make(BANDIT, 0), 25)
        assert random.getstate() == states[0]
        assert pickle.dumps(np.random.get_state()) == states[1]  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), states[2])
        with torch.random.fork_rng():
            torch.manual_seed(1)
            random.seed(1)
            np.random.seed(1)  # noqa: NPY002
            assert asks(self.make(BANDIT, 0), 25) == first
        random.setstate(states[0])
        np.random.set_state(pickle.loads(states[1]))  # noqa: NPY002, S301 - it was made here

    def test_the_number_of_torch_threads_is_left_as_it_was(self) -> None:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            run(self.make(BANDIT, 0), 10)
            assert torch.get_num_threads() == 2
        finally:
            torch.set_num_threads(threads)
