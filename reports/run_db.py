"""``run.db`` as DataFrames, readable while the search writes it; and several runs as one."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Protocol

import pandas as pd

APPLICATION_ID = 0x6E617331  # "nas1": SQLite's field for telling whose file this is
SCHEMA_VERSION = 3
_MEASURED = {"images_per_second": "REAL", "peak_memory": "INTEGER"}
ADDED_COLUMNS = {"trials": _MEASURED, "epochs": _MEASURED, "confirmations": _MEASURED}
"""That schema 1 lacks, by table, with their types; they are the tables' last ones."""


class HasTrials(Protocol):
    """A run, as ``nas.open_run`` gives it."""

    def trials(self) -> pd.DataFrame:
        """One row per trial."""


def load(*runs: str | os.PathLike[str] | HasTrials) -> pd.DataFrame:
    """The trials of several runs, one below the other, with a first column ``run``.

    Args:
        runs: directories, or objects with ``.trials()``; ``run`` is the directory as it was given, or
            the object's ``directory``, or its place in the list where it has none.

    Raises:
        ValueError: if no run is given, one is given twice, or one cannot be read.
    """
    if not runs:
        raise ValueError("load needs at least one run")
    frames: dict[str, pd.DataFrame] = {}
    for number, run in enumerate(runs):
        if isinstance(run, str | os.PathLike):
            name, frame = os.fspath(run), read_trials(Path(run))
        else:
            name, frame = str(getattr(run, "directory", number)), run.trials()
        if name in frames:
            raise ValueError(f"runs must differ, and {name} was given twice")
        frames[name] = frame
    parts = [frame.assign(run=name)[["run", *frame.columns]] for name, frame in frames.items()]
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True)


def read_trials(directory: Path) -> pd.DataFrame:
    """One row per trial: trial, status (waiting, running, done, failed), arch, actions, accuracy, ...

    ``repeat_of`` names the trial whose network was proposed again and not trained again;
    ``images_per_second`` and ``peak_memory`` (bytes) are missing where nothing was trained, and in runs of an
    older nas.

    Raises:
        ValueError: as ``connect``, or if SQLite cannot read on.
    """
    frame = _read(directory, "trials", "trial")
    frame["actions"] = [tuple(actions) for actions in json.loads(f"[{','.join(frame['actions'])}]")]
    frame["repeat_of"] = frame["repeat_of"].astype("Int64")
    for column in ("accuracy", "reward", "seconds"):  # a column of nothing but NULL has no type
        frame[column] = frame[column].astype(float)
    for column in ("started", "finished"):
        frame[column] = pd.to_datetime(frame[column], format="ISO8601", utc=True)
    return frame


def speed(trials: pd.DataFrame) -> dict[str, float | int | None] | None:
    """The median ``images_per_second`` and the largest ``peak_memory`` (bytes); None if no trial has them."""
    rates, peaks = (trials.get(name, pd.Series(dtype=float)).dropna() for name in _MEASURED)
    if rates.empty and peaks.empty:
        return None
    return {
        "images_per_second": float(rates.median()) if len(rates) else None,
        "peak_memory": int(peaks.max()) if len(peaks) else None,
    }


def read_epochs(directory: Path) -> pd.DataFrame:
    """The learning curves: trial, epoch, train_loss, valid_loss, accuracy, seconds, images_per_second, ...

    Raises:
        ValueError: as ``read_trials``.
    """
    return _read(directory, "epochs", "trial, epoch")


def read_confirmations(directory: Path) -> pd.DataFrame:
    """Further trainings of finished trials: trial, seed, accuracy, epochs, seconds, worker, ...

    Raises:
        ValueError: as ``read_trials``.
    """
    return _read(directory, "confirmations", "trial, seed").astype({"accuracy": float})


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Opens an existing ``run.db``.

    Raises:
        ValueError: if there is none, it is damaged, or another program or a newer version wrote it.
    """
    if not path.is_file():
        raise ValueError(f"run must be a directory with a run.db, and there is none in {path.parent}")
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={'rw' if write else 'ro'}", uri=True, timeout=30
        )
        connection.isolation_level = None  # transactions are explicit
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise ValueError(f"run has a run.db that SQLite cannot read ({error}): {path}") from error
    if application != APPLICATION_ID:
        raise ValueError(f"run has a run.db that nas did not write: {path}")
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"run was written by a newer nas (schema {version}, this one knows {SCHEMA_VERSION}): {path}"
        )
    return connection


def _read(directory: Path, table: str, order: str) -> pd.DataFrame:
    query = f"SELECT * FROM {table} ORDER BY {order}"  # noqa: S608 - our own names
    with contextlib.closing(connect(directory / "run.db")) as connection:
        try:
            frame = pd.read_sql_query(query, connection)
        except (sqlite3.DatabaseError, pd.errors.DatabaseError) as error:
            line = str(error).splitlines()[-1]
            raise ValueError(f"run has a run.db that SQLite cannot read ({line}): {directory}") from None
    for column in ADDED_COLUMNS[table]:
        if column not in frame:
            frame[column] = None
    return frame.astype({"images_per_second": float, "peak_memory": "Int64"})
