"""Writes the files of a run: each under a temporary name first, and then renamed. And locks files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import WriteError, command, encoded

if TYPE_CHECKING:
    import pandas as pd

MOST_NESTED = 50
NO_LOCKS = "Files cannot be locked here: if two processes write the same run or cache, nothing will notice."


def replace(path: Path, content: bytes | memoryview, *, shared: bool = False) -> None:
    """Writes a file completely or not at all.

    Args:
        shared: several processes may write it at the same time, such as two ``nas report``. Otherwise only
            the holder of ``run.lock`` may, and the file survives a power failure right afterwards.

    Raises:
        WriteError: if it cannot be written, as on a full disk; the previous file is kept.
    """
    unfinished = path.with_name(f"{path.name}{f'.{os.getpid()}' * shared}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            if not shared:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
        if not shared:
            sync(path.parent)  # or the new name may be lost
    except OSError as error:
        name = "report" if exists(path.parent / "best.json") else "resume"
        again = command(name, path.parent)
        raise WriteError(path.name, error.strerror or str(error), again) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """An empty directory to fill, which gets the name ``path`` at the end; nothing is left if that fails.

    Raises:
        OSError: if it cannot be made, or there is something at ``path`` by then.
    """
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.absolute().parent / f".{path.name}.{os.getpid()}.unfinished"
    unfinished.mkdir()
    try:
        yield unfinished
        if path.exists():  # a rename would replace an empty directory
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        unfinished.rename(path)
        sync(path.absolute().parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def sync(directory: Path) -> None:
    """Makes new names in ``directory`` survive a power failure, where the file system can."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Writes the rows of ``frame`` to a shared file; see ``replace``."""
    replace(path, encoded(table_text(frame)), shared=True)


def table_text(frame: pd.DataFrame) -> str:
    """The text of a CSV file with the rows of ``frame``."""
    return frame.to_csv(index=False)


def append(path: Path, content: bytes) -> None:
    """Adds to a file that only grows, such as a log, whose readers take it as far as it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(content)


def write_json(path: Path, value: object, *, shared: bool = True) -> None:
    """Writes ``value`` to a file; see ``replace``."""
    replace(path, json_text(value).encode(), shared=shared)


def json_text(value: object) -> str:
    """The text of a JSON file with ``value``; see ``reports.plain``."""
    from reports import plain  # imported here because writing weights should not import pandas

    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """The value in a JSON file, for which no recursion that follows is too deep.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not JSON, or nested too deeply; in one line.
    """
    try:
        value = json.loads(read_text(path))
    except RecursionError:
        raise ValueError(f"nested more than {MOST_NESTED} levels deep") from None
    inside, depth = [value], 0
    while inside:
        lists = (
            one.values() if isinstance(one, dict) else one for one in inside if isinstance(one, dict | list)
        )
        inside, depth = [each for one in lists for each in one], depth + 1
        if depth > MOST_NESTED:
            raise ValueError(f"nested more than {MOST_NESTED} levels deep")
    return value


def own_path() -> Path:
    """The path of ``own_directory``."""
    return Path(tempfile.gettempdir()) / f"nas-{os.getuid()}"


def own_directory() -> Path:
    """A temporary directory of this user alone, for those who have no home.

    Raises:
        OSError: if it cannot be made, or another user has made it.
    """
    path = own_path()
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
        raise PermissionError(errno.EACCES, "Another user can write it", str(path))
    return path


def refusal(path: Path) -> str | None:
    """Why the system cannot even say whether there is something at ``path``; None if it can."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def exists(path: Path) -> bool:
    """Whether there is anything; False for a path that cannot be looked at, such as one that is too long."""
    return _kind(path, Path.exists)


def is_file(path: Path) -> bool:
    """Whether there is a regular file, one that can be read to its end; False as for ``exists``."""
    return _kind(path, Path.is_file)


def is_directory(path: Path) -> bool:
    """Whether there is a directory; False as for ``exists``."""
    return _kind(path, Path.is_dir)


def _kind(path: Path, is_kind: Callable[[Path], bool]) -> bool:
    with contextlib.suppress(OSError, ValueError):  # what it is says whoever opens it
        return is_kind(path)
    return False


def read_text(path: Path) -> str:
    """A regular file's text.

    Raises:
        OSError: if it cannot be read, or is no file: a pipe would wait for ever, a device may never end.
        UnicodeDecodeError: if it is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return path.read_text("utf-8")


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Locks ``path``, a file that is made for it, against other processes; False where locks do not work.

    Args:
        waiting: called if another process has the lock, before this one waits for it; None raises instead.

    Raises:
        BlockingIOError: if another process has the lock.
        OSError: if the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        works = hold(descriptor)
        if works is None:
            if waiting is None:
                raise BlockingIOError(errno.EAGAIN, "Locked by another process", str(path))
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield works is not False
    finally:
        os.close(descriptor)  # and the lock with it


def write_lock(path: Path, text: str) -> None:
    """Writes a short text into a file that is locked, and must therefore stay the same file."""
    path.write_text(text)


def hold(descriptor: int, *, shared: bool = False) -> bool | None:
    """Locks an open file until it is closed: None if another process has the lock, False if it has no locks.

    File systems without locks (Lustre, some of NFS and FUSE) answer with several errors: any other than "held
    by another" is taken for that.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in (errno.EAGAIN, errno.EACCES) else False
    return True


@functools.cache  # once for each listener
def say_unlocked(say: Callable[[str], None]) -> None:
    """Says that locks do not work here."""
    say(NO_LOCKS)
