"""How fast images are packed, compared with decoding them one by one, and how fast a pack is opened.

    python benchmarks/packing.py --images 2000 --width 500 --height 375 --size 256

The images are mosaics of CIFAR-10 images, as JPEGs of quality 90.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from script import CIFAR, make_parser

from nas.data import load_data
from nas.data.cache import Cache
from nas.data.decode import decode

CLASSES = 10


def write(directory: Path, images: int, width: int, height: int) -> int:
    """Writes the files; returns their mean size in bytes."""
    tiles = np.load(CIFAR)["train_x"]
    rng = np.random.default_rng(0)
    columns, rows = -(-width // 32), -(-height // 32)
    total = 0
    for number in range(images):
        chosen = tiles[rng.integers(0, len(tiles), rows * columns)].reshape(rows, columns, 32, 32, 3)
        mosaic = chosen.swapaxes(1, 2).reshape(rows * 32, columns * 32, 3)[:height, :width]
        path = directory / str(number % CLASSES) / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(mosaic).save(path, quality=90)
        total += path.stat().st_size
    return total // images


class Clock:
    """Wall-clock and CPU seconds, with finished child processes; CPU seconds say more on a busy machine."""

    def __init__(self) -> None:
        self.started = time.perf_counter(), self.cpu()

    @staticmethod
    def cpu() -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system

    def __call__(self, images: int) -> str:
        seconds, cpu = time.perf_counter() - self.started[0], self.cpu() - self.started[1]
        return f"{images / seconds:.0f} images/s, {1000 * cpu / images:.2f} ms of CPU each"


def main() -> None:
    """Writes images and prints the times."""
    parser = make_parser(__doc__)
    for name, value in (("images", 2000), ("width", 500), ("height", 375), ("size", 256)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "images"
        folder.mkdir()
        size = write(folder, asked.images, asked.width, asked.height)
        print(f"{asked.images} JPEGs of {asked.width} x {asked.height}, {size / 1e3:.0f} kB on average")
        paths = sorted(folder.rglob("*.jpg"))[: max(50, asked.images // 10)]
        clock = Clock()
        for path in paths:
            decode(path.read_bytes(), asked.size)
        print(f"decoding one after another: {clock(len(paths))}")
        cache = Cache(Path(place) / "cache")
        clock = Clock()
        load_data(f"folder:{folder}", size=asked.size, cache=cache)
        print(f"packing on {len(os.sched_getaffinity(0))} cores: {clock(asked.images)}")
        started = time.perf_counter()
        data = load_data(f"folder:{folder}", size=asked.size, cache=cache)
        print(f"opening it, with a look at every file: {time.perf_counter() - started:.3f} s")
        content = pickle.dumps(data)
        started = time.perf_counter()
        pickle.loads(content)
        print(
            f"sent to a worker as {len(content)} bytes, open there in {time.perf_counter() - started:.4f} s"
        )
        rng = np.random.default_rng(0)
        started = time.perf_counter()
        for _ in range(20):
            data.train.images[rng.integers(0, len(data.train.labels), 128)]
        seconds = time.perf_counter() - started
        print(f"random batches of 128 from it: {20 * 128 / seconds:.0f} images/s")


if __name__ == "__main__":
    main()
