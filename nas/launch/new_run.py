"""Makes the directory of a new run: whole or not at all, whatever ends this process meanwhile."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nas.errors import InputError, NasError
from nas.files import sync

PREFIX = ".nas-new-"
"""Begins the name of a run in the making."""
LEFT = 24 * 3600.0
"""After this many seconds, what has this name was left by a process that was killed."""


class Place(NamedTuple):
    """Where a new run goes: ``directory``; if it is None, ``runs/TIME-name``, at the time when it is made.

    command: the command line that repeats the run, for ``config.json``.
    """

    directory: Path | None
    name: str
    command: Sequence[str] = ()

    def choices(self) -> Iterator[Path]:
        """The directory; or names of which each is tried if the one before is taken."""
        if self.directory is not None:
            yield self.directory
            return
        first = Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{self.name}"
        yield first
        yield from (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))


def make(place: Place, write: Callable[[Path], None]) -> Path:
    """Makes the directory of a new run.

    It is filled under a hidden name beside the right one and then renamed. A rename never replaces a
    directory that holds something, so two processes cannot get the same one.

    Args:
        write: writes the run's first files into the directory that it is given.

    Raises:
        InputError: if the directory exists, or it or a file cannot be made, for instance on a full disk.
    """
    asked = next(place.choices())
    unfinished = asked.parent / f"{PREFIX}{uuid.uuid4().hex}"
    try:
        asked.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(asked.parent)
        unfinished.mkdir()
    except OSError as error:
        raise _cannot_be_made(asked, error) from None
    try:
        write(unfinished)
        made = _rename(unfinished, place)
        sync(made.parent)
    except (OSError, sqlite3.OperationalError, NasError) as error:
        cause = error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(
            f"directory must be a directory with room for a run ({reason}), got {asked}"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return made


def refuse_existing(directory: Path | None) -> None:
    """Refuses, before anything is spent, a directory that exists or cannot be made; None is below ``runs``.

    Raises:
        InputError: if a new run would overwrite anything, or there is no place for it.
    """
    wanted = directory or Path("runs", "new")
    try:
        if wanted.exists() or wanted.is_symlink():
            raise InputError(f"directory must be a directory that does not exist yet, got {directory}")
        above = next(parent for parent in wanted.absolute().parents if parent.exists())
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(above, os.W_OK | os.X_OK):
            code = errno.EROFS if os.statvfs(above).f_flag & os.ST_RDONLY else errno.EACCES
            raise OSError(code, os.strerror(code))
        if max(len(os.fsencode(part)) for part in wanted.parts) > os.pathconf(above, "PC_NAME_MAX"):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    except (OSError, ValueError) as error:
        raise _cannot_be_made(wanted, error) from None


def _cannot_be_made(directory: Path, error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"directory must be a directory that can be made ({reason}), got {directory}")


def _rename(unfinished: Path, place: Place) -> Path:
    """Gives the directory the first name that is free; OSError if there is none."""
    for path in place.choices():
        try:
            return unfinished.rename(path)
        except OSError as error:
            if place.directory is not None or error.errno not in (
                errno.EEXIST,
                errno.ENOTEMPTY,
                errno.ENOTDIR,
            ):
                raise
    raise AssertionError


def _remove_leftovers(parent: Path) -> None:
    """Removes what killed processes have left in ``parent``."""
    for left in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT:
                shutil.rmtree(left)
