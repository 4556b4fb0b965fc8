import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pictures import encoded, noise
from PIL import Image

from nas.data.decode import Unusable
from nas.data.decode import decode as decoded

SQUARE = noise(0, 24, 24)


def decode(content, size):
    return decoded(content, size).pixels


def close(a, b, levels):
    return np.abs(a.astype(int) - b).mean() < levels


def test_a_square_image_is_resized_by_antialiased_bicubic():
    expected = Image.fromarray(SQUARE).resize((10, 10), Image.Resampling.BICUBIC)
    assert np.array_equal(decode(encoded(SQUARE), 10), np.asarray(expected))


def test_an_image_of_the_size_asked_for_is_left_alone():
    assert np.array_equal(decode(encoded(SQUARE), 24), SQUARE)


@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (24, 61)])
def test_the_shorter_side_is_resized_and_the_middle_kept(shape):
    image = Image.fromarray(noise(1, *shape))
    scale = 12 / min(image.size)
    whole = image.resize((round(scale * image.width), round(scale * image.height)), Image.Resampling.BICUBIC)
    left, top = (whole.width - 12) // 2, (whole.height - 12) // 2
    middle = np.asarray(whole.crop((left, top, left + 12, top + 12)))
    assert close(decode(encoded(image), 12), middle, 4)


def grey16():
    return Image.fromarray(SQUARE[..., 0].astype(np.uint16) * 257)


@pytest.mark.parametrize(
    ("image", "form"),
    [
        (Image.fromarray(SQUARE), "JPEG"),
        (Image.fromarray(SQUARE), "WEBP"),
        (Image.fromarray(SQUARE), "BMP"),
        (Image.fromarray(SQUARE).convert("CMYK"), "JPEG"),
        (Image.fromarray(SQUARE).convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
        (Image.fromarray(SQUARE).convert("RGBA"), "PNG"),
        (Image.fromarray(SQUARE).convert("RGBA"), "WEBP"),
    ],
)
def test_colour_of_any_mode_becomes_rgb(image, form):
    assert close(decode(encoded(image, form), 24), SQUARE, 6)


@pytest.mark.parametrize(
    "image", [Image.fromarray(SQUARE[..., 0]), grey16(), Image.fromarray(SQUARE[..., 0]).convert("LA")]
)
def test_grey_becomes_rgb_and_16_bits_8(image):
    assert np.array_equal(decode(encoded(image), 24), np.repeat(SQUARE[..., :1], 3, axis=2))


def test_black_and_white_becomes_rgb():
    image = Image.fromarray(SQUARE[..., 0] > 127)
    assert set(decode(encoded(image), 24).ravel().tolist()) == {0, 255}


def test_transparency_of_a_palette_is_white():
    image = Image.fromarray(SQUARE).quantize(8)
    plain = decode(encoded(image), 24)
    seen = decoded(encoded(image, transparency=b"\xff" * 4 + b"\0" * 4), 24)
    hidden = np.asarray(image) >= 4
    assert seen.transparent
    assert np.array_equal(seen.pixels, np.where(hidden[..., None], 255, plain))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_as_their_camera_was(orientation):
    from PIL import ImageOps

    image = Image.fromarray(noise(2, 24, 36))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(image, "PNG", exif=exif)
    image.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(image)
    assert close(decode(content, 12), decode(encoded(upright), 12), 1)


def test_a_large_jpeg_that_is_decoded_in_part_looks_as_if_in_full():
    image = Image.fromarray(noise(3, 600, 600))
    content = encoded(image, "JPEG", quality=95)
    whole = Image.open(io.BytesIO(content)).resize((60, 60), Image.Resampling.BICUBIC)
    assert close(decode(content, 60), np.asarray(whole), 1)
    assert np.array_equal(decode(content, 60), decode(content, 60))


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", encoded(SQUARE)[:-40], encoded(SQUARE, "JPEG")[:300]]
)
def test_whatever_is_not_a_whole_image_is_broken(content):
    with pytest.raises(Unusable):
        decode(content, 8)


FORMS = {form: encoded(noise(5), form) for form in ("PNG", "JPEG", "WEBP", "BMP")} | {
    "EXIF": encoded(noise(5), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0")
}


@example("EXIF", [(20, 0)], 700)
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=20),
    st.integers(0, 900),
)
def test_a_damaged_file_is_an_image_or_broken_and_nothing_else(form, changes, length):
    content = bytearray(FORMS[form])
    for place, value in changes:
        content[place % len(content)] = value
    try:
        pixels = decode(bytes(content[:length]), 8)
    except Unusable:
        return
    assert (pixels.shape, pixels.dtype) == ((8, 8, 3), np.uint8)
