"""Decodes images on all cores into a file with a place for each."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple, TypeVar

from nas.data.decode import MEMORY, Unusable, decode
from nas.data.depth import WHITE, Span
from reports import count

DIGEST = 16  # bytes

T = TypeVar("T")
R = TypeVar("R")


class Task(NamedTuple):
    """Images, as paths or as encoded bytes, and their places in ``file``, counted in images."""

    file: str
    size: int
    places: list[int]
    images: list[str | bytes]
    white: Mapping[str, Span] = WHITE


class Seen(NamedTuple):
    """What was found out about an image.

    content: a digest of its encoded bytes.
    unusable: why it is left out, empty if it is not; it was not written then.
    too_large: whether it is left out because of a limit.
    transparent, span: as in ``Decoded``.
    """

    place: int
    content: bytes
    unusable: str = ""
    too_large: bool = False
    transparent: bool = False
    span: Span | None = None


def decode_into(task: Task) -> list[Seen]:
    """Decodes images and writes them, except those that are unusable.

    Raises:
        ValueError: if a file cannot be read at all.
        OSError: if the disk is full.
    """
    seen = []
    with Path(task.file).open("r+b") as file:
        for place, image in zip(task.places, task.images, strict=True):
            content = bytes(DIGEST)
            try:
                encoded = image if isinstance(image, bytes) else read_bytes(image)
                content = hashlib.blake2b(encoded, digest_size=DIGEST).digest()
                decoded = decode(encoded, task.size, task.white)
            except Unusable as error:
                seen.append(Seen(place, content, str(error), error.too_large))
                continue
            file.seek(place * decoded.pixels.nbytes)
            file.write(decoded.pixels.tobytes())
            seen.append(Seen(place, content, transparent=decoded.transparent, span=decoded.span))
    return seen


def read_bytes(path: str) -> bytes:
    """The bytes of an image file.

    Raises:
        ValueError: if it cannot be read.
        Unusable: if it is too large.
    """
    try:
        with Path(path).open("rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > MEMORY:
                reason = f"a file of {count(size)} bytes, the limit is {count(MEMORY)}"
                raise Unusable(reason, too_large=True)
            return file.read()
    except OSError as error:
        raise ValueError(f"images must be readable ({error.strerror}), got {path}") from None


def decode_all(tasks: Iterable[Task], processes: int) -> Iterator[tuple[Task, list[Seen]]]:
    """Runs ``decode_into`` on tasks, drawn as processes become free; yields each with what was found out.

    Raises:
        ValueError, OSError: as ``decode_into``.
        BrokenProcessPool: if a process is killed.
    """
    return run_all(decode_into, tasks, processes)


def run_all(work: Callable[[T], R], tasks: Iterable[T], processes: int) -> Iterator[tuple[T, R]]:
    """Does ``work`` on tasks, drawn as processes become free; yields each with what came of it.

    Raises:
        BrokenProcessPool: if a process is killed; and as ``work``.
    """
    if processes == 1:
        for task in tasks:
            yield task, work(task)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
    pending: dict[Future[R], T] = {}
    try:
        for task in tasks:
            if len(pending) == 2 * processes:
                yield from _finished(pending)
            with _without_main():
                pending[pool.submit(work, task)] = task
        while pending:
            yield from _finished(pending)
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Processes that start meanwhile do not run the caller's script again, which may begin a search."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _finished(pending: dict[Future[R], T]) -> Iterator[tuple[T, R]]:
    """Takes at least one finished task out of ``pending``."""
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        yield pending.pop(future), future.result()


def _begin() -> None:
    """Leaves Ctrl-C to the parent, and ends this process when the parent ends, perhaps killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
