"""``run.db``: everything a run has done, in SQLite. Everything else can be rebuilt from it.

``reports.run_db`` describes its tables. Each event is one transaction, committed before the controller or the
listener is told, so a killed search loses at most what was being trained.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.errors import InputError, RunError, WriteError, command, encoded
from nas.files import locked, write_lock
from nas.search import snapshot
from nas.search.events import Event
from nas.search.storage import open_run_db, storage_of
from nas.spec.trial import Epoch, Outcome, Row, Trial
from reports.run_db import UNLOCKED, columns_of, further_columns, upgrade, with_measures
from reports.run_db_rules import is_arch_text, read_actions, refuse_foreign
from search_spaces import Cost

WRITTEN = ("peak_memory", "seconds")
"""Costs that have columns of their own, which are written with a trial's end."""


def now() -> str:
    """The time in UTC, as ISO text with milliseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _columns(values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The names of columns as SQL has them, and values that SQLite can store: texts without broken UTF-8."""
    kept = [encoded(one).decode() if isinstance(one, str) else one for one in values.values()]
    return ", ".join(f'"{name}"' for name in values), kept


def _insert(db: sqlite3.Connection, into: str, values: Mapping[str, Any]) -> None:
    """Inserts a row of ``values``, by the names of columns."""
    names, kept = _columns(values)
    marks = ", ".join("?" * len(kept))
    db.execute(f"INSERT {into} ({names}) VALUES ({marks})", kept)  # noqa: S608 - our names


def _update(db: sqlite3.Connection, trial: int, values: Mapping[str, Any]) -> None:
    """Changes columns of a trial."""
    names, kept = _columns(values)
    marks = ", ".join("?" * len(kept))
    query = f"UPDATE trials SET ({names}) = ({marks}) WHERE trial = ?"  # noqa: S608 - our names
    db.execute(query, (*kept, trial))


def _ended(outcome: Outcome) -> dict[str, Any]:
    """What tables keep of a training run, and that it has ended now."""
    fields = ("accuracy", "epochs", "seconds", "worker", "error", "images_per_second", "peak_memory")
    return {name: getattr(outcome, name) for name in fields} | {"finished": now()}


