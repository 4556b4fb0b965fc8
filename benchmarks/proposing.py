"""Seconds and memory of a proposal by ``dyna`` for ``mnas``, on one core, after hundreds of trials.

    python benchmarks/proposing.py [--trials 300 2000]

A new controller is told all trials, random networks, at once. This is the worst case: it has to learn
everything from scratch. Then it proposes, and is told, twenty more. Exit code 1 if a proposal takes longer
than the marks: 0.5 s after 300 trials, 2 s after 2,000.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from script import make_parser, print_marks

import controllers
from nas import Objective
from search_spaces import SPACES, Actions, Cost, cost

SPACE = SPACES["mnas"]
PROPOSALS = 20


def price(actions: Actions) -> Cost:
    """The exact cost for ten classes."""
    return cost(SPACE.decode(actions), 10)


def measure(trials: int) -> list[float]:
    """Seconds of each proposal."""
    rng, objective = np.random.default_rng(0), Objective(400e6)
    worth = [rng.normal(0, 0.01, len(decision.choices)) for decision in SPACE.decisions]

    def reward(actions: Actions) -> float:
        gained = sum(of_choice[action] for of_choice, action in zip(worth, actions, strict=True))
        return objective(0.6 + gained + rng.normal(0, 0.003), price(actions).flops)

    controller = controllers.make("dyna", SPACE, objective=objective, price=price)
    for _ in range(trials):
        actions = SPACE.sample(rng)
        controller.tell(actions, reward(actions))
    seconds = []
    for _ in range(PROPOSALS):
        started = time.perf_counter()
        actions = controller.ask()
        seconds.append(time.perf_counter() - started)
        controller.tell(actions, reward(actions))
    return seconds


def main() -> int:
    """Prints a line for each number of trials."""
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[300, 2000])
    marks = {}
    for trials in parser.parse_args().trials:
        seconds = measure(trials)
        mark = 0.5 if trials <= 300 else 2.0
        marks[f"{trials:,} trials: a proposal takes {max(seconds):.2f} s at most, mark {mark} s"] = (
            max(seconds) <= mark
        )
        first = " ".join(f"{each:.2f}" for each in seconds[:3])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{trials:6,} trials: first {first} s, mean of {PROPOSALS} {np.mean(seconds):.2f} s; "
            f"peak memory so far {peak:.0f} MB"
        )
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
