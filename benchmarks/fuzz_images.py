"""Do damaged image files ever break the reading of images, take long, or take much memory?

    python benchmarks/fuzz_images.py --files 5000

Writes images in every format that Pillow both writes and reads here, in all their modes; damages each (cut
off, bytes changed, a stretch zeroed, numbers in the header made huge, pieces repeated), and decodes them as a
search does. Each must be decoded or left out with a reason, within 10 s, in a process of less than 1 GB.
"""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from script import make_parser

from nas.data.decode import MEMORY, Unusable, decode, formats

SECONDS = 10.0
MODES = ("RGB", "L", "RGBA", "P", "1", "I;16", "LA", "CMYK", "F", "I")
SIZE = 32  # pixels of decoded images


def whole_images() -> dict[str, bytes]:
    """An image for each format and mode, large enough to have several blocks or strips."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 4), np.uint8), "RGBA")
    picture = coarse.resize((160, 120), Image.Resampling.BICUBIC)
    images = {}
    for form in formats():
        for mode in MODES:
            file = io.BytesIO()
            try:
                picture.convert("L" if mode == "I;16" else "RGB" if mode == "CMYK" else mode)
                image = picture.convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)
                image.save(file, form)
                decode(file.getvalue(), SIZE)
            except (KeyError, OSError, ValueError, Unusable):  # Pillow cannot write it, or not read it
                continue
            images[f"{form}-{mode.replace(';', '')}"] = file.getvalue()
    return images


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """``content``, damaged in one or two of several ways."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 3))):
        start = int(rng.integers(len(data)))
        kind = rng.integers(6)
        if kind == 0:
            del data[max(1, start) :]
        elif kind == 1:
            for place in rng.integers(len(data), size=int(rng.integers(1, 20))):
                data[place] = int(rng.integers(256))
        elif kind == 2:
            end = start + int(rng.integers(1, len(data)))
            data[start:end] = bytes(len(data[start:end]))
        elif kind == 3:  # a number of the header, as large as a size may be, or larger
            start = int(rng.integers(min(128, len(data))))
            number = int(rng.choice([0xFFFF, 0x3FFF, 0x00FFFFFF, 0xFFFFFFFF, 0x7FFFFFFF, 13000]))
            width = int(rng.choice([2, 4]))
            order: Any = str(rng.choice(["little", "big"]))
            data[start : start + width] = (number % 256**width).to_bytes(width, order)
        elif kind == 4:
            for place in rng.integers(min(64, len(data)), size=int(rng.integers(1, 4))):
                data[place] ^= 1 << int(rng.integers(8))
        else:
            data[start:start] = data[start : start + int(rng.integers(1, 2000))]
    return bytes(data)


def decode_files(directory: Path) -> None:
    """Decodes all files of ``directory``, in order, and prints a line of JSON for each."""
    for path in sorted(directory.iterdir()):
        print(json.dumps({"name": path.name}), flush=True)
        started, reason = time.perf_counter(), ""
        try:
            pixels = decode(path.read_bytes(), SIZE).pixels
            assert pixels.shape == (SIZE, SIZE, 3)
        except Unusable as error:
            reason = str(error) or "no reason"
            assert "\n" not in reason
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"reason": reason, "seconds": seconds, "peak": peak}), flush=True)


def main() -> int:
    """Writes, damages and decodes; 1 if a mark was missed."""
    parser = make_parser(__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--decode", type=Path, help="decode the files of this directory, nothing else")
    asked = parser.parse_args()
    if asked.decode:
        decode_files(asked.decode)
        return 0
    started = time.perf_counter()
    images = whole_images()
    rng = np.random.default_rng(asked.seed)
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(asked.files):
            name = sorted(images)[number % len(images)]
            (Path(temporary) / f"{number:06}-{name}").write_bytes(damaged(images[name], rng))
        command = [sys.executable, __file__, "--decode", temporary]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode or done.stderr:
            kept = Path(temporary, lines[-1]["name"]).read_bytes() if "name" in lines[-1] else b""
            print(f"ended with {done.returncode} at {lines[-1]} ({len(kept)} bytes)\n{done.stderr[-2000:]}")
            Path("fuzz_images.failed").write_bytes(kept)
            return 1
    names, results = lines[::2], lines[1::2]
    reasons = Counter(one["reason"].partition(":")[0][:60] or "decoded" for one in results)
    slowest = max(range(len(results)), key=lambda i: results[i]["seconds"])
    peak = results[-1]["peak"]
    kinds = len({name.partition("-")[0] for name in images})
    print(f"{len(results):,} damaged files of {kinds} formats, {len(images)} pairs of format and mode:")
    print(f"{reasons['decoded']:,} decoded, {len(results) - reasons['decoded']:,} left out with a reason")
    for reason, number in reasons.most_common(6):
        print(f"  {number:6,} {reason}")
    print(f"slowest {results[slowest]['seconds']:.2f} s ({names[slowest]['name']}), peak {peak / 1e6:.0f} MB")
    print(f"{time.perf_counter() - started:.0f} s in all")
    return int(results[slowest]["seconds"] > SECONDS or peak > MEMORY)


if __name__ == "__main__":
    sys.exit(main())
