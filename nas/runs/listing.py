"""The runs that there are: what each is, how far it has come, its age and its size; and how it is removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.errors import InputError, NasError
from nas.files import exists, hold, is_directory, is_file, locked
from nas.runs.kinds import KINDS
from nas.runs.run import Run

LEAVING = ".nas-new-deleted-"
"""Begins the name of a run that is being removed; what a kill leaves of it goes as that of a new run does."""


@dataclass(frozen=True)
class Listed:
    """A run in a list of runs.

    Args:
        kind: one of ``KINDS``, ``family`` for one that was scaled without training, or empty if unknown.
        space, data: empty where the kind has none.
        state: running, done, stopped (by ``max_hours``), interrupted, or unreadable.
        best: the accuracy in the trial with the highest reward; None before one has finished.
        seconds: since it was last written.
        size: in bytes.
    """

    run: str
    kind: str
    space: str
    data: str
    state: str
    best: float | None
    seconds: float
    size: int


def list_runs(directory: Path) -> list[Listed]:
    """The runs in ``directory``, the latest first; not those that are parts of others.

    Raises:
        InputError: if there is no such directory, or it cannot be read.
    """
    if not is_directory(directory):
        raise InputError(f"directory must be a directory of runs, got {directory}")
    try:
        found = [path for path in directory.iterdir() if is_run(path) and not path.name.startswith(".")]
    except OSError as error:
        raise InputError(f"directory must be one that can be read ({error.strerror}): {directory}") from None
    return sorted((look_at(path) for path in found), key=lambda one: one.seconds)


def is_run(directory: Path) -> bool:
    """Whether ``directory`` holds a run, or a family that was scaled without one."""
    names = ("run.db", "family.json")
    return is_file(directory / "config.json") and any(is_file(directory / name) for name in names)


def look_at(directory: Path) -> Listed:
    """What there is to say of a run in one line; one that is damaged is unreadable."""
    files = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    sizes, times = [0], [directory.stat().st_mtime]
    for path in files:
        with contextlib.suppress(OSError):  # a run that is written has files that come and go
            found = path.stat()
            sizes.append(found.st_size)
            times.append(found.st_mtime)
    facts: dict[str, Any] = {"kind": "", "space": "", "data": "", "state": "unreadable", "best": None}
    with contextlib.suppress(NasError, ValueError):
        facts |= _facts(directory)
    seconds = max(0.0, time.time() - max(times))
    return Listed(run=str(directory), **facts, seconds=seconds, size=sum(sizes))


def _facts(directory: Path) -> dict[str, Any]:
    if not exists(directory / "run.db"):
        return {"kind": "family", "state": "done"}
    run = Run(directory).snapshot()
    settings, trials = run.settings, run.trials()
    done = trials[trials["status"] == "done"]
    kind = KINDS[settings.kind]
    trained = settings.evaluator == "train"
    return {
        "kind": settings.kind,
        "space": settings.space if settings.kind in ("search", "audit") else "",
        "data": settings.data if trained else settings.evaluator,
        "state": state_of(run, over=bool(kind.state(run)["over"])),
        "best": float(done.sort_values("reward")["accuracy"].iloc[-1]) if len(done) else None,
    }


def state_of(run: Run, *, over: bool) -> str:
    """Whether a run is running, done, stopped or interrupted."""
    if is_running(run.directory):
        return "running"
    if over:
        return "stopped" if run.ended == "max_hours" else "done"
    return "interrupted"


def is_running(directory: Path) -> bool:
    """Whether a process holds the lock of the run, or of a part of it."""
    return any(_held(lock) for lock in directory.rglob("run.lock"))


def _held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        return hold(descriptor, shared=True) is None
    finally:
        os.close(descriptor)


def refuse_undeletable(directory: Path) -> None:
    """InputError if ``directory`` is no run, one that is being written, or only a name of one."""
    if directory.is_symlink():
        raise InputError(f"run must be a run's own directory, not a link to it, got {directory}")
    if not is_run(directory):
        raise InputError(f"run must be the directory of a run, got {directory}")
    if is_running(directory):
        raise InputError(f"run must not be running, and a process is writing it: {directory}")


def delete(directory: Path) -> None:
    """Removes a run: at once under another name, then file by file.

    Raises:
        InputError: as ``refuse_undeletable``, or if it cannot be removed.
    """
    refuse_undeletable(directory)
    path = directory.absolute()
    try:
        with locked(path / "run.lock"):  # so that nobody resumes it meanwhile
            leaving = path.rename(path.with_name(f"{LEAVING}{uuid.uuid4().hex}"))
        shutil.rmtree(leaving)
    except BlockingIOError:
        raise InputError(f"run must not be running, and a process is writing it: {directory}") from None
    except OSError as error:
        raise InputError(f"run must be one that can be removed ({error.strerror}): {directory}") from None
