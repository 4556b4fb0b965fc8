"""What a person sees while trials run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

import reports
from nas.runs.kinds import KINDS
from nas.runs.proxy import measured, proxy_line
from nas.screens.bar import BarLine, Pace
from nas.screens.terminal import Terminal
from nas.screens.warnings import warnings
from nas.search.ending import SECONDS
from nas.spec.listener import Listener, Standing
from nas.spec.settings import Settings
from nas.spec.trial import Epoch, Outcome, Row, Trial
from reports.numbers import HIGHEST, cost_text, cost_title

MOST_COSTS = 3
"""Costs in the line of a trial."""
PLAIN_LINES = 200
"""Roughly the most lines that a run prints for its trials, however long it is."""
Point = tuple[float, ...]
"""What a network's place on the front depends on, less is better: accuracy with a minus, and costs."""


def covers(one: Point, other: Point) -> bool:
    """Whether ``one`` is no worse than ``other`` in anything."""
    return all(a <= b for a, b in zip(one, other, strict=True))


class Screen(Listener):
    """Lines, on a terminal above a progress bar, which goes when it is done; nothing if ``quiet``."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Terminal(quiet=quiet)
        self.directory: Path | None = None  # of the run, once it is there
        self.best: Row | None = None
        self.front: list[Point] = []  # of the front so far
        self.costs: tuple[str, ...] = ("flops",)
        self.maximize: tuple[str, ...] = ()
        self.seeks_front = False
        self.ranked = True  # by reward
        self.measured = "accuracy"
        self.doing = "Starting"
        self._progress = Progress(
            BarLine(),
            console=self.console,
            refresh_per_second=4,
            speed_estimate_period=600,
            expand=True,
            transient=True,
            disable=quiet or not self.console.shows_bars,
        )
        self._pace = Pace(self._progress.get_time(), 0)
        self._task = self._progress.add_task(self.doing, total=None, state="")

    def __enter__(self) -> Screen:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Prints a line, above the bar if there is one."""
        self.console.print(text)

    def progress(self, doing: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=doing, completed=done, total=total)

    def on_made(self, directory: Path) -> None:
        self.directory = directory

    def on_start(self, settings: Settings, finished: Sequence[Row], standing: Standing) -> None:
        kind = KINDS[settings.kind]
        self.ranked, self.doing = kind.ranked, "Training" if kind.given else "Searching"
        self.best, self.front = None, []
        objective = settings.objective
        self.costs, self.maximize = objective.costs, objective.maximize
        self.seeks_front = objective.seeks_front
        self.measured = measured(settings)
        for row in finished:
            self._count(row)
        for line in filter(None, [proxy_line(settings), *warnings(settings)]):
            self.say(line)
        self._progress.reset(self._task, description=self.doing, total=standing.trials)
        self._pace = Pace(self._progress.get_time(), standing.finished + standing.confirmed)
        self._update(standing)

    def on_finish(self, row: Row, outcome: Outcome, standing: Standing) -> None:
        record = self._count(row) and self.ranked
        self._update(standing)
        if self.console.quiet:
            return
        every = math.ceil(standing.trials / PLAIN_LINES)
        if row.status == "failed" and row.repeat_of is None:
            self.say(f"trial {row.trial}: failed: {row.error}")
        elif record or row.trial % every == 0:
            again = f", as trial {row.repeat_of}" if row.repeat_of is not None else ""
            reward = f"reward {row.reward:.4f}{' (best so far)' if record else ''}, " if self.ranked else ""
            if self.seeks_front:
                reward = "on the front so far, " if self.on_front(row) else ""
            self.say(
                f"trial {row.trial}: {self.measured} {row.accuracy:.4f}, {self._size(row)}"
                f"{reward}{outcome.seconds:.1f} s{again}"
            )

    def on_confirm(self, trial: Trial, outcome: Outcome, standing: Standing) -> None:
        self._update(standing)

    def on_epoch(self, trial: Trial, epoch: Epoch, standing: Standing) -> None:
        self._update(standing)  # more trials may be running than at the last update

    def on_retry(self, trial: Trial, reason: str, standing: Standing) -> None:
        which = f"a confirmation of trial {trial.trial}" if trial.confirms else f"trial {trial.trial}"
        which = f"a training run of {trial.baseline}" if trial.baseline else which
        self.say(f"{which} runs again: {reason}")

    def _count(self, row: Row) -> bool:
        """Updates best and front with a finished trial; True if it is the best so far."""
        if row.accuracy is None or row.reward is None:
            return False
        point = self.point(row)
        if not any(covers(other, point) for other in self.front):
            self.front = [other for other in self.front if not covers(point, other)]
            self.front.append(point)
        if self.best is not None and self.best.reward is not None and row.reward <= self.best.reward:
            return False
        self.best = row
        return True

    def _size(self, row: Row) -> str:
        """``386M FLOPs, latency 12 ms, ``: the costs that count; a few of all where FLOPs are unknown."""
        counted = dict.fromkeys([*self.costs, *self.maximize])
        names = [name for name in counted if name != "flops" and name in row.costs]
        if row.flops is None:
            names = [name for name in row.costs if name != SECONDS][:MOST_COSTS]
        flops = "" if row.flops is None else f"{reports.count(row.flops)} FLOPs, "
        return flops + "".join(f"{cost_title(name)} {cost_text(name, row.costs[name])}, " for name in names)

    def point(self, row: Row) -> Point:
        """What the front is of: what a finished trial lacks in accuracy, and its costs."""
        costs = {SECONDS: row.seconds or 0.0, "flops": row.flops or math.inf, **row.costs}
        names = (SECONDS,) if row.flops is None and self.costs in ((), ("flops",)) else self.costs
        larger = tuple(-costs.get(name, -math.inf) for name in self.maximize)
        smaller = (costs.get(name, math.inf) for name in names if name not in self.maximize)
        return (-(row.accuracy or 0.0), *larger, *smaller)

    def on_front(self, row: Row) -> bool:
        """Whether a finished trial is on the front so far."""
        return self.point(row) in self.front

    def _update(self, standing: Standing) -> None:
        if self._progress.disable:
            return
        done = standing.finished + standing.confirmed
        total = standing.trials + standing.confirmations
        pace = self._pace.update(self._progress.get_time(), done, total, standing.running)
        state = [f"{standing.running} running"] * (standing.running > 0)
        if self.best and self.ranked:
            name = HIGHEST if self.seeks_front else "best reward"
            state = [f"{name} {self.best.reward:.4f}", *state, f"front {len(self.front)}"]
        confirming = standing.confirmations > 0 and standing.finished == standing.trials
        self._progress.update(
            self._task,
            description="Confirming the best" if confirming else self.doing,
            total=total,
            completed=done,
            state=", ".join(state),
            **pace,
        )
