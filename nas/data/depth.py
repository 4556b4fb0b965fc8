"""Images of more than 8 bits: what values a data set uses, and all its images scaled by these alike.

Cameras and scanners write files of 16 bits that use 8, 10, 12 or 14 of them. If each image were scaled by its
own largest value, brightness would be lost; if all were by the file's 16 bits, most images would be black.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BITS = (8, 10, 12, 14, 16, 24, 32)


class Span(NamedTuple):
    """The least and the largest value, of one image or of a data set.

    kind: ``whole`` numbers, or ``real`` ones.
    """

    kind: str
    low: float
    high: float


WHITE = {"whole": Span("whole", 0, 2**16 - 1), "real": Span("real", 0, 1)}
"""What images are scaled by before it is known which values the data set uses."""


def used(spans: Iterable[Span]) -> Span:
    """What to scale images of these spans by: from black, which is 0 or the least negative value, to white.

    White is 1 for real numbers of at most 1; otherwise the largest value of the least bits that are enough.
    """
    listed = list(spans)
    kind, low, high = listed[0].kind, min(span.low for span in listed), max(span.high for span in listed)
    if low < 0:
        return Span(kind, low, max(high, low + 1))
    if kind == "real" and high <= 1:
        return WHITE["real"]
    return Span(kind, 0, 2 ** next((bits for bits in BITS if high < 2**bits), BITS[-1]) - 1)


def in_words(span: Span) -> str:
    """``12 bits``, or the values from black to white."""
    bits = (span.high + 1).bit_length() - 1 if isinstance(span.high, int) else 0
    return f"{bits} bits" if bits in BITS and span.low == 0 else f"values from {span.low:g} to {span.high:g}"


def span_of(image: Image.Image) -> Span | None:
    """The span of a grey image of more than 8 bits; None for other images."""
    if image.mode != "I" and image.mode != "F" and not image.mode.startswith("I;16"):
        return None
    values = np.asarray(image)
    if image.mode != "F":
        return Span("whole", int(values.min()), int(values.max()))
    with np.errstate(invalid="ignore"):
        low, high = np.nanmin(values), np.nanmax(np.where(np.isinf(values), np.nan, values))
    if not np.isfinite([low, high]).all():
        raise ValueError("must hold finite values")
    return Span("real", float(low), float(high))


def to_bytes(image: Image.Image, white: Span) -> Image.Image:
    """A grey image of more than 8 bits as one of 8."""
    return Image.fromarray(_scaled(np.asarray(image), white))


def _scaled(values: NDArray[Any], white: Span) -> NDArray[np.uint8]:
    if white.low == 0 and white.kind == "whole":
        bits = int(white.high).bit_length()
        most = min(int(white.high), np.iinfo(values.dtype).max)
        return np.asarray(np.clip(values, 0, most) >> (bits - 8), np.uint8)
    scaled = (np.asarray(values, np.float32) - white.low) * (255 / (white.high - white.low))
    return np.asarray(np.clip(np.rint(np.nan_to_num(scaled)), 0, 255), np.uint8)


def deep_colour(
    image: Image.Image,
    white: Span,
    opened: Callable[[], AbstractContextManager[Image.Image]],
    swapped: list[Any],
) -> tuple[Image.Image | None, Span]:
    """The colours of an image of 16 bits each, and their span; None if they are the upper bytes.

    Pillow has no such mode: it keeps the upper byte of each colour. The lower ones are those that it keeps if
    the file is read again with its bytes swapped, and only needed where the upper ones are nearly unused.

    Args:
        opened: opens the file again.
        swapped: see ``swapped_bytes``.
    """
    upper = np.asarray(image.convert("RGB"))
    if upper.max() >= 2**6 and white.high == 2**16 - 1:  # 15 or 16 bits are used, and none can be told apart
        return None, Span("whole", 0, int(upper.max()) * 256 + 255)
    with opened() as other:
        other.tile = swapped  # type: ignore[attr-defined]  # files have it, images in memory have not
        values = (upper.astype(np.uint16) << 8) | np.asarray(other.convert("RGB"))
    return Image.fromarray(_scaled(values, white)), Span("whole", int(values.min()), int(values.max()))


def swapped_bytes(image: Image.Image) -> list[Any] | None:
    """How to read the lower bytes of a PNG or TIFF of 16 bits a colour, before it is loaded; else None."""
    tiles = getattr(image, "tile", ())
    if image.format not in ("PNG", "TIFF") or image.mode not in ("RGB", "RGBA") or not tiles:
        return None
    args = tiles[0].args
    name, more = (args, ()) if isinstance(args, str) else (args[0], tuple(args[1:]))
    other = {"B": "L", "L": "B", "N": "B"}.get(name[-1:])
    if ";16" not in name or other is None:
        return None
    raw = name[:-1] + other
    return [tile._replace(args=(raw, *more) if more else raw) for tile in tiles]
