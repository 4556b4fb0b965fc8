"""How fast controllers learn on the real accuracies of NAS-Bench-Macro.

    python benchmarks/learning.py random evolution rnn rnn:epochs=40 [--seeds 10]

Prints the mean accuracy of the last 100 proposals up to 200, 500 and 1,000 trials, averaged over
seeds, and the seconds per run. Settings follow the controller's name.
"""

from __future__ import annotations

import time

import numpy as np
from script import MACRO_TABLE, make_parser

import controllers
from nas.search.tables import Table
from search_spaces import SPACES

MARKS = (200, 500, 1000)


def main() -> None:
    """Prints one line per controller."""
    parser = make_parser(__doc__)
    parser.add_argument("controllers", nargs="+", metavar="NAME[:SETTING=VALUE[,...]]")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    space = SPACES["nasbench-macro"]
    accuracies = Table(MACRO_TABLE, space).accuracies
    print(f"{'':32}" + "".join(f"{mark:>8}" for mark in MARKS) + "   s/run")
    for text in options.controllers:
        name, _, pairs = text.partition(":")
        settings = dict(pair.split("=") for pair in pairs.split(",")) if pairs else {}
        rewards = np.empty((options.seeds, MARKS[-1]))
        started = time.perf_counter()
        for seed in range(options.seeds):
            controller = controllers.make(name, space, seed=seed, settings=settings)
            for trial in range(MARKS[-1]):
                actions = controller.ask()
                rewards[seed, trial] = accuracies[space.decode(actions)]
                controller.tell(actions, rewards[seed, trial])
        seconds = (time.perf_counter() - started) / options.seeds
        means = [rewards[:, mark - 100 : mark].mean() for mark in MARKS]
        print(f"{text:32}" + "".join(f"{mean:8.4f}" for mean in means) + f"{seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
