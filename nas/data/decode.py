"""Decodes image files to square uint8 RGB images, on all cores, into a file with a place for each."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import struct
import threading
import warnings
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from nas.data.dataset import Images

BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, OverflowError, EOFError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)
"""What Pillow raises for files that are not images, or are truncated."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation, which tells how the camera was held."""


class Task(NamedTuple):
    """Images, as paths or as encoded bytes, and their places in ``file``, counted in images."""

    file: str
    size: int
    places: list[int]
    images: list[str | bytes]


def decode(encoded: bytes, size: int) -> Images:
    """The middle square of an image, `[size, size, 3]`, antialiased (bicubic).

    Grey, palette, CMYK and 16-bit images become RGB; transparency is dropped; the first frame is taken.

    Raises:
        BROKEN: if it is not an image, or a truncated one.
    """
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(encoded)) as image:
        # Decodes a large JPEG at a half, a quarter or an eighth, but at no less than twice ``size``, as
        # Pillow does for thumbnails: four times faster for photos.
        image.draft(None, (2 * size, 2 * size))
        turn = _turn(image)
        whole = _rgb(image)
    side = min(whole.size)
    left, top = (whole.width - side) / 2, (whole.height - side) / 2
    square = whole.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    return np.asarray(square if turn is None else square.transpose(turn))


def own_size(images: Iterable[str | bytes]) -> int:
    """The median of the images' shorter sides, in pixels, from their headers; 0 if none can be read."""
    sides = []
    for encoded in images:
        file = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
        with (
            contextlib.suppress(*BROKEN),
            warnings.catch_warnings(action="ignore"),
            Image.open(file) as image,
        ):
            sides.append(min(image.size))
    return int(np.median(sides)) if sides else 0


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except BROKEN:  # the EXIF data is damaged, but the image may be whole
        return None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # convert would clip values above 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def decode_into(task: Task) -> list[int]:
    """Decodes images and writes them; the places of broken ones, which are not written.

    Raises:
        ValueError: if a file cannot be read at all.
        OSError: if the disk is full.
    """
    broken = []
    with Path(task.file).open("r+b") as file:
        for place, image in zip(task.places, task.images, strict=True):
            encoded = image if isinstance(image, bytes) else _read(image)
            try:
                pixels = decode(encoded, task.size)
            except BROKEN:
                broken.append(place)
                continue
            file.seek(place * pixels.nbytes)
            file.write(pixels.tobytes())
    return broken


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"images must be readable ({error.strerror}), got {path}") from None


def decode_all(tasks: Iterable[Task], processes: int) -> Iterator[tuple[Task, list[int]]]:
    """Runs ``decode_into`` on tasks, drawn as processes become free; yields each with its broken places.

    Raises:
        ValueError, OSError: as ``decode_into``.
        BrokenProcessPool: if a process is killed.
    """
    if processes == 1:
        for task in tasks:
            yield task, decode_into(task)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _begin)
    pending: dict[Future[list[int]], Task] = {}
    try:
        for task in tasks:
            if len(pending) == 2 * processes:
                yield from _finished(pending)
            pending[pool.submit(decode_into, task)] = task
        while pending:
            yield from _finished(pending)
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(pending: dict[Future[list[int]], Task]) -> Iterator[tuple[Task, list[int]]]:
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
