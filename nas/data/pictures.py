"""Image files read for a trained network: sized and in memory, and those that cannot be read named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nas.data.dataset import Images
from nas.data.decode import Unusable, decode
from nas.data.depth import WHITE, Span
from nas.data.packing import CHUNK, IMAGES_PER_PROCESS
from nas.data.workers import read_bytes, run_all
from nas.spec.machine import cpu_count

Encoded = str | bytes
"""The path of an image file, or what is in one."""


class Size(NamedTuple):
    """How images are read.

    side: in pixels, of the middle square.
    channels: 3, or 1 for grey.
    white: what those of more than 8 bits are scaled by, by their kind; see ``nas.data.depth``.
    """

    side: int
    channels: int
    white: Mapping[str, Span] = WHITE


class Batch(NamedTuple):
    """Images to read, and their numbers."""

    numbers: list[int]
    encoded: list[Encoded]
    size: Size


class Pictures(NamedTuple):
    """A batch that was read.

    numbers: of the images that could be read.
    pixels: these images, `[B, side, side, channels]`.
    broken: why the others cannot be used, by their numbers.
    """

    numbers: list[int]
    pixels: Images
    broken: dict[int, str]


def read_batch(batch: Batch) -> Pictures:
    """Reads and decodes a batch; nothing is raised for an image that cannot be used."""
    numbers, pixels, broken = [], [], {}
    for number, encoded in zip(batch.numbers, batch.encoded, strict=True):
        try:
            content = encoded if isinstance(encoded, bytes) else read_bytes(encoded)
            square = decode(content, batch.size.side, WHITE | dict(batch.size.white)).pixels
        except Unusable as error:
            broken[number] = str(error)
        except ValueError as error:
            broken[number] = str(error.__cause__ or error)
        else:
            numbers.append(number)
            pixels.append(square)
    if batch.size.channels == 1:
        pixels = [square.mean(2, keepdims=True).round().astype(np.uint8) for square in pixels]
    side, channels = batch.size.side, batch.size.channels
    return Pictures(numbers, np.reshape(np.array(pixels, np.uint8), (-1, side, side, channels)), broken)


def read_pictures(
    number: int, read: Callable[[Sequence[int]], list[Encoded]], size: Size
) -> Iterator[Pictures]:
    """All images, batch by batch, in any order; on all cores if there are many.

    Args:
        number: how many there are.
        read: gives the paths or the contents of some of them.
    """
    processes = max(1, min(cpu_count(), number // IMAGES_PER_PROCESS))

    def batches() -> Iterator[Batch]:
        for start in range(0, number, CHUNK):
            numbers = list(range(start, min(start + CHUNK, number)))
            yield Batch(numbers, read(numbers), size)

    for _, pictures in run_all(read_batch, batches(), processes):
        yield pictures
