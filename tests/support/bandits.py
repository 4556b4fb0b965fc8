"""Small problems for controllers, and ways to run controllers on them."""

import numpy as np
import pytest
from hypothesis import strategies as st

from controllers import CONTROLLERS, make
from search_spaces import PRESETS, SPACES, Decision, SearchSpace


def bandit(*counts, name="bandit"):
    """A space of ``counts`` choices; controllers never build, so any network will do."""
    decisions = tuple(Decision(f"arm{i}", tuple(range(count))) for i, count in enumerate(counts))
    return SearchSpace(name, decisions, lambda _: PRESETS["efficientnet-b0"])


BANDIT = bandit(4, 2, 1, 3)
CONTRACT_SPACES = {"bandit": BANDIT, "nasbench-macro": SPACES["nasbench-macro"], "mnas": SPACES["mnas"]}
# Updates come early, so that short runs reach all code.
EARLY = {
    "dyna": {"initial": 4, "rollouts": 8, "queue": 8, "hidden_units": 8},
    "rnn": {"update_every": 4, "epochs": 2},
    "random": {},
    "evolution": {"population": 5, "sample": 2},
}

every_controller = pytest.mark.parametrize("name", CONTROLLERS)
every_space = pytest.mark.parametrize("space", CONTRACT_SPACES.values(), ids=CONTRACT_SPACES)


def early(name, space, seed=0):
    return make(name, space, seed=seed, settings=EARLY[name])


def reward_of(actions):
    return 0.5 + 0.01 * sum(actions) / len(actions)


def run(controller, trials, reward=reward_of):
    """The rewards of trials, each told before the next is asked."""
    rewards = []
    for _ in range(trials):
        actions = controller.ask()
        rewards.append(reward(actions))
        controller.tell(actions, rewards[-1])
    return rewards


def asks(controller, trials):
    """The actions of trials, each told before the next is asked."""
    asked = []
    run(controller, trials, lambda actions: asked.append(actions) or reward_of(actions))
    return asked


def play(controller, moves, pending):
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


def moves(at_least):
    """Sequences of moves for ``play``; about twice as many results as failures."""
    move = st.sampled_from(["ask", "ask", "ask", "tell", "tell", "fail"])
    return st.lists(st.tuples(move, st.integers(0, 9)), min_size=at_least, max_size=at_least + 30)


def same(a, b):
    """Equality of nested states that contain arrays."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b


def distance(a, b):
    return sum(x != y for x, y in zip(a, b, strict=True))
