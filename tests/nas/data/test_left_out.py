"""Images that cannot be used are counted and named, with the limit if there is one, and not split."""

import io
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from fakes import Heard
from pictures import encoded, noise, png, write_classes
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from places import ROOT

from nas.data import decode as decoding
from nas.data import load_data
from nas.data.cache import Cache
from nas.data.decode import Unusable, decode


@pytest.fixture
def load(tmp_path):
    """Loads a folder; ``load.said`` has the messages."""

    def load(folder, **options):
        heard = Heard()
        load.said = heard.said
        return load_data(
            f"folder:{folder}", size=8, cache=Cache(tmp_path / "cache"), listener=heard, **options
        )

    return load


def counts(data):
    return [np.bincount(part.labels).tolist() for part in (data.train, data.valid, data.test)]


def zeros_after(length, form):
    """A file as large as it should be, with nothing but zeros after ``length`` bytes."""
    content = encoded(noise(7, 100, 100), form)
    return content[:length] + bytes(len(content) - length)


def texts(number, size):
    info = PngInfo()
    for i in range(number):
        info.add_text(f"k{i}", "a" * size, zip=True)
    return encoded(noise(8), "PNG", pnginfo=info)


BROKEN = {
    "photo.jpg": zeros_after(280, "AVIF"),
    "a.webp": encoded(noise(7, 100, 100), "WEBP")[:200],
    "b.tif": zeros_after(40, "TIFF"),
    "c.gif": b"GIF89a",
    "empty.png": b"",
    "plot.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
}


def test_whatever_decoding_raises_is_counted_and_named(load, tmp_path):
    write_classes(tmp_path / "f", each=20)
    for name, content in BROKEN.items():
        (tmp_path / "f" / "cat" / name).write_bytes(content)
    load(tmp_path / "f")
    said = "cat/a.webp, cat/b.tif, cat/c.gif and 3 more"
    assert load.said[-1] == f"Left out 6 broken images of folder:{tmp_path}/f: {said}"


@pytest.mark.parametrize("error", [RuntimeError, KeyError, ZeroDivisionError, RecursionError, MemoryError])
def test_an_error_of_any_kind_while_decoding_is_a_reason(monkeypatch, error):
    content = encoded(noise(0))

    def fail(*_):
        raise error("in a\ndecoder")

    monkeypatch.setattr(Image.Image, "resize", fail)
    with pytest.raises(Unusable, match=r"in a.+decoder|more memory than there is"):
        decode(content, 8)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("broken", ["cat/0.png", "dog/15.bmp"])
def test_a_broken_image_never_leaves_a_part_without_a_class(load, tmp_path, seed, broken):
    write_classes(tmp_path / "f", each=8)
    (tmp_path / "f" / broken).write_bytes(b"")
    data = load(tmp_path / "f", seed=seed)
    assert sorted(np.sum(counts(data), axis=0)) == [7, 8]
    assert min(map(min, counts(data))) >= 1


@pytest.mark.parametrize("layout", ["", "train"])
def test_a_folder_with_broken_images_is_split_as_without_these(load, tmp_path, layout):
    write_classes(tmp_path / "f" / layout, each=12)
    if layout:
        write_classes(tmp_path / "f" / "val", each=3, first=90)
        write_classes(tmp_path / "f" / "test", each=3, first=190)
    for name in ("cat/0.png", "cat/5.JPG", "dog/22.webp"):
        (tmp_path / "f" / layout / name).write_bytes(b"no image")
    first = load(tmp_path / "f")
    for name in ("cat/0.png", "cat/5.JPG", "dog/22.webp"):
        (tmp_path / "f" / layout / name).unlink()
    second = load(tmp_path / "f")
    for part in ("train", "valid", "test"):
        for ours, theirs in zip(getattr(first, part), getattr(second, part), strict=True):
            assert np.array_equal(ours, theirs)
        assert getattr(first, part).contents == getattr(second, part).contents


def test_too_few_whole_images_of_a_class_say_how_many_and_name_a_broken_one(load, tmp_path):
    write_classes(tmp_path / "f", each=5)
    (tmp_path / "f" / "dog" / "6.webp").write_bytes(b"")
    message = r"at least 5 .* got 4 of 'dog' \(passed over: 1 that cannot be decoded, such as dog/6.webp\)"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "f")


def test_whole_images_over_a_limit_are_said_to_be_too_large_with_the_limit(load, tmp_path):
    write_classes(tmp_path / "f")
    cat = tmp_path / "f" / "cat"
    (cat / "pixels.png").write_bytes(png(15000, 12000, 1, 0, bytes(12000 * 1876)))
    (cat / "memory.png").write_bytes(png(12000, 10000, 8, 6, b"0"))
    (cat / "text.png").write_bytes(texts(1, 2_000_000))
    (cat / "texts.png").write_bytes(texts(70, 1_000_000))
    load(tmp_path / "f")
    assert load.said[-1] == (
        f"Left out 4 images too large to decode of folder:{tmp_path}/f: "
        "cat/memory.png (needs 1.11G bytes of memory, the limit is 1.00G), "
        "cat/pixels.png (180,000,000 pixels, the limit is 178,956,970), "
        "cat/text.png (a text in it, the limit is 1,048,576 bytes) and 1 more"
    )


def test_a_file_of_more_bytes_than_the_limit_is_not_read(load, tmp_path):
    write_classes(tmp_path / "f")
    with (tmp_path / "f" / "cat" / "huge.bmp").open("wb") as file:
        file.truncate(3 * 10**9)  # sparse
    load(tmp_path / "f")
    assert load.said[-1].endswith("cat/huge.bmp (a file of 3.00G bytes, the limit is 1.00G)")


def test_an_image_that_takes_long_is_given_up(monkeypatch):
    monkeypatch.setattr(decoding, "SECONDS", 0.2)
    whole = Image.Image.load

    def slow(image, *_):
        while True:
            try:
                time.process_time()
            except Exception:  # noqa: BLE001  # as Pillow does in places
                whole(image)

    monkeypatch.setattr(Image.Image, "convert", slow)
    with pytest.raises(Unusable, match=r"takes more than 0\.2 s to decode"):
        decode(encoded(Image.new("P", (20, 20))), 8)
    monkeypatch.undo()
    decode(encoded(noise(0)), 8)  # no timer is left


def test_images_decode_outside_of_the_main_thread():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(decode(encoded(noise(0)), 8)))
    thread.start()
    thread.join()
    assert seen[0].pixels.shape == (8, 8, 3)


def test_names_in_messages_are_one_line(load, tmp_path):
    write_classes(tmp_path / "a\nb")
    (tmp_path / "a\nb" / "cat" / "x\n\x1b[31m.png").write_bytes(b"")
    (tmp_path / "a\nb" / "cat" / "y-\udce9.png").write_bytes(b"")
    load(tmp_path / "a\nb")
    assert all(line.isprintable() for line in load.said)
    assert load.said[-1].endswith(r"a\nb: cat/x\n\x1b[31m.png, cat/y-\xe9.png")
    with pytest.raises(ValueError, match="must be a folder that can be read") as raised:
        load(tmp_path / "a\nb" / "none")
    assert str(raised.value).isprintable()


@pytest.mark.slow
def test_damaged_files_of_every_format_are_decoded_or_left_out_with_a_reason():
    command = [sys.executable, ROOT / "benchmarks" / "fuzz_images.py", "--files", "400", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_reading_headers_never_fails():
    assert decoding.own_size([b"", b"no image", "/nowhere", io.BytesIO().getvalue()]) == 0
