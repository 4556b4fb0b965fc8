"""The directory for packs, of limited size, which several processes may use at once.

KEY/        a pack
KEY.tmp/    a pack in the making; a leftover if no process holds its lock
KEY.lock    held to make, open or remove the pack KEY
room.lock   held to add up the sizes, and to make room for a new pack

A pack is in use while any process maps it into memory: the mapping holds a shared lock on the file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas import files
from nas.data.dataset import Images
from nas.errors import InputError
from reports import count

HEADER = "pack.json"  # its modification time is when the pack was last used


def default_directory() -> Path:
    """``$NAS_CACHE``, or ``nas`` in the user's cache directory.

    Raises:
        RuntimeError: if the user has no home that can be written.
    """
    if given := os.environ.get("NAS_CACHE"):
        return Path(given).expanduser().absolute()
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given).absolute() / "nas"
    if (home := Path.home()) == files.own_path():
        raise RuntimeError("there is no home that can be written")
    return home / ".cache" / "nas"


def _made(directory: Path) -> Path:
    """The directory, made if it was missing; OSError if it cannot be written."""
    directory.mkdir(parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(directory))
    return directory


def _unusable(reason: object, directory: object) -> InputError:
    return InputError(f"NAS_CACHE must be a directory that can be written ({reason}), got {directory}")


def _nothing() -> None:
    """Nothing happens."""


@dataclass(frozen=True)
class Cache:
    """A directory for packs.

    Args:
        directory: see ``opened`` for None.
        limit: bytes of all packs together.
    """

    directory: Path | None = None
    limit: int = 50 * 10**9

    def opened(self, say: Callable[[str], None]) -> Cache:
        """The cache with a directory, which exists: ``$NAS_CACHE``, the default one, or else a temporary one.

        Args:
            say: told if the default one cannot be used.

        Raises:
            InputError: if a directory that was asked for cannot be used.
        """
        asked = self.directory or os.environ.get("NAS_CACHE")
        try:
            return dataclasses.replace(self, directory=_made(self.directory or default_directory()))
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            if asked:
                raise _unusable(reason, asked) from None
        try:
            temporary = _made(files.own_directory() / "cache")
        except OSError as error:
            raise _unusable(error.strerror, "nothing") from None
        say(f"Images are packed into {temporary} ({reason}); NAS_CACHE may name another place")
        return dataclasses.replace(self, directory=temporary)

    @contextlib.contextmanager
    def locked(
        self, key: str, waiting: Callable[[], None] = _nothing, unlocked: Callable[[], None] = _nothing
    ) -> Iterator[Path]:
        """Locks the pack ``key`` against other processes, and gives its directory, which need not exist.

        Args:
            waiting: called if another process holds the lock.
            unlocked: called if locks do not work here.

        Raises:
            InputError: if the cache cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.place.mkdir(parents=True, exist_ok=True)
                works = stack.enter_context(files.locked(self.place / f"{key}.lock", waiting))
            except OSError as error:
                raise _unusable(error.strerror, self.place) from None
            if not works:
                unlocked()
            yield self.place / key

    @property
    def place(self) -> Path:
        """The directory of a cache that was ``opened``."""
        assert self.directory is not None
        return self.directory

    @contextlib.contextmanager
    def making(self, pack: Path, sizes: dict[str, int]) -> Iterator[Path]:
        """A new directory with files of these sizes; it becomes ``pack``, or vanishes if anything is raised.

        Args:
            pack: locked by this process, and not there yet.

        Raises:
            InputError: if the limit is too low, or the disk is full.
        """
        new = pack.with_suffix(".tmp")
        try:
            with files.locked(self.place / "room.lock", _nothing):
                self._make_room(pack.name, sum(sizes.values()))
                new.mkdir()
                for name, size in sizes.items():  # sparse, but other processes count them
                    with (new / name).open("wb") as file:
                        file.truncate(size)
            yield new
            new.rename(pack)
            files.sync(self.place)
        except OSError as error:
            raise self._full(sum(sizes.values()), error.strerror) from None
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _make_room(self, key: str, wanted: int) -> None:
        """Removes leftovers, and then least recently used packs until ``wanted`` bytes are free."""
        if wanted > self.limit:
            raise InputError(
                f"cache_size must be at least {count(wanted)} for these images, got {count(self.limit)}"
            )
        for gone in self.place.glob("*.gone"):
            shutil.rmtree(gone, ignore_errors=True)
        for leftover in self.place.glob("*.tmp"):
            self._remove(leftover.stem, leftover, mine=leftover.stem == key)
        used = {path: _size(path) for path in self.place.iterdir() if path.is_dir()}
        for path in sorted((path for path in used if not path.suffix), key=_last_used):
            if self._spare(used.values()) >= wanted:
                break
            if self._remove(path.name, path):
                del used[path]
        if self.limit - sum(used.values()) < wanted:
            raise InputError(
                f"cache_size must be at least {count(sum(used.values()) + wanted)}, because other "
                f"packs in {self.place} are in use, got {count(self.limit)}"
            )
        if self._spare(used.values()) < wanted:
            raise self._full(wanted, f"{count(shutil.disk_usage(self.place).free)} is free")

    def _spare(self, used: Iterable[int]) -> int:
        return min(self.limit - sum(used), shutil.disk_usage(self.place).free)

    def _full(self, wanted: int, reason: str | None) -> InputError:
        return InputError(
            f"NAS_CACHE must be a directory with room for {count(wanted)} bytes of images ({reason}), "
            f"got {self.place}"
        )

    def _remove(self, key: str, path: Path, *, mine: bool = False) -> bool:
        """Removes a directory unless it is in use; whether it was removed.

        Args:
            mine: whether this process holds the lock of ``key``.
        """
        with contextlib.ExitStack() as stack:
            if not mine:
                try:
                    stack.enter_context(files.locked(self.place / f"{key}.lock"))
                except BlockingIOError:
                    return False
            if path.suffix != ".tmp" and _in_use(path):
                return False
            gone = path.with_suffix(".gone")  # atomic, however long the removal takes
            path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
        return True


def mapped(path: Path, shape: Sequence[int]) -> Images:
    """A file's images as a read-only memory map, locked for as long as any array of them exists."""
    with path.open("rb") as file:
        with contextlib.suppress(OSError):  # without locks, a pack in use may be removed: its memory stays
            fcntl.flock(file, fcntl.LOCK_SH)
        return np.asarray(np.memmap(file, np.uint8, "r", shape=tuple(shape)))


def _in_use(pack: Path) -> bool:
    """Whether any process maps a file of ``pack``."""
    for path in pack.iterdir():
        with path.open("rb") as file:
            if files.hold(file.fileno()) is None:
                return True
    return False


def _size(directory: Path) -> int:
    """Bytes in ``directory``; 0 if another process is removing it."""
    with contextlib.suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in directory.iterdir())
    return 0


def _last_used(pack: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return (pack / HEADER).stat().st_mtime_ns
    return 0
