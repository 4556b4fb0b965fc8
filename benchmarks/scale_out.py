"""Does a search keep its workers busy, and stay small? Many workers, many short trials, a large journal.

    python benchmarks/scale_out.py [--most 32] [--trials 10000] [--rows 1000000]

1. For 1, 2, 4, ... workers: trials that sleep for a second, and the share of the workers' time that is sleep,
   from when all have begun until nothing is left to propose.
2. 10,000 trials of 10 ms on two warm workers: what a trial costs beyond that, for each tenth, and how much
   the driver's memory grows from the first tenth to the end. Ray Tune with its defaults stands beside it, on
   few trials.
3. A journal of a million trials: how long it takes to open, and what a further trial costs to write, against
   a journal of a thousand.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import ray
from overhead import measure, plain
from script import make_parser, print_marks

import controllers
from nas import Objective, open_run
from nas.launch.placement import opened
from nas.launch.workers import run_ray
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.trainings import Trainings
from nas.spec.resources import Resources
from nas.spec.trial import Epoch, Outcome, Row, Trial
from search_spaces import SPACES, ArchSpec, cost

os.environ["RAY_AUTH_MODE"] = "disabled"  # Ray would leave a token in the user's home
SPACE = SPACES["mnas"]
BUSY, BUSY_AT = 0.9, 16
OVERHEAD_MS, GROWTH_MB, GROWTH = 50.0, 50.0, 1.5
OPENS, APPENDS = 30.0, 2.0


class Sleep:
    """An evaluator that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, _: Trial) -> Iterator[Epoch]:
        """One epoch."""
        time.sleep(self.seconds)
        yield Epoch(1, None, None, 0.5, self.seconds)


def memory() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Watched(Search):
    """Notes the time and the memory whenever a tenth of the trials is over."""

    def finish(self, trial: Trial, outcome: Outcome) -> None:
        """As a search does."""
        super().finish(trial, outcome)
        if len(self._told) % max(1, self.trials // 10) == 0:
            self.notes.append((time.perf_counter(), memory()))

    notes: list[tuple[float, int]]


def search(directory: Path, seconds: float, workers: int, trials: int) -> Watched:
    """A search over random networks that has run."""
    with Journal(directory, create=True) as journal:
        controller = controllers.make("random", SPACE)
        found = Watched(SPACE, controller, Objective(400e6), journal, Trainings(trials, repeats=True))
        found.notes = [(time.perf_counter(), 0)]
        run_ray(found, Sleep(seconds), Resources(workers=workers, gpus_per_trial=0.0))
    assert all(row.status == "done" for row in found.rows.values())
    return found


def utilisation(workers: int) -> float:
    """The share of their time in which workers sleep, while there is something left for each."""
    with tempfile.TemporaryDirectory() as directory:
        search(Path(directory), 1.0, workers, 12 * workers)
        trials = open_run(directory).trials()
    begun, last = trials.groupby("worker")["started"].min().max(), trials["started"].max()
    inside = trials["finished"].clip(upper=last) - trials["started"].clip(lower=begun)
    shares = (inside / (trials["finished"] - trials["started"])).clip(lower=0)  # of a second's sleep
    return float(shares.sum() / (workers * (last - begun).total_seconds()))


def short_trials(trials: int) -> dict[str, bool]:
    """Prints what short trials cost; the marks."""
    with tempfile.TemporaryDirectory() as directory:
        notes = search(Path(directory), 0.01, 2, trials).notes
    tenth = trials // 10
    costs = [2000 * (after - before) / tenth - 10 for (before, _), (after, _) in pairwise(notes[1:])]
    grown = (notes[-1][1] - notes[1][1]) / 1e6
    print(f"{trials} trials of 10 ms on 2 workers: {costs[0]:.1f} ms beyond that in the second tenth,")
    print(f"{costs[-1]:.1f} ms in the last; the driver's memory grows by {grown:.1f} MB meanwhile")
    tune, _ = measure(plain, 12)
    print(f"Ray Tune with its defaults, trials that take no time: {1000 * tune:.0f} ms each")
    return {
        f"at most {OVERHEAD_MS:g} ms a trial": max(costs) <= OVERHEAD_MS,
        f"the last tenth costs at most {GROWTH:g} times the second": costs[-1] <= GROWTH * costs[0] + 1,
        f"the driver grows by at most {GROWTH_MB:g} MB": grown <= GROWTH_MB,
    }


@contextmanager
def filled(rows: int) -> Iterator[Path]:
    """A directory with a journal of so many finished trials."""
    actions = controllers.make("random", SPACE).ask()
    arch = SPACE.decode(actions)
    price = cost(arch)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Journal(directory, create=True) as journal, journal._transaction() as db:
            values = ((n, str(arch), str(list(actions)), *price, n) for n in range(rows))
            db.executemany(
                "INSERT INTO trials (trial, status, arch, actions, flops, params, activations, seed,"
                " accuracy, reward, epochs) VALUES (?, 'done', ?, ?, ?, ?, ?, ?, 0.5, 0.5, 1)",
                values,
            )
            events = (
                (kind, n, reward) for n in range(rows) for kind, reward in (("ask", None), ("tell", 0.5))
            )
            db.executemany("INSERT INTO events (kind, trial, reward) VALUES (?, ?, ?)", events)
        yield directory


def journal(rows: int, further: int = 300) -> tuple[float, float]:
    """Seconds to open a journal of so many trials, and to write one more trial."""
    with filled(rows) as directory:
        started = time.perf_counter()
        with Journal(directory) as opened:
            opens = time.perf_counter() - started
            row = opened.rows()[0]
            started = time.perf_counter()
            for number in range(rows, rows + further):
                append(opened, row._replace(trial=number))
            return opens, (time.perf_counter() - started) / further


def append(to: Journal, row: Row) -> None:
    """Writes a trial as a search does."""
    to.ask(row._replace(status="running"), cost(ArchSpec.parse(row.arch)))
    to.epoch(row.trial, Epoch(1, 1.0, 1.0, 0.5, 1.0))
    to.tell(row, Outcome(0.5, 1, 1.0, "host:0"), 0.5)


def main() -> int:
    """Prints all three, and whether the marks are reached."""
    parser = make_parser(__doc__)
    parser.add_argument("--most", type=int, default=32)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    logging.getLogger("ray").setLevel(logging.ERROR)
    few, many = journal(1000), journal(asked.rows)
    for rows, (opens, appends) in {1000: few, asked.rows: many}.items():
        print(f"a journal of {rows} trials opens in {opens:.2f} s; one more takes {1000 * appends:.2f} ms")
    marks = {
        f"opens within {OPENS:g} s": many[0] <= OPENS,
        f"one more trial costs at most {APPENDS:g} times as much": many[1] <= APPENDS * few[1],
    }
    with opened(Resources(gpus_per_trial=0.0)):
        marks |= short_trials(asked.trials)
    ray.init(address="local", num_cpus=asked.most, include_dashboard=False, log_to_driver=False)
    counts = [1 << power for power in range(asked.most.bit_length()) if 1 << power <= asked.most]
    shares = {workers: utilisation(workers) for workers in counts}
    for workers, share in shares.items():
        print(f"{workers:3} workers are busy {share:.1%} of their time")
    ray.shutdown()
    if BUSY_AT in shares:
        marks[f"{BUSY_AT} workers are busy {BUSY:.0%} of their time"] = shares[BUSY_AT] >= BUSY
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
