"""Small image files for tests of reading them."""

import hashlib
import io
import struct
import zlib

import numpy as np
from PIL import Image


def noise(seed, height=12, width=16):
    """Smooth colours, so that JPEG and resizing keep them: uint8 `[height, width, 3]`."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels, form="PNG", **options):
    """The bytes of an image file."""
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, form, **options)
    return file.getvalue()


def write_classes(root, classes=("cat", "dog"), each=10, first=0):
    """A folder of ``each`` images per class; all images are different."""
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            seed = first + number * each + i
            suffix, form = (("png", "PNG"), ("JPG", "JPEG"), ("webp", "WEBP"), ("bmp", "BMP"))[seed % 4]
            (root / name / f"{seed}.{suffix}").write_bytes(encoded(noise(seed), form))
    return root


def write_images(folder, number):
    """``0.png``, ``1.png``, ... in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        (folder / f"{i}.png").write_bytes(encoded(noise(i)))


def png(width, height, bits, kind, raw):
    """A PNG file of any kind, and of any size in its header; ``raw`` are its rows, filtered."""
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return content


def digest(data):
    """A digest of the training and the validation part."""
    parts = (*data.train, *data.valid)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
