"""``run.db``: its tables, how it is opened to be read, and how an older one becomes a current one."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

from reports.run_db_rules import COST, refuse_wrong_rows

APPLICATION_ID = 0x6E617331  # "nas1": SQLite keeps it in the file to tell which program wrote it
SCHEMA_VERSION = 8
_MEASURED = "images_per_second REAL, peak_memory INTEGER"
TABLES = {
    # one row per proposal of the controller
    "trials": "trial INTEGER PRIMARY KEY, status TEXT NOT NULL, arch TEXT NOT NULL, actions TEXT NOT NULL,"
    " accuracy REAL, flops INTEGER, params INTEGER, activations INTEGER, reward REAL, epochs INTEGER,"
    " seconds REAL, seed INTEGER, worker TEXT, error TEXT, started TEXT, finished TEXT, repeat_of INTEGER, "
    + _MEASURED,
    # learning curves
    "epochs": "trial INTEGER NOT NULL, epoch INTEGER NOT NULL, train_loss REAL, valid_loss REAL,"
    " accuracy REAL, seconds REAL, " + _MEASURED,
    # asks and tells, in the order in which the controller saw them, and retries, of which it hears nothing
    "events": "event INTEGER PRIMARY KEY, kind TEXT NOT NULL, trial INTEGER NOT NULL, reward REAL,"
    " reason TEXT",
    # further training runs of the best networks on fresh seeds, to choose among them
    "confirmations": "trial INTEGER NOT NULL, seed INTEGER NOT NULL, accuracy REAL, epochs INTEGER,"
    " seconds REAL, worker TEXT, error TEXT, finished TEXT, " + _MEASURED + ", test_accuracy REAL",
    # known networks, trained for comparison on fresh seeds
    "baselines": "name TEXT NOT NULL, seed INTEGER NOT NULL, arch TEXT NOT NULL, flops INTEGER,"
    " params INTEGER, activations INTEGER, accuracy REAL, epochs INTEGER, seconds REAL, worker TEXT,"
    " error TEXT, finished TEXT, " + _MEASURED + ", test_accuracy REAL",
    # what each process that worked on the run spent, and how it ended: done or max_hours; NULL if it did not
    "sessions": "session INTEGER PRIMARY KEY, seconds REAL NOT NULL, worker_seconds REAL NOT NULL,"
    " busy_seconds REAL NOT NULL, controller_seconds REAL NOT NULL, ended TEXT",
    # networks that were measured on a device after they were found: float32, or int8; where a trained network
    # was exported in int8, with the accuracy of both on the images of a part of the data
    "measurements": "arch TEXT NOT NULL, device TEXT NOT NULL, precision TEXT NOT NULL, threads INTEGER,"
    " batch INTEGER, classes INTEGER, milliseconds REAL NOT NULL, low REAL, high REAL, ratio REAL,"
    " reference TEXT, reference_milliseconds REAL, usual_milliseconds REAL, peak_memory INTEGER,"
    " runs INTEGER, core_share REAL, accuracy REAL, images INTEGER, finished TEXT NOT NULL,"
    " part TEXT",
    # the controller's state after an event, so that only later ones need to be replayed
    "controller": "event INTEGER PRIMARY KEY, state TEXT NOT NULL",
}
"""Each table's columns with their types. A new column goes to the end of its table and must allow NULL, which
``upgrade`` gives it in older files."""
MEASURED_TABLES = ("trials", "baselines")
"""Tables that may have further columns at their end: costs that a search aimed at, such as ``latency``."""
UNLOCKED = "SQLite's locks do not work here"
"""What ``run.lock`` says then."""
_KEYS = {
    "epochs": "trial, epoch",
    "confirmations": "trial, seed",
    "baselines": "name, seed",
    "measurements": "arch, device, precision",
}
"""Primary keys of more than one column."""


def connect(path: Path) -> sqlite3.Connection:
    """Opens an existing ``run.db`` to read it.

    Raises:
        ValueError: if there is none, it is damaged, or another program or a newer version wrote it.
    """
    try:
        if not path.is_file():
            raise ValueError(f"run must be a directory with a run.db, and there is none in {path.parent}")
        connection = _open(path)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except OSError as error:
        raise ValueError(
            f"run must be a directory that can be read ({error.strerror}): {path.parent}"
        ) from error
    except sqlite3.DatabaseError as error:
        raise ValueError(f"run has a run.db that SQLite cannot read ({error}): {path}") from error
    if application != APPLICATION_ID:
        raise ValueError(f"run has a run.db that nas did not write: {path}")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"run was written by a newer nas (schema {version}, this one knows {SCHEMA_VERSION}): {path}"
        )
    return connection


def refuse_damage(db: sqlite3.Connection, *tables: str) -> None:
    """Refuses a ``run.db`` with a value that nas does not write in one of ``tables``.

    Raises:
        ValueError: with what is wrong, beginning with "run has a run.db that".
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    try:
        for table in tables:
            further = dict.fromkeys(further_columns(db, table) if table in MEASURED_TABLES else (), COST)
            columns = {**columns_of(table), **further}
            refuse_wrong_rows(db, table, columns, older=version < SCHEMA_VERSION)
    except sqlite3.DatabaseError as error:
        raise ValueError(
            f"run has a run.db that SQLite cannot read ({' '.join(str(error).split())})"
        ) from None
    except ValueError as error:
        raise ValueError(f"run has a run.db that {error}") from None


