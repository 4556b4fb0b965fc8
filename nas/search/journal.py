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
from types import MappingProxyType
from typing import Any, NamedTuple

import reports
from nas.errors import InputError, RunError, WriteError, command, encoded
from nas.files import locked, write_lock
from nas.search import snapshot
from nas.search.storage import Storage, storage_of
from nas.spec.trial import Epoch, Outcome, Row, Trial
from reports.run_db import (
    TABLES,
    UNLOCKED,
    columns_of,
    further_columns,
    refuse_damage,
    upgrade,
    with_measures,
)
from reports.run_db_rules import is_arch_text, read_actions, refuse_foreign
from search_spaces import Cost

NO_MEASURES: Mapping[str, float] = MappingProxyType({})
WRITTEN = ("peak_memory", "seconds")
"""Costs that have columns of their own, which are written with a trial's end."""


class Event(NamedTuple):
    """An ``ask`` or ``tell`` of a trial; the reward is None for an ``ask`` and for a failed trial."""

    kind: str
    trial: int
    reward: float | None


def now() -> str:
    """The time in UTC, as ISO text with milliseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def connect(path: Path) -> sqlite3.Connection:
    """Opens an existing ``run.db``.

    Raises:
        InputError: if it is missing, damaged, or written by another program or a newer version.
    """
    try:
        return reports.connect(path)
    except ValueError as error:
        raise InputError(str(error)) from error.__cause__


def _text(text: str | None) -> str | None:
    """A text that SQLite can store: it takes no bytes of a path that are no UTF-8."""
    return None if text is None else encoded(text).decode()


def _measured(outcome: Outcome) -> tuple[Any, ...]:
    """The last columns of ``confirmations`` and of ``baselines``: what a training run gave, and its end."""
    return (
        *(outcome.accuracy, outcome.epochs, outcome.seconds),
        *(_text(outcome.worker), _text(outcome.error), now()),
        *(outcome.images_per_second, outcome.peak_memory, outcome.test_accuracy),
    )


def _open(path: Path, storage: Storage, *, create: bool) -> sqlite3.Connection:
    """A new ``run.db``, or the one there is.

    Raises:
        InputError: as ``connect``, or if a page or row is damaged, so that nothing more is written to it.
    """
    if not create:
        connect(path).close()  # says what is wrong with it
    connection = storage.connect(path)
    if create:
        return connection
    if not storage.wal:  # what was left in SQLite's log, on another disk or by another version, is taken over
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA locking_mode = NORMAL")
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        refuse_damage(connection, *(table for table in TABLES if table != "controller"))
    except (sqlite3.DatabaseError, ValueError) as error:
        connection.close()
        line = " ".join(str(error).split())
        line = line if isinstance(error, ValueError) else f"run has a run.db that SQLite cannot read ({line})"
        raise InputError(f"{line}: {path}") from None
    return connection


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
                opened = _open(path, self.storage, create=create)
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
            db.execute(
                "INSERT INTO trials (trial, status, arch, actions, seed, started, repeat_of)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(row.trial, row.status, row.arch, json.dumps(row.actions)),
                    *(row.seed, now(), row.repeat_of),
                ),
            )
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
            names = ", ".join(f'"{name}" = ?' for name in values)
            query = f"UPDATE trials SET {names} WHERE trial = ?"  # noqa: S608 - columns' own names
            db.execute(query, (*values.values(), row.trial))

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
                    *(row.status, row.accuracy, row.reward, outcome.epochs, row.seconds or outcome.seconds),
                    *(_text(outcome.worker), _text(row.error), now()),
                    *(outcome.images_per_second, outcome.peak_memory, row.trial),
                ),
            )
            self._write_costs(db, row)
            db.execute("INSERT INTO events (kind, trial, reward) VALUES ('tell', ?, ?)", (row.trial, told))

    def confirm(self, trial: int, seed: int, outcome: Outcome) -> None:
        """Records that the network of ``trial`` was trained once more, on ``seed``."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO confirmations (trial, seed, accuracy, epochs, seconds, worker, error,"
                " finished, images_per_second, peak_memory, test_accuracy)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (trial, seed, *_measured(outcome)),
            )

    def retry(self, trial: int, reason: str) -> None:
        """Records that a training run of ``trial`` was lost with its worker and runs again."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO events (kind, trial, reason) VALUES ('retry', ?, ?)", (trial, _text(reason))
            )

    def session(self, seconds: Sequence[float], ended: str | None) -> None:
        """Records what this process has spent so far, in place of what it recorded before.

        Args:
            seconds: of the columns of ``sessions``, in their order.
            ended: how; ``done``, ``max_hours``, or None as long as it has not.
        """
        with self._transaction() as db:
            query = "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?)"
            self._session = db.execute(query, (self._session, *seconds, ended)).lastrowid

    def baseline(
        self,
        trial: Trial,
        cost: Mapping[str, float],
        outcome: Outcome,
        measures: Mapping[str, float] = NO_MEASURES,
    ) -> None:
        """Records that the known network of ``trial`` was trained; ``measures``: its other costs, by name."""
        columns = [*columns_of("baselines"), *(f'"{name}"' for name in self._measures)]
        price = [cost.get(name, measures.get(name)) for name in Cost._fields]
        values = [_text(trial.baseline), trial.seed, str(trial.arch), *price, *_measured(outcome)]
        values += [measures.get(name, cost.get(name)) for name in self._measures]
        with self._transaction() as db:
            db.execute(
                f"INSERT OR REPLACE INTO baselines ({', '.join(columns)})"  # noqa: S608 - columns' own names
                f" VALUES ({', '.join('?' * len(columns))})",
                values,
            )

    def measure(self, row: Mapping[str, Any]) -> None:
        """Records that a network was measured on a device; ``row`` has columns of ``measurements``."""
        values = {**row, "finished": now()}
        with self._transaction() as db:
            db.execute(
                f"INSERT OR REPLACE INTO measurements ({', '.join(values)})"  # noqa: S608 - our own names
                f" VALUES ({', '.join('?' * len(values))})",
                [_text(value) if isinstance(value, str) else value for value in values.values()],
            )

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
