"""The tables of ``run.db`` as DataFrames, even while a search writes them; several runs as one."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from reports.run_db import columns_of, connect, refuse_damage
from reports.run_db_rules import read_actions


class HasTrials(Protocol):
    """A run, as ``nas.open_run`` gives it."""

    def trials(self) -> pd.DataFrame:
        """One row per trial."""


def load(*runs: str | os.PathLike[str] | HasTrials) -> pd.DataFrame:
    """The trials of several runs, one run after another, with a first column ``run``.

    Args:
        runs: directories, or objects with ``.trials()``; ``run`` is the directory as given, or the object's
            ``directory``, or its position in the list if it has none.

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
    shown = {name: name.encode("utf-8", "backslashreplace").decode() for name in frames}
    parts = [frame.assign(run=shown[name])[["run", *frame.columns]] for name, frame in frames.items()]
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True)


def read_trials(directory: Path) -> pd.DataFrame:
    """One row per trial: trial, status (waiting, running, done, failed), arch, actions, accuracy, ...

    ``repeat_of`` is the earlier trial with the same network, which was not trained again.
    ``images_per_second`` and ``peak_memory`` (bytes) are missing if nothing was trained, and in older runs.
    Costs that the search aimed at, such as ``latency`` (ms), are further columns.

    Raises:
        ValueError: as ``connect``, or if SQLite cannot read a table.
    """
    frame = _read(directory, "trials", "trial")
    try:
        frame["actions"] = read_actions(frame["actions"].to_list())
        for column in ("started", "finished"):
            frame[column] = _times(frame[column])
    except ValueError as error:
        raise ValueError(f"run has a run.db that {error}: {directory}") from None
    frame["repeat_of"] = frame["repeat_of"].astype("Int64")
    for column in ("accuracy", "reward", "seconds"):  # if all values are NULL, the column has no type
        frame[column] = frame[column].astype(float)
    for column in ("flops", "params", "activations"):  # of networks that are no ArchSpec they may be missing
        if frame[column].isna().any():
            frame[column] = frame[column].astype(float)
    return frame


def further_costs(trials: pd.DataFrame) -> tuple[str, ...]:
    """The columns of trials that only some runs have: costs that a search aimed at, such as ``latency``."""
    return tuple(str(name) for name in trials if name not in columns_of("trials"))


def speed(trials: pd.DataFrame) -> dict[str, float | int | None] | None:
    """The median ``images_per_second`` and the largest ``peak_memory`` (bytes); None if no trial has them."""
    names = ("images_per_second", "peak_memory")
    rates, peaks = (trials.get(name, pd.Series(dtype=float)).dropna() for name in names)
    if rates.empty and peaks.empty:
        return None
    return {
        "images_per_second": float(rates.median()) if len(rates) else None,
        "peak_memory": int(peaks.max()) if len(peaks) else None,
    }


def read_epochs(directory: Path) -> pd.DataFrame:
    """The learning curves: trial, epoch, train_loss, valid_loss, accuracy, ... Raises as ``read_trials``."""
    return _read(directory, "epochs", "trial, epoch")


def read_confirmations(directory: Path) -> pd.DataFrame:
    """Further training runs of trials: trial, seed, accuracy, epochs, ... Raises as ``read_trials``."""
    frame = _read(directory, "confirmations", "trial, seed")
    return frame.astype({"accuracy": float, "test_accuracy": float})


def read_baselines(directory: Path) -> pd.DataFrame:
    """Training runs of known networks: name, seed, arch, flops, accuracy, ... Raises as ``read_trials``."""
    frame = _read(directory, "baselines", "name, seed")
    return frame.astype({"accuracy": float, "test_accuracy": float})


def read_measurements(directory: Path) -> pd.DataFrame:
    """Networks measured on a device: arch, device, milliseconds, ..., oldest first. Raises as
    ``read_trials``.
    """
    names = ("milliseconds", "ratio", "usual_milliseconds", "accuracy")
    return _read(directory, "measurements", "finished").astype(dict.fromkeys(names, float))


def read_sessions(directory: Path) -> pd.DataFrame:
    """What each process that worked on the run spent: seconds, ... Raises as ``read_trials``."""
    return _read(directory, "sessions", "session")


def read_retries(directory: Path) -> pd.DataFrame:
    """Training runs that were lost and ran again: trial, reason. Raises as ``read_trials``."""
    events = _read(directory, "events", "event")
    return events.loc[events["kind"] == "retry", ["trial", "reason"]]


def _times(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Times in UTC; ValueError if one is none."""
    try:
        return pd.to_datetime(texts, format="ISO8601", utc=True)
    except ValueError as error:
        raise ValueError(f"has a wrong trials.{texts.name}: {str(error).splitlines()[0]}") from None


def _read(directory: Path, table: str, order: str) -> pd.DataFrame:
    query = f"SELECT * FROM {table} ORDER BY {order}"  # noqa: S608 - our own names
    with contextlib.closing(connect(directory / "run.db")) as connection:
        try:
            refuse_damage(connection, table)
            there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            frame = pd.read_sql_query(query, connection) if there else pd.DataFrame()
        except (sqlite3.DatabaseError, pd.errors.DatabaseError) as error:
            line = str(error).splitlines()[-1]
            raise ValueError(f"run has a run.db that SQLite cannot read ({line}): {directory}") from None
        except ValueError as error:
            raise ValueError(f"{error}: {directory}") from None
    columns = [*columns_of(table)]
    for column in columns:
        if column not in frame:  # an older run
            frame[column] = None
    frame = frame[columns + [name for name in frame if name not in columns]]
    measured: dict[str, Any] = {"images_per_second": float, "peak_memory": "Int64"}
    return frame.astype({name: kind for name, kind in measured.items() if name in frame})
