"""One image file to a square of uint8 RGB, whatever the file holds: nothing but ``Unusable`` is raised."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from nas.data.dataset import Images
from nas.data.depth import WHITE, Span, deep_colour, span_of, swapped_bytes, to_bytes
from reports import count

NOT_IMAGES = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"})
"""Formats of Pillow that it cannot decode by itself, or only by running another program."""

MEMORY = 10**9  # bytes that a process which decodes may use
BASE = 150 * 10**6  # bytes of it without any image
SECONDS = 8.0  # of CPU time for an image: decoders in pure Python take minutes for large ones
NATIVE = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # bytes per pixel; else 4
DECODERS = {"JPEG2000": 16, "AVIF": 8, "WEBP": 12, "PNG": 0, "JPEG": 0, "MPO": 0, "BMP": 0, "GIF": 0}
"""Bytes per pixel that a decoder needs beside the image; ``OTHERS`` where it is not listed."""
OTHERS = 4

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


class Unusable(Exception):  # noqa: N818  # what it says of the image
    """An image that is left out: ``too_large`` for the limits here, or else no image, or a truncated one."""

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.too_large = too_large


class _TooSlow(BaseException):
    """Not an ``Exception``, which Pillow's code may catch."""


class Decoded(NamedTuple):
    """A decoded image.

    pixels: `[size, size, 3]`.
    transparent: whether a part of it was transparent, and is white now.
    span: of its values, if it has more than 8 bits.
    """

    pixels: Images
    transparent: bool
    span: Span | None


@functools.cache
def formats() -> tuple[str, ...]:
    """The formats that are read, in the order in which Pillow tries them."""
    Image.init()
    return tuple(name for name in Image.ID if name not in NOT_IMAGES)


@functools.cache
def suffixes() -> frozenset[str]:
    """The suffixes of files that are read, in lower case, with their dot."""
    read = formats()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in read)


def decode(encoded: bytes, size: int, white: Mapping[str, Span] = WHITE) -> Decoded:
    """The middle square of an image, `[size, size, 3]`, antialiased (bicubic).

    Grey, palette and CMYK images become RGB; what is transparent becomes white; the first frame is taken.

    Args:
        white: what values of more than 8 bits are scaled by; see ``nas.data.depth``.

    Raises:
        Unusable: if it is not an image, a truncated one, or too large.
    """
    try:
        with _within(SECONDS), _opened(encoded) as image:
            # Decodes a large JPEG at a half, a quarter or an eighth, but at no less than twice ``size``, as
            # Pillow does for thumbnails: four times faster for photos.
            coefficients = 2 * len(image.getbands()) * image.width * image.height
            image.draft(None, (2 * size, 2 * size))
            swapped = swapped_bytes(image)
            held = coefficients if image.info.get("progressive") else 0  # those of a JPEG, in full size
            _check_memory(image, len(encoded) + held, deep=swapped is not None)
            turn = _turn(image)
            image.load()
            whole, transparent, span = _rgb(image, encoded, white, swapped)
        side = min(whole.size)
        left, top = (whole.width - side) / 2, (whole.height - side) / 2
        box = (left, top, left + side, top + side)
        square = whole.resize((size, size), Image.Resampling.BICUBIC, box).convert("RGB")
    except _TooSlow:
        raise Unusable(f"takes more than {SECONDS:g} s to decode", too_large=True) from None
    except Unusable:
        raise
    except Exception as error:  # noqa: BLE001  # Pillow's decoders raise what they meet
        raise _unusable(error) from None
    return Decoded(np.asarray(square if turn is None else square.transpose(turn)), transparent, span)


def own_size(images: Iterable[str | bytes]) -> int:
    """The median of the images' shorter sides, in pixels, from their headers; 0 if none can be read."""
    sides = []
    for encoded in images:
        with contextlib.suppress(Exception), _opened(encoded) as image:
            sides.append(min(image.size))
    return int(np.median(sides)) if sides else 0


@contextlib.contextmanager
def _opened(encoded: str | bytes) -> Iterator[Image.Image]:
    file = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
    with warnings.catch_warnings(action="ignore"), Image.open(file, formats=formats()) as image:
        yield image


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raises ``_TooSlow`` after ``seconds`` of CPU time; only a main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _check_memory(image: Image.Image, beside: int, *, deep: bool) -> None:
    """Unusable if decoding and converting the image would take more than ``MEMORY``, ``beside`` included."""
    native = NATIVE.get(image.mode, 4)
    converted = 0 if image.mode in ("RGB", "L") else 4
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        converted = 3 * native
    elif deep:
        converted = 24
    each = native + converted + DECODERS.get(image.format or "", OTHERS)
    needed = BASE + beside + each * image.width * image.height
    if needed > MEMORY:
        raise Unusable(f"needs {count(needed)} bytes of memory, the limit is {count(MEMORY)}", too_large=True)


def _unusable(error: Exception) -> Unusable:
    """What Pillow refuses, and whether it is because of a limit, which is then named."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        pixels, limit, *_ = (*re.findall(r"\d+", text), "0", "0")
        return Unusable(f"{int(pixels):,} pixels, the limit is {int(limit):,}", too_large=True)
    if "MAX_TEXT_CHUNK" in text:
        limit = f"{PngImagePlugin.MAX_TEXT_CHUNK:,}"
        return Unusable(f"a text in it, the limit is {limit} bytes", too_large=True)
    if "MAX_TEXT_MEMORY" in text:
        limit = f"{PngImagePlugin.MAX_TEXT_MEMORY:,}"
        return Unusable(f"the texts in it, the limit is {limit} bytes", too_large=True)
    if isinstance(error, UnidentifiedImageError):
        return Unusable("no image of a format that is read")
    if isinstance(error, MemoryError):
        return Unusable("needs more memory than there is", too_large=True)
    return Unusable(text)


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001  # the EXIF data is damaged, but the image may be whole
        return None


def _rgb(
    image: Image.Image, encoded: bytes, white: Mapping[str, Span], swapped: list[Any] | None
) -> tuple[Image.Image, bool, Span | None]:
    """The image as RGB or grey, whether a part was transparent, and the span of values of over 8 bits."""
    if (span := span_of(image)) is not None:
        return to_bytes(image, white[span.kind]), False, span
    colours = None
    if swapped is not None:
        colours, span = deep_colour(image, white["whole"], lambda: _opened(encoded), swapped)
    transparent = False
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        low, high = rgba.getchannel("A").getextrema()
        # Where nothing can be seen at all, as in many BMP and TGA files, the channel is not used.
        if high == 0 or low == 255:
            return colours or rgba.convert("RGB"), False, span
        alpha = rgba if colours is None else rgba.getchannel("A")
        image = Image.new("RGB", rgba.size, "white")
        image.paste(colours or rgba, mask=alpha)
        colours, transparent = None, True
    whole = colours or image
    return whole if whole.mode in ("RGB", "L") else whole.convert("RGB"), transparent, span