class Journal:
    """Writes a ``run.db``, and reads it back; only one process can have a run's journal open.

    Args:
        directory: the run's, which must exist.
        create: make a new ``run.db``; otherwise it must exist.
        measures: further costs of networks, which become columns of a new one.

    Attributes:
        directory: the run's.
        locked: False where locks do not work; then another process that writes the run goes unnoticed.
        storage: how ``run.db`` is written where it lies.

    Raises:
        InputError: if another process is writing this run, it cannot be written, or as ``connect``.
    """

    def __init__(self, directory: Path, *, create: bool = False, measures: Sequence[str] = ()) -> None:
        self.directory = directory
        path = directory / "run.db"
        with contextlib.ExitStack() as opening:
            try:
                self.locked = opening.enter_context(locked(directory / "run.lock"))
                self.storage = storage_of(directory)
                write_lock(directory / "run.lock", "" if self.storage.locks else UNLOCKED)
                opened = open_run_db(path, self.storage, create=create)
                self._connection = opening.enter_context(contextlib.closing(opened))
                # A crash of the process loses nothing; one of the machine, at most the last events, never
                # the file.
                self._connection.execute(f"PRAGMA journal_mode = {'WAL' if self.storage.wal else 'TRUNCATE'}")
                with self._transaction() as db:
                    upgrade(db)
                    with_measures(db, measures)
                self._measures = further_columns(self._connection, "trials")
                self._connection.execute("PRAGMA synchronous = NORMAL")
            except BlockingIOError:
                raise InputError(f"run is being written by another process: {directory}") from None
            except (OSError, sqlite3.DatabaseError, RunError) as error:
                cause = error.__cause__ or error
                reason = getattr(cause, "strerror", None) or cause
                raise InputError(
                    f"run must be a directory that can be written ({reason}): {directory}"
                ) from cause
            self._opened = opening.pop_all()
        self._session: int | None = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        # Without readers this folds the log into run.db, a single file that can be copied.
        with contextlib.suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA journal_mode = DELETE")
        self._opened.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Writes everything or nothing.

        Raises:
            WriteError: if it cannot be written, as on a full disk.
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
            raise WriteError("run.db", str(error), command("resume", self.directory)) from error

    def ask(self, row: Row) -> None:
        """Records that the controller proposed ``row``, which is ``running`` or ``waiting``."""
        with self._transaction() as db:
            proposed = {name: getattr(row, name) for name in ("trial", "status", "arch", "seed", "repeat_of")}
            actions = json.dumps(row.actions)
            _insert(db, "INTO trials", proposed | {"actions": actions, "started": now()})
            self._write_costs(db, row)
            db.execute("INSERT INTO events (kind, trial) VALUES ('ask', ?)", (row.trial,))

    def _write_costs(self, db: sqlite3.Connection, row: Row) -> None:
        """Records the costs of a trial that are known; a measure without a column gets one."""
        columns = {name.lower(): name for name in (*columns_of("trials"), *self._measures)}
        if new := [name for name in row.costs if name.lower() not in columns]:
            with_measures(db, new)
            self._measures = further_columns(db, "trials")
            columns |= {name.lower(): name for name in new}
        values = {
            columns[name.lower()]: int(value) if name in Cost._fields else value
            for name, value in row.costs.items()
            if name not in WRITTEN
        }
        if values:
            _update(db, row.trial, values)

    def epoch(self, trial: int, epoch: Epoch) -> None:
        """Records a point of a learning curve; a trial that is trained again overwrites its old points."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (trial, *epoch[:7]))

    def tell(self, row: Row, outcome: Outcome, told: float | None) -> None:
        """Records that a trial ended as ``row``, ``done`` or ``failed``, and the reward that is ``told``."""
        with self._transaction() as db:
            found = {name: getattr(row, name) for name in ("status", "accuracy", "reward", "error")}
            seconds = row.seconds or outcome.seconds
            _update(db, row.trial, _ended(outcome) | found | {"seconds": seconds})
            self._write_costs(db, row)
            db.execute("INSERT INTO events (kind, trial, reward) VALUES ('tell', ?, ?)", (row.trial, told))

    def confirm(self, trial: int, seed: int, outcome: Outcome) -> None:
        """Records that the network of ``trial`` was trained once more, on ``seed``."""
        with self._transaction() as db:
            row = {"trial": trial, "seed": seed, "test_accuracy": outcome.test_accuracy}
            _insert(db, "OR REPLACE INTO confirmations", row | _ended(outcome))

    def retry(self, trial: int, reason: str) -> None:
        """Records that a training run of ``trial`` was lost with its worker and runs again."""
        with self._transaction() as db:
            _insert(db, "INTO events", {"kind": "retry", "trial": trial, "reason": reason})

    def session(self, seconds: Sequence[float], ended: str | None) -> None:
        """Records what this process has spent so far, in place of what it recorded before.

        Args:
            seconds: of the columns of ``sessions``, in their order.
            ended: how; ``done``, ``max_hours``, or None as long as it has not.
        """
        with self._transaction() as db:
            query = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)"
            self._session = db.execute(query, (self._session, *seconds, ended)).lastrowid

    def baseline(self, trial: Trial, outcome: Outcome, costs: Mapping[str, float]) -> None:
        """Records that the known network of ``trial`` was trained; ``costs``: all that are known, by name."""
        known = {name: costs.get(name) for name in (*Cost._fields, *self._measures)}
        row = {"name": trial.baseline, "seed": trial.seed, "arch": str(trial.arch), **known}
        row |= _ended(outcome) | {"test_accuracy": outcome.test_accuracy}
        with self._transaction() as db:
            _insert(db, "OR REPLACE INTO baselines", row)

    def measure(self, row: Mapping[str, Any]) -> None:
        """Records that a network was measured on a device; ``row`` has columns of ``measurements``."""
        with self._transaction() as db:
            _insert(db, "OR REPLACE INTO measurements", {**row, "finished": now()})

    def rows(self) -> list[Row]:
        """Every trial so far, in order."""
        fields = Row._fields[:-1]
        names = [*Cost._fields, *WRITTEN, *self._measures]
        columns = ", ".join([*fields, *(f'"{name}"' for name in names)])
        rows = self._connection.execute(f"SELECT {columns} FROM trials ORDER BY trial")  # noqa: S608
        found = []
        for row in rows:
            costs = dict(zip(names, row[len(fields) :], strict=True))
            known = {name: float(value) for name, value in costs.items() if value is not None}
            found.append(Row(**dict(zip(fields, row, strict=False)), costs=known))
        try:
            if any(is_arch_text(row.arch) for row in found):  # networks of another kind may have any text
                refuse_foreign(row.arch for row in found)
            actions = read_actions([str(row.actions) for row in found])
        except ValueError as error:
            raise InputError(f"run has a run.db that {error}: {self.directory}") from None
        return [row._replace(actions=each) for row, each in zip(found, actions, strict=True)]

    def events(self) -> list[Event]:
        """Every ask and tell so far, in order."""
        rows = self._connection.execute(
            "SELECT kind, trial, reward FROM events WHERE kind <> 'retry' ORDER BY event"
        )
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
        events = self._connection.execute(
            "SELECT count(*) FROM events WHERE event <= ? AND kind <> 'retry'", saved[:1]
        )
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

    def compared(self) -> set[tuple[str, int]]:
        """The (name, seed) pairs of all baselines that have been trained."""
        return set(self._connection.execute("SELECT name, seed FROM baselines"))
