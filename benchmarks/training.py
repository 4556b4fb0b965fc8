"""How fast is training, and how well does it use the hardware? Ours against a plain PyTorch loop.

    python benchmarks/training.py [--seconds 20] [--rounds 3]

Both train the same network with the same batch size on the same JPEG files. Plain: torch's modules in the
default memory format, a DataLoader whose workers decode, AdamW, ``loss.item()`` at each step; on CUDA also
bfloat16 autocast and channels_last. Ours: ``nas.training.trainer.Trainer`` on a packed folder. On a CPU, ours
is measured in one process with all cores, like the plain loop, and as in a search: one trial per core, each
with one thread. Each measurement has its own process; plain and ours take turns, and ratios are of medians.
Utilisation: 3 x 2 FLOPs per image (forward once, backward twice) times images per second, over the rate of a
large matrix product.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from script import CIFAR, make_parser, print_marks
from torch import nn
from torch.utils.data import DataLoader, Dataset

from nas.data import load_data
from nas.spec.recipe import Recipe
from nas.training.trainer import Trainer
from search_spaces import PRESETS, ArchSpec, cost, resize
from search_spaces.depthwise import DepthwiseConv2d
from search_spaces.network import build_network

IMAGES = 1000
WARM_UP = 4
"""First steps, not counted: they fill caches, map pages and capture graphs."""
MARKS = {"cpu": 2.0, "cuda": 3.0}

B0 = PRESETS["efficientnet-b0"]
NETWORKS = {
    "B0 at 128 px": (resize(B0, 1.0, resolution=128), 64),
    "B0 at 32 px, quarter width": (resize(B0, 0.25, resolution=32), 128),
}


class JPEGs(Dataset[tuple[torch.Tensor, int]]):
    """The usual data set: each file is opened, decoded and normalised at every access."""

    def __init__(self, root: Path) -> None:
        self.files = sorted(root.glob("*/*.jpg"))
        self.classes = sorted({file.parent.name for file in self.files})

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[i]) as image:
            pixels = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
        return pixels.float().div(255).sub(0.45).div(0.25), self.classes.index(self.files[i].parent.name)


def write_jpegs(root: Path, resolution: int) -> None:
    """Real photos, enlarged to ``resolution``."""
    with np.load(CIFAR) as archive:
        images, labels = archive["train_x"][:IMAGES], archive["train_y"][:IMAGES]
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((resolution, resolution), Image.Resampling.BICUBIC).save(
            folder / f"{i}.jpg", quality=92
        )


def plain_steps(arch: ArchSpec, batch_size: int, root: Path, device: str) -> Iterator[None]:
    """A training loop as in tutorials."""
    data = JPEGs(root)
    cuda = device == "cuda"
    network = build_network(arch, len(data.classes))
    for module in network.modules():
        if isinstance(module, DepthwiseConv2d):
            module.__class__ = nn.Conv2d  # torch's own forward and backward
    layout = torch.channels_last if cuda else torch.contiguous_format
    network = network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loader = DataLoader(
        data,
        batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=os.cpu_count() or 1,
        pin_memory=cuda,
        persistent_workers=True,
    )
    while True:
        for images, labels in loader:
            x = images.to(device, non_blocking=True, memory_format=layout)
            y = labels.to(device, non_blocking=True)
            with torch.autocast(device, torch.bfloat16, enabled=cuda):
                loss = F.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            yield


def our_steps(arch: ArchSpec, batch_size: int, root: Path, device: str) -> Iterator[None]:
    """``Trainer``'s steps."""
    recipe = Recipe(resolution=0, width=1.0, batch_size=batch_size, epochs=10**6)
    trainer = Trainer(arch, load_data(f"folder:{root}", size=arch.resolution), recipe, 0, device)
    while True:
        yield from trainer.steps()


STEPS = {"plain": plain_steps, "ours": our_steps}


def rate(
    kind: str, arch: str, batch_size: int, root: Path, device: str, threads: int, seconds: float
) -> float:
    """Images per second of one process."""
    torch.set_num_threads(threads)
    steps = STEPS[kind](ArchSpec.parse(arch), batch_size, root, device)
    for _ in range(WARM_UP):
        next(steps)
    _wait_for(device)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        next(steps)
        count += 1
    _wait_for(device)
    return count * batch_size / (time.perf_counter() - started)


def matmul_rate(device: str, threads: int) -> float:
    """Multiply-adds per second of a large matrix product, in the precision used for training."""
    torch.set_num_threads(threads)
    size = 8192 if device == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    a @ a
    _wait_for(device)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        a @ a
        _wait_for(device)
        times.append(time.perf_counter() - started)
    return float(size**3 / min(times))


def _wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def measured(processes: int, function: Callable[..., float], *arguments: Any) -> float:
    """The sum of what ``function`` returns in ``processes`` fresh processes at a time."""
    # Not multiprocessing's pool: its processes may not have the loader's workers.
    with ProcessPoolExecutor(processes, mp.get_context("spawn")) as pool:
        return sum(
            future.result() for future in [pool.submit(function, *arguments) for _ in range(processes)]
        )


def compare(device: str, seconds: float, rounds: int) -> dict[str, bool]:
    """Prints the table of one device; returns its marks and whether they are reached."""
    cores = len(os.sched_getaffinity(0))
    peak = measured(1, matmul_rate, device, cores)
    print(f"{device}: matrix product {peak / 1e9:,.0f} G multiply-adds/s")
    print(f"{'network':28}{'':28}{'images/s':>10}{'ratio':>8}{'utilisation':>13}")
    marks = {}
    for name, (arch, batch_size) in NETWORKS.items():
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            write_jpegs(root, arch.resolution)
            ways: dict[str, tuple[str, int, int]] = {"plain loop": ("plain", 1, cores)}
            ways["ours, one process"] = ("ours", 1, cores)
            if device == "cpu" and cores > 1:
                ways[f"ours, {cores} trials at a time"] = ("ours", cores, 1)
            found: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, (kind, processes, threads) in ways.items():
                    found[way].append(
                        measured(processes, rate, kind, str(arch), batch_size, root, device, threads, seconds)
                    )
        medians = {way: statistics.median(rates) for way, rates in found.items()}
        for way, median in medians.items():
            share = 3 * cost(arch, 10).flops * median / peak
            ratio = median / medians["plain loop"]
            print(f"{name:28}{way:28}{median:10,.0f}{ratio:8.2f}{share:13.1%}")
        best = medians["ours, one process"] / medians["plain loop"]
        mark = f"{device}, {name}: {best:.2f} times as fast, one process against one, mark {MARKS[device]:g}"
        marks[mark] = best >= MARKS[device]
    return marks


def main() -> int:
    """Measures the CPU, and a GPU if there is one."""
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds per measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    marks = compare("cpu", options.seconds, options.rounds)
    if torch.cuda.is_available():
        print(torch.cuda.get_device_name())
        marks |= compare("cuda", options.seconds, options.rounds)
    else:
        print("cuda: not measured, there is no CUDA device")
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
