"""What a person sees of a search: progress while it runs, the front when it is over."""

from __future__ import annotations

import math
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

import reports
from nas.runs.run import Run
from nas.screens.report import print_report
from nas.search.loop import Search
from nas.spec.trial import Epoch, Outcome, Row

PLAIN_LINES = 200
"""A search prints about so many lines where there is no terminal, however many its trials."""


class Screen:
    """A progress bar on a terminal, plain lines elsewhere, nothing if ``quiet``."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False)
        self.best: Row | None = None
        self.front: list[tuple[float, float]] = []  # (flops, accuracy) of the front so far
        self.search: Search | None = None
        self.audits = False  # an audit ranks nothing by reward, and looks for no best
        self.notes: list[str] = []  # to be said when trials begin
        self.told = 0
        self.doing = "Starting"
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=4,
            speed_estimate_period=600,
            disable=quiet or not self.console.is_terminal,
        )
        self._task = self._progress.add_task(self.doing, total=None, state="")

    def __enter__(self) -> Screen:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """One line, above the bar if there is one; wrapped only by the terminal itself."""
        self.console.print(Text(text), soft_wrap=True)

    def packing(self, done: int, total: int) -> None:
        """So many images are decoded."""
        self._progress.update(self._task, description="Packing images", completed=done, total=total)

    def timing(self, done: int, total: int) -> None:
        """So many networks are timed, for a plan."""
        self._progress.update(self._task, description="Timing networks", completed=done, total=total)

    def start(self, search: Search, *, audits: bool = False) -> None:
        """The search, or an audit, begins or goes on with what it has."""
        self.search = search
        self.audits = audits
        self.best, self.front, self.told = None, [], 0
        for note in self.notes:
            self.say(note)
        self.notes = []
        for row in search.rows.values():
            if row.status in ("done", "failed"):
                self._count(row)
        self.doing = "Training" if search.train_again else "Searching"
        self._progress.reset(self._task, description=self.doing, total=search.trials)
        self._update()

    def on_finish(self, row: Row, outcome: Outcome) -> None:
        """A trial has finished."""
        record = self._count(row) and not self.audits
        self._update()
        if self.search is None or self.console.is_terminal or self.console.quiet:
            return
        every = math.ceil(self.search.trials / PLAIN_LINES)
        if row.status == "failed" and row.repeat_of is None:
            self.say(f"trial {row.trial}: failed: {row.error}")
        elif record or row.trial % every == 0:
            again = f", as trial {row.repeat_of}" if row.repeat_of is not None else ""
            reward = "" if self.audits else f"reward {row.reward:.4f}{' (best so far)' if record else ''}, "
            self.say(
                f"trial {row.trial}: accuracy {row.accuracy:.4f}, {reports.count(row.flops)} FLOPs, "
                f"{reward}{outcome.seconds:.1f} s{again}"
            )

    def on_confirm(self) -> None:
        """One of the best networks has been trained again."""
        self._update()

    def on_restore(self, epochs: int) -> None:
        """A training goes on after ``epochs``."""

    def on_step(self, epochs: float) -> None:
        """A training has done so many epochs; a search shows trials."""

    def on_epoch(self, epoch: Epoch) -> None:  # noqa: ARG002  # a training shows it
        """A trial has finished an epoch; others may have begun since the last change."""
        self._update()

    def finished(self, run: Run) -> None:
        """The front, the best network and how far to believe them."""
        print_report(self.console, run)

    def _count(self, row: Row) -> bool:
        """Takes a finished trial into best and front; True if it is the best so far."""
        self.told += 1
        if row.accuracy is None or row.reward is None:
            return False
        flops, accuracy = float(row.flops), row.accuracy
        if not any(f <= flops and a >= accuracy for f, a in self.front):
            self.front = [(f, a) for f, a in self.front if not (f >= flops and a <= accuracy)]
            self.front.append((flops, accuracy))
        if self.best is not None and self.best.reward is not None and row.reward <= self.best.reward:
            return False
        self.best = row
        return True

    def _update(self) -> None:
        if self.search is None or self._progress.disable:
            return
        best = f"best reward {self.best.reward:.4f}, front {len(self.front)}, " if self.best else ""
        state = f"{'' if self.audits else best}{len(self.search.running)} running"
        confirmed, confirmations = self.search.confirmed
        confirming = confirmations > 0 and self.told == self.search.trials
        self._progress.update(
            self._task,
            description="Confirming the best" if confirming else self.doing,
            total=self.search.trials + confirmations,
            completed=self.told + confirmed,
            state=state,
        )
