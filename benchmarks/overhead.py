"""What a trial costs apart from training: our search under Ray against Ray Tune with its defaults.

    python benchmarks/overhead.py [--trials 300] [--plain-trials 12] [--skip-plain]

Both propose random networks of ``mnas`` on the same cluster, Tune through a custom ``Searcher``, and get an
accuracy at once. Plain Tune has its default settings and no journal; ours writes its journal. Each runs
twice, with few and with many trials: the difference gives the cost of a trial, the rest is start-up. An
evaluation of the user's own, in a file, is measured as well.
Exit code 1 if our trial is not 30 times cheaper, or one with that evaluation costs more than twice as much.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import tune
from ray.tune.search import Searcher
from script import make_parser, print_marks

import controllers
from nas import Objective
from nas.launch.own_evaluator import OwnEvaluator, load_evaluator
from nas.launch.placement import opened
from nas.launch.workers import run_ray
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.trainings import Trainings
from nas.spec.resources import Resources
from nas.spec.trial import Epoch, Evaluator, Trial
from search_spaces import SPACES

MARK, OWN_MARK = 30, 2.0
OF_FILE = "own evaluation"
OWN = "def evaluate(network, trial):\n    return 0.5\n"


class Trivial:
    """An evaluator that trains nothing."""

    def __call__(self, _: Trial) -> Iterator[Epoch]:
        """One epoch that takes no time."""
        yield Epoch(1, None, None, 0.5, 0.0)


class RandomSearcher(Searcher):
    """Random networks, by a searcher as in Ray Tune's documentation."""

    def __init__(self) -> None:
        super().__init__(metric="accuracy", mode="max")
        self.rng = np.random.default_rng(0)

    def suggest(self, _: str) -> dict[str, Any]:
        """The next network."""
        space = SPACES["mnas"]
        return {"arch": str(space.decode(space.sample(self.rng)))}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Random search learns nothing."""


def own_evaluator(directory: Path) -> OwnEvaluator:
    """The same, as a user's function in a file."""
    file = directory / "own.py"
    file.write_text(OWN)
    return OwnEvaluator(load_evaluator(f"{file}:evaluate")[0], f"{file}:evaluate", "mnas")


def ours(resources: Resources, evaluator: Evaluator, trials: int) -> float:
    """Seconds that our search takes."""
    space = SPACES["mnas"]
    with tempfile.TemporaryDirectory() as directory, Journal(Path(directory), create=True) as journal:
        controller = controllers.make("random", space)
        search = Search(space, controller, Objective(400e6), journal, Trainings(trials))
        started = time.perf_counter()
        run_ray(search, evaluator, resources)
        seconds = time.perf_counter() - started
        assert all(row.status == "done" for row in search.rows.values())
    return seconds


def plain(trials: int) -> float:
    """Seconds of the same under plain Ray Tune, without the environment variables that our search sets."""
    changed = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith(("TUNE_", "RAY_AIR_"))
    }

    def train(_: dict[str, str]) -> None:
        tune.report({"accuracy": 0.5})

    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        results = tune.Tuner(
            train,
            tune_config=tune.TuneConfig(search_alg=RandomSearcher(), num_samples=trials),
            run_config=tune.RunConfig(storage_path=directory, verbose=0),
        ).fit()
        seconds = time.perf_counter() - started
    os.environ.update(changed)
    assert len(results) == trials
    assert not results.num_errors
    return seconds


def measure(seconds: Callable[[int], float], trials: int) -> tuple[float, float]:
    """Seconds per additional trial, and of start-up."""
    few = max(2, trials // 10)
    short, long = seconds(few), seconds(trials)
    per_trial = (long - short) / (trials - few)
    return per_trial, short - few * per_trial


def main() -> int:
    """Prints both and their ratio."""
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--plain-trials", type=int, default=12)
    parser.add_argument("--skip-plain", action="store_true", help="leave plain Ray Tune out")
    options = parser.parse_args()
    logging.getLogger("ray").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as directory, opened(Resources(gpus_per_trial=0)) as resources:
        evaluators = {"our search": Trivial(), OF_FILE: own_evaluator(Path(directory))}
        costs = {
            name: measure(functools.partial(ours, resources, evaluator), options.trials)
            for name, evaluator in evaluators.items()
        }
        if not options.skip_plain:
            costs["plain Ray Tune"] = measure(plain, options.plain_trials)
    print(f"ray {ray.__version__}, {resources.workers} workers")
    for name, (per_trial, start_up) in costs.items():
        print(f"{name:18} {1000 * per_trial:8.1f} ms a trial, {start_up:5.1f} s to start up")
    own = costs[OF_FILE][0] / costs["our search"][0]
    marks = {f"one of an own evaluation costs {own:.2f} times as much, mark {OWN_MARK}": own <= OWN_MARK}
    if not options.skip_plain:
        ratio = costs["plain Ray Tune"][0] / costs["our search"][0]
        marks[f"a trial of ours is {ratio:.1f} times cheaper, mark {MARK}"] = ratio >= MARK
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
