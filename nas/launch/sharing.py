"""How many searches use the same machines now, so that each takes its share of them."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from nas.files import locked, write_lock
from nas.launch.board import forget, get, names, put
from nas.launch.cluster import head_answers
from nas.launch.worker import kill

GONE = 20.0
"""Seconds after which a search of a cluster that has said nothing new is over."""
PREFIX = "search "
SESSION = re.compile(r"session_[0-9_-]{20,60}")


class Share(Protocol):
    """The other searches."""

    def searches(self) -> int:
        """How many there are, this one included."""


class LocalShare:
    """The searches of this user on this machine: each holds the lock of a file that names its Ray."""

    def __init__(self) -> None:
        self.prefix = f"nas-search-{os.getuid()}-"
        self.own = Path(tempfile.gettempdir(), f"{self.prefix}{uuid.uuid4().hex[:12]}")

    def searches(self) -> int:
        return 1 + sum(map(self._lives, self.own.parent.glob(f"{self.prefix}*")))

    def _lives(self, file: Path) -> bool:
        if file == self.own:
            return False
        try:
            with locked(file) as works:
                if works:  # its search was killed
                    if file.stat().st_uid == os.getuid():
                        end_session(file.read_text(errors="replace"))
                    file.unlink(missing_ok=True)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False


def end_session(name: str) -> None:
    """Ends what is left of a Ray of this user whose search was killed: by itself it takes a minute."""
    if not SESSION.fullmatch(name):
        return
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if name.encode() in (process / "cmdline").read_bytes():
                kill(int(process.name))


class ClusterShare:
    """The searches of a cluster: each says something new again and again."""

    def __init__(self) -> None:
        self.own, self.count = f"{PREFIX}{uuid.uuid4().hex}", itertools.count()
        self.heard: dict[str, tuple[str, float]] = {}

    def searches(self) -> int:
        now = time.monotonic()
        put(self.own, str(next(self.count)))
        self.heard = {name: self._heard(name, now) for name in names(PREFIX) if name != self.own}
        for name, (_, when) in self.heard.items():
            if now - when > 10 * GONE:
                forget(name)
        return 1 + sum(now - when <= GONE for _, when in self.heard.values())

    def _heard(self, name: str, now: float) -> tuple[str, float]:
        said = get(name)
        before = self.heard.get(name)
        return before if before and before[0] == said else (said, now)


@contextlib.contextmanager
def sharing(address: str, session: str) -> Iterator[Share]:
    """Says that this search is there, until the end.

    Args:
        session: Ray's name of it.
    """
    if address == "local":
        here = LocalShare()
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # then no other search makes room for this one
                stack.enter_context(locked(here.own))
                stack.callback(here.own.unlink, missing_ok=True)
                write_lock(here.own, session)
            yield here
        return
    on_cluster = ClusterShare()
    try:
        yield on_cluster
    finally:
        if head_answers():
            forget(on_cluster.own)
