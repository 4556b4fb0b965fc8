"""Transparency is laid on white, and more than 8 bits are scaled by what the data set uses; both are said."""

import io

import numpy as np
import pytest
from fakes import Heard
from pictures import encoded, png
from PIL import Image

from nas.data import load_data
from nas.data.cache import Cache
from nas.data.decode import decode
from nas.data.depth import Span, used

GREY = np.add.outer(np.arange(0, 128, 8), np.arange(0, 128, 8)).astype(np.uint16)  # [16, 16], to 240


@pytest.fixture
def load(tmp_path):
    """Loads images, ten of a class; ``load.said`` has the messages."""

    def load(images, suffix=".png"):
        for name in ("cat", "dog"):
            (tmp_path / "f" / name).mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images):
            image.save(tmp_path / "f" / ("cat", "dog")[i % 2] / f"{i}{suffix}")
        heard = Heard()
        data = load_data(f"folder:{tmp_path}/f", size=16, cache=Cache(tmp_path / "cache"), listener=heard)
        load.said = heard.said
        return sorted(
            image.tobytes() for part in (data.train, data.valid, data.test) for image in part.images
        )

    return load


def pixels(grey):
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2).tobytes()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_of_16_bits_is_scaled_by_what_the_data_set_uses(load, bits, suffix):
    dark = [GREY // 2 << (bits - 8)] * 19
    white = np.full_like(GREY, 2**bits - 1)
    seen = load([Image.fromarray(image) for image in (white, *dark)], suffix)
    assert seen == sorted([pixels(GREY // 2)] * 19 + [pixels(np.full_like(GREY, 255))])
    assert load.said[-1].startswith(f"20 images of more than 8 bits use {bits} bits in folder:")


def test_the_scale_is_that_of_all_images_not_of_each(load):
    images = [Image.fromarray(np.full_like(GREY, 40 * (i % 10))) for i in range(20)]  # to 360, 10 bits
    assert sorted({row[0] for row in load(images)}) == [10 * level for level in range(10)]


def sixteen(channels, alpha=None):
    """A PNG of 16 bits a channel, which Pillow does not write."""
    planes = [*channels, *([] if alpha is None else [alpha])]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[len(planes)]
    height, width = planes[0].shape
    rows = np.stack(planes, -1).astype(">u2").tobytes()
    stride = width * len(planes) * 2
    raw = b"".join(b"\0" + rows[i : i + stride] for i in range(0, len(rows), stride))
    return png(width, height, 16, kind, raw)


class Bytes:
    def __init__(self, content):
        self.content = content

    def save(self, path):
        path.write_bytes(self.content)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_colour_of_16_bits_is_scaled_by_what_the_data_set_uses(load, bits):
    colour = [GREY // scale << (bits - 8) for scale in (1, 2, 3)]
    seen = load([Bytes(sixteen(colour))] * 20)
    expected = np.stack([GREY // scale for scale in (1, 2, 3)], -1).astype(np.uint8).tobytes()
    assert seen == [expected] * 20
    assert f"use {bits} bits" in load.said[-1]


def test_colour_of_16_bits_may_be_transparent(load):
    alpha = np.where(GREY > 100, 65535, 0)
    seen = load([Bytes(sixteen([GREY << 4] * 3, alpha))] * 20)
    assert seen == [pixels(np.where(GREY > 100, GREY, 255))] * 20
    assert load.said[-2].startswith("20 images with transparent parts are laid on white in folder:")


def test_real_numbers_are_scaled_alike(load):
    images = [Image.fromarray((GREY / 255).astype(np.float32)) for _ in range(20)]
    assert load(images, ".tif") == [pixels(GREY)] * 20
    assert "use values from 0 to 1 in" in load.said[-1]


@pytest.mark.parametrize(
    ("spans", "white"),
    [
        ([(0, 255)], (0, 255)),
        ([(0, 200), (3, 300)], (0, 1023)),
        ([(0, 65535)], (0, 65535)),
        ([(0, 70000)], (0, 2**24 - 1)),
        ([(-1000, 3000), (0, 100)], (-1000, 3000)),
        ([(-5, -5)], (-5, -4)),
    ],
)
def test_white_is_the_largest_value_of_the_bits_that_are_used(spans, white):
    assert used([Span("whole", *span) for span in spans]) == Span("whole", *white)


HALF = pixels(np.where(np.arange(256).reshape(16, 16) % 16 < 8, 0, 255))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".gif"])
def test_what_is_transparent_becomes_white_and_it_is_said(load, mode, suffix):
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (8, 0, 16, 16))
    if mode == "P":
        image = image.quantize(4)
    elif mode == "LA":
        image = image.convert("LA")
    if (mode, suffix) in (("P", ".tif"), ("P", ".gif"), ("LA", ".gif")):  # Pillow writes no such files
        image = image.convert("RGBA")
    options = {"lossless": True} if suffix == ".webp" else {}
    seen = load([Saved(image, **options)] * 20, suffix)
    assert seen == [HALF] * 20
    assert load.said[-1].startswith("20 images with transparent parts are laid on white in folder:")


class Saved:
    def __init__(self, image, **options):
        self.image, self.options = image, options

    def save(self, path):
        self.image.save(path, **self.options)


def test_one_colour_may_be_transparent():
    image = Image.fromarray(np.where(np.arange(256).reshape(16, 16) % 16 < 8, 0, 7).astype(np.uint8))
    for picture, colour in ((image, 7), (image.convert("RGB"), (7, 7, 7))):
        seen = decode(encoded(picture, transparency=colour), 16)
        assert seen.transparent
        assert seen.pixels.tobytes() == HALF


@pytest.mark.parametrize("alpha", [255, 0])
def test_a_channel_of_one_value_is_no_transparency(alpha):
    image = Image.fromarray(GREY.astype(np.uint8)).convert("RGBA")
    image.putalpha(alpha)
    seen = decode(encoded(image), 16)
    assert not seen.transparent
    assert seen.pixels.tobytes() == pixels(GREY)


def test_half_transparent_is_half_white():
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 128))
    image.putpixel((0, 0), (0, 0, 0, 255))
    assert decode(encoded(image), 16).pixels[8, 8].tolist() == [127] * 3


def test_values_that_are_not_finite_are_broken():
    from nas.data.decode import Unusable

    values = np.full((16, 16), np.nan, np.float32)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    with pytest.raises(Unusable, match="finite"):
        decode(file.getvalue(), 8)
