"""What one process that works on a run spends: its time, that of its workers, and the controller's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nas.search.journal import Journal

T = TypeVar("T")

SAVE_EVERY = 10.0
"""Seconds between two entries of it in the journal; a process that is killed loses the last of them."""


class Session:
    """A row of the table ``sessions``, from ``with`` to its end; an executor says how many workers it has.

    Attributes:
        ends: when everything should have ended, by ``time.monotonic``.
        stopped: whether trials were left out so that it does.
        workers: how many there are.
        seconds: since the beginning.
        worker_seconds: the same of all workers together.
        busy_seconds: of these, in training runs that have ended. One that was lost with its worker is none.
        controller_seconds: in the controller's asks and tells.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.ends, self.stopped, self.workers = math.inf, False, 0
        self.seconds = self.worker_seconds = self.busy_seconds = self.controller_seconds = 0.0
        self._counted = time.monotonic()
        self._saved = math.inf  # not yet begun

    def __enter__(self) -> Session:
        self._save()
        self._counted = time.monotonic()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self.staff(0)
        self._save(None if error else "max_hours" if self.stopped else "done")

    def staff(self, workers: int) -> None:
        """There are so many workers from now on."""
        now = time.monotonic()
        self.seconds += now - self._counted
        self.worker_seconds += (now - self._counted) * self.workers
        self._counted, self.workers = now, workers

    def think(self, step: Callable[..., T], *args: Any) -> T:
        """What a ``step`` of the controller gives."""
        started = time.perf_counter()
        try:
            return step(*args)
        finally:
            self.controller_seconds += time.perf_counter() - started

    def train(self, seconds: float) -> None:
        """A training run has ended, which took a worker so long."""
        self.busy_seconds += seconds
        if time.monotonic() - self._saved > SAVE_EVERY:
            self.staff(self.workers)
            self._save()

    def fits(self, first: float, then: Sequence[float]) -> bool:
        """Whether a training run of ``first`` seconds, and after it others, would end in time.

        W workers need at most the W-th part of the sum of ``then``, and (1 - 1 / W) times the longest, in
        whatever order: Graham 1969, Bounds on multiprocessing timing anomalies.
        """
        workers = max(1, self.workers)
        seconds = first + sum(then) / workers + (1 - 1 / workers) * max(then, default=0.0)
        return time.monotonic() + seconds <= self.ends

    def _save(self, ended: str | None = None) -> None:
        self._saved = time.monotonic()
        spent = (self.seconds, self.worker_seconds, self.busy_seconds, self.controller_seconds)
        self.journal.session(spent, ended)
