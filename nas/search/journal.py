"""``run.db``: everything a run has done, in SQLite. Everything else can be rebuilt from it.

``reports.run_db`` describes its tables. Each event is one transaction, committed before the controller or the
listener is told, so a killed search loses at most what was being trained.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import filelock

import reports
from nas.errors import InputError, RunError, command
from nas.search import snapshot
from nas.spec.trial import Epoch, Outcome, Row
from reports.run_db import upgrade
from search_spaces import Cost


class Event(NamedTuple):
    """An ``ask`` or ``tell`` of a trial; the reward is None for an ``ask`` and for a failed trial."""

    kind: str
    trial: int
    reward: float | None


def now() -> str:
    """The time in UTC, as ISO text with milliseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Opens an existing ``run.db``.

    Raises:
        InputError: if it is missing, damaged, or written by another program or a newer version.
    """
    try:
        return reports.connect(path, write=write)
    except ValueError as error:
        raise InputError(str(error)) from error.__cause__


class Journal:
    """Writes a ``run.db``, and reads it back; only one process can have a run's journal open.

    Args:
        directory: the run's, which must exist.
        create: make a new ``run.db``; otherwise it must exist.

    Raises:
        InputError: if another process is writing this run, or as ``connect``.
    """

    def __init__(self, directory: Path, *, create: bool = False) -> None:
        self._directory = directory
        self._lock = filelock.FileLock(directory / "run.lock")
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(f"run is being written by another process: {directory}") from None
        path = directory / "run.db"
        with contextlib.ExitStack() as undo:
            undo.callback(self._lock.release)
            if create:
                self._connection = sqlite3.connect(path, isolation_level=None)
            else:
                self._connection = connect(path, write=True)
            undo.callback(self._connection.close)
            if not create:
                self._refuse_damage(path)
            self._connection.execute("PRAGMA journal_mode = WAL")
            with self._transaction() as db:
                upgrade(db)
            undo.pop_all()
        # A crash of the process loses nothing; one of the machine, at most the last events, never the file.
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        # Without readers this folds the log into run.db, a single file that can be copied.
        with contextlib.suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()
        self._lock.release()

    def _refuse_damage(self, path: Path) -> None:
        """Raises InputError if any page of ``run.db`` is damaged, so that nothing more is written to it."""
        try:
            (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            verdict = str(error)
        if verdict != "ok":
            line = " ".join(verdict.split())
            raise InputError(f"run has a run.db that SQLite cannot read ({line}): {path}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Writes everything or nothing.

        Raises:
            RunError: if it cannot be written, as on a full disk.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if not isinstance(error, sqlite3.OperationalError):
                raise
            raise RunError(
                f"run.db could not be written ({error}); with room for it, go on with: "
                f"{command('resume', self._directory)}"
            ) from error

    def ask(self, row: Row, cost: Cost) -> None:
        """Records that the controller proposed ``row``, which is ``running`` or ``waiting``."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO trials (trial, status, arch, actions, flops, params, activations, seed, started,"
                " repeat_of) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(row.trial, row.status, row.arch, json.dumps(row.actions), *cost),
                    *(row.seed, now(), row.repeat_of),
                ),
            )
            db.execute("INSERT INTO events (kind, trial) VALUES ('ask', ?)", (row.trial,))

    def epoch(self, trial: int, epoch: Epoch) -> None:
        """Records a point of a learning curve; a trial that is trained again overwrites its old points."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (trial, *epoch[:7]))

    def tell(self, row: Row, outcome: Outcome, told: float | None) -> None:
        """Records that a trial ended as ``row``, ``done`` or ``failed``, and the reward that is ``told``."""
        with self._transaction() as db:
            db.execute(
                "UPDATE trials SET status = ?, accuracy = ?, reward = ?, epochs = ?, seconds = ?, worker = ?,"
                " error = ?, finished = ?, images_per_second = ?, peak_memory = ? WHERE trial = ?",
                (
                    *(row.status, row.accuracy, row.reward, outcome.epochs, outcome.seconds, outcome.worker),
                    *(row.error, now(), outcome.images_per_second, outcome.peak_memory, row.trial),
                ),
            )
            db.execute("INSERT INTO events (kind, trial, reward) VALUES ('tell', ?, ?)", (row.trial, told))

    def confirm(self, trial: int, seed: int, outcome: Outcome) -> None:
        """Records that the network of ``trial`` was trained once more, on ``seed``."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO confirmations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(trial, seed, outcome.accuracy, outcome.epochs, outcome.seconds),
                    *(outcome.worker, outcome.error, now(), outcome.images_per_second, outcome.peak_memory),
                    outcome.test_accuracy,
                ),
            )

    def rows(self) -> list[Row]:
        """Every trial so far, in order."""
        rows = self._connection.execute(f"SELECT {', '.join(Row._fields)} FROM trials ORDER BY trial")  # noqa: S608
        return [Row(*row)._replace(actions=tuple(json.loads(row[3]))) for row in rows]

    def events(self) -> list[Event]:
        """Every ask and tell so far, in order."""
        rows = self._connection.execute("SELECT kind, trial, reward FROM events ORDER BY event")
        return [Event(*row) for row in rows]

    def save_controller(self, state: Mapping[str, Any]) -> None:
        """Saves the controller's state after the last event, in place of any older one."""
        with self._transaction() as db:
            db.execute("DELETE FROM controller")
            query = "INSERT INTO controller SELECT coalesce(max(event), 0), ? FROM events"
            db.execute(query, (snapshot.write(state),))

    def saved_controller(self) -> tuple[int, Any]:
        """How many events the saved state includes, and the state; 0 and None if there is none."""
        saved = self._connection.execute("SELECT event, state FROM controller").fetchone()
        if saved is None:
            return 0, None
        events = self._connection.execute("SELECT count(*) FROM events WHERE event <= ?", saved[:1])
        return events.fetchone()[0], snapshot.read(saved[1])

    def curves(self) -> dict[int, list[tuple[int, float]]]:
        """(epoch, accuracy) of every ``done`` trial that was trained, in order."""
        curves: dict[int, list[tuple[int, float]]] = {}
        for trial, epoch, accuracy in self._connection.execute(
            "SELECT trial, epoch, epochs.accuracy FROM epochs JOIN trials USING (trial)"
            " WHERE status = 'done' AND epochs.accuracy IS NOT NULL ORDER BY trial, epoch"
        ):
            curves.setdefault(trial, []).append((epoch, accuracy))
        return curves

    def confirmed(self) -> set[tuple[int, int]]:
        """The (trial, seed) pairs of all confirmations that have finished."""
        return set(self._connection.execute("SELECT trial, seed FROM confirmations"))
