"""How SQLite can write ``run.db`` where it lies, found out by trying.

Its log (WAL) needs memory that processes share. Network disks cannot give that to several machines, even if
one can map it: sqlite.org/wal.html. A rollback journal needs only locks. Without locks there is one writer
all the same, because nothing else writes a run; readers then take copies.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import reports
from nas.errors import InputError
from reports.run_db import TABLES, refuse_damage

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = (
    "nfs",
    "nfs4",
    "lustre",
    "gpfs",
    "beegfs",
    "cifs",
    "smb3",
    "ceph",
    "9p",
    "afs",
    "pvfs2",
    "glusterfs",
    "fuse",
)
"""Types of file systems that several machines may share; of ``fuse``, any kind."""


class Storage(NamedTuple):
    """How a file is opened.

    wal: with SQLite's log, which readers never wait for; otherwise with a rollback journal.
    locks: with SQLite's locks.
    """

    wal: bool
    locks: bool

    def connect(self, path: Path) -> sqlite3.Connection:
        """A connection that writes, with explicit transactions; the file is made if it is not there."""
        vfs = "" if self.locks else "&vfs=unix-none"
        uri = f"{path.resolve().as_uri()}?mode=rwc{vfs}"
        return sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)

    def words(self, directory: Path) -> str | None:
        """What a user should know of it."""
        if self.wal:
            return None
        kind = file_system(directory)
        where = f"a network disk ({kind})" if is_network(kind) else "a disk without shared memory"
        return f"run.db is on {where}: it is written with a rollback journal, a little slower."


def storage_of(directory: Path) -> Storage:
    """What the file system of ``directory`` can do."""
    locks, shares = True, True
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=directory) as file:
        file.truncate(mmap.PAGESIZE)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as SQLite; flock may work where this does not
        except OSError:
            locks = False
        try:
            mmap.mmap(file.fileno(), mmap.PAGESIZE).close()
        except OSError:
            shares = False
    return Storage(wal=locks and shares and not is_network(file_system(directory)), locks=locks)


def file_system(directory: Path) -> str:
    """The type of the file system that ``directory`` lies on, such as ``ext4``; empty if unknown."""
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    return type_of(os.path.realpath(directory), mounts)


def type_of(path: str, mounts: Iterable[str]) -> str:
    """The type of the file system of an absolute ``path``, from the lines of ``mountinfo``."""
    longest, found = -1, ""
    for line in mounts:
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        place = fields[4].encode().decode("unicode_escape") if "\\" in fields[4] else fields[4]
        below = path == place or path.startswith(place.rstrip("/") + "/")
        if below and len(place) >= longest:  # of two on one place, the later one covers the other
            longest, found = len(place), right.split()[0]
    return found


def is_network(kind: str) -> bool:
    """Whether several machines may share a file system of this type."""
    return kind in NETWORK or kind.startswith("fuse.")


def connect(path: Path) -> sqlite3.Connection:
    """Opens an existing ``run.db``.

    Raises:
        InputError: if it is missing, damaged, or written by another program or a newer version.
    """
    try:
        return reports.connect(path)
    except ValueError as error:
        raise InputError(str(error)) from error.__cause__


def open_run_db(path: Path, storage: Storage, *, create: bool) -> sqlite3.Connection:
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