def _open(path: Path) -> sqlite3.Connection:
    """A connection with explicit transactions.

    SQLite makes files beside one that was not closed. Where it may not, as in another user's directory, a
    copy is read instead.
    """
    if _unlocked(path):
        return _copied(path)
    uri = f"{path.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA application_id").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        return _copied(path)
    return connection


def _unlocked(path: Path) -> bool:
    """Whether the writer of a ``run.db`` cannot lock it; readers must not wait for its locks either."""
    try:
        return path.with_name("run.lock").read_bytes() == UNLOCKED.encode()
    except OSError:
        return False


def _copied(path: Path) -> sqlite3.Connection:
    """A copy in memory, with what is in SQLite's log or journal beside the file."""
    files = [path, *(path.with_name(f"{path.name}-{kind}") for kind in ("wal", "journal"))]
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with tempfile.TemporaryDirectory(prefix="nas-") as place:
        for _ in range(10):  # until nobody wrote meanwhile
            before = _states(files)
            for file in files:
                if file.exists():
                    shutil.copyfile(file, Path(place) / file.name)
            if _states(files) == before:
                break
        with contextlib.closing(sqlite3.connect(Path(place) / path.name)) as copy:
            copy.backup(memory)
    return memory


def _states(files: Sequence[Path]) -> list[tuple[int, int] | None]:
    """Size and modification time of each file; None if there is none."""
    found = [file.stat() if file.exists() else None for file in files]
    return [state and (state.st_size, state.st_mtime_ns) for state in found]


def columns_of(table: str) -> dict[str, str]:
    """The columns of a table, with their types."""
    return dict(column.split(" ", 1) for column in TABLES[table].split(", "))


def upgrade(db: sqlite3.Connection) -> None:
    """Brings ``run.db``, empty or of an older nas, to the current schema, within a transaction of ``db``."""
    if db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,):
        return
    for table, columns in TABLES.items():
        key = f", PRIMARY KEY ({_KEYS[table]})) WITHOUT ROWID" if table in _KEYS else ")"
        db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns}{key}")
        there = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
        for name, kind in columns_of(table).items():
            if name not in there:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def further_columns(db: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """Columns of a table that only some runs have: measures, such as ``latency``."""
    there = (name for _, name, *_ in db.execute(f"PRAGMA table_info({table})"))
    return tuple(name for name in there if name not in columns_of(table) and name.isidentifier())


def with_measures(db: sqlite3.Connection, names: Sequence[str]) -> None:
    """Adds a column of numbers for each of ``names`` to the tables of networks, unless it is there."""
    for table in MEASURED_TABLES:
        there = {*columns_of(table), *further_columns(db, table)}
        for name in names:
            if name not in there:
                db.execute(f'ALTER TABLE {table} ADD COLUMN "{name}" REAL')
