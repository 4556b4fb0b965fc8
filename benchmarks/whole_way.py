"""Is the whole way worth it? A searched network against Lite0, and against Lite0 made as small plainly.

    python benchmarks/whole_way.py [--seeds 3] [--trials 24] [--data FILE.npz] [--keep DIR]

The search: ``nas search --space mnas-lite --init efficientnet-lite0 --reward hard`` for a budget that is to
the trained resolution what 200M FLOPs are to 224 px. It fine-tunes Lite0 first. Its winner is trained by
``nas train RUN``, Lite0 with fewer channels throughout and Lite0 on smaller images, both of the winner's
FLOPs, by ``nas train --init RUN/source``: all go on from the same fine-tuned weights. Lite0 itself is trained
from ImageNet's. All by the default recipe, on the same images and seeds, and judged on the same test images.
With --keep, what is finished in DIR is not done again.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from script import CIFAR, make_parser, print_marks

from search_spaces import narrowed
from search_spaces.arch import ArchSpec
from search_spaces.cost import cost
from search_spaces.presets import PRESETS

BUDGET, OWN, TRAINED = 200e6, 224, 96
"""FLOPs, the resolution at which they are counted, and the one at which ``finetune`` trains such images."""
LITE0 = PRESETS["efficientnet-lite0"]
BEHIND, AHEAD = 0.015, 0.03
"""The winner may be so far behind Lite0 with all its FLOPs, and must be so far ahead of a Lite0 as small."""


def at(arch: ArchSpec, resolution: int) -> ArchSpec:
    """``arch`` for images of ``resolution`` pixels."""
    return dataclasses.replace(arch, resolution=resolution)


def nas(*arguments: str) -> None:
    """A command of ours."""
    subprocess.run([sys.executable, "-m", "nas", *arguments, "-q"], check=True)


def trained(directory: Path, network: str, seed: int, *options: str) -> float:
    """The test accuracy of a training run."""
    if not (directory / "best.json").exists():
        nas("train", network, "--seed", str(seed), "--run", str(directory), *options)
    return float(json.loads((directory / "best.json").read_text())["test_accuracy"])


def searched(run: Path, data: str, trials: int) -> ArchSpec:
    """The winner, at the resolution of the search."""
    if not (run / "best.json").exists():
        flops = BUDGET * (TRAINED / OWN) ** 2
        started = time.perf_counter()
        nas(
            *("search", "--space", "mnas-lite", "--init", "efficientnet-lite0", "--data", data),
            *("--trials", str(trials), "--target-flops", f"{flops:.0f}", "--reward", "hard"),
            *("--run", str(run)),
        )
        print(f"search: {time.perf_counter() - started:.0f} s", flush=True)
    return ArchSpec.parse(json.loads((run / "best.json").read_text())["arch"])


def main() -> int:
    """Prints each result, the medians, and whether the marks are reached."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--data", type=Path, default=CIFAR)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return compare(asked.keep or Path(directory), f"npz:{asked.data}", asked.seeds, asked.trials)


def compare(directory: Path, data: str, seeds: int, trials: int) -> int:
    """Searches and trains into ``directory``, and prints."""
    winner = searched(directory / "search", data, trials)
    budget = cost(at(winner, TRAINED)).flops
    _, narrow = narrowed(at(LITE0, TRAINED), budget)
    sides = range(TRAINED - 1, 31, -1)  # of equal FLOPs, the largest
    side = min(sides, key=lambda side: abs(cost(at(LITE0, side)).flops - budget))
    pretrained, tuned = (
        ("--init", weights, "--data", data)
        for weights in ("efficientnet-lite0", str(directory / "search" / "source"))
    )
    ways: dict[str, tuple[ArchSpec, str, tuple[str, ...]]] = {
        "winner": (at(winner, TRAINED), str(directory / "search"), ()),
        "Lite0": (at(LITE0, TRAINED), "efficientnet-lite0", pretrained),
        "narrower Lite0": (narrow, str(narrow), tuned),
        "Lite0 on smaller images": (
            *(at(LITE0, side), "efficientnet-lite0"),
            (*tuned, "--set", f"resolution={side}"),
        ),
    }
    accuracies: dict[str, list[float]] = {name: [] for name in ways}
    for name, (arch, _, _) in ways.items():
        print(f"{name}: {arch}, {cost(arch).flops / 1e6:.1f}M FLOPs at {arch.resolution} px", flush=True)
    for seed in range(seeds):
        for name, (_, network, options) in ways.items():
            run = directory / f"{name.replace(' ', '-')}-{seed}"
            started = time.perf_counter()
            accuracies[name].append(trained(run, network, seed, *options))
            seconds = time.perf_counter() - started
            print(f"seed {seed}, {name}: {accuracies[name][-1]:.4f} in {seconds:.0f} s", flush=True)
    medians = {name: statistics.median(found) for name, found in accuracies.items()}
    for name, accuracy in medians.items():
        print(f"median of {name}: {accuracy:.4f}")
    best = medians["winner"]
    marks = {f"at most {BEHIND} behind Lite0": best >= medians["Lite0"] - BEHIND}
    for name in ("narrower Lite0", "Lite0 on smaller images"):
        marks[f"at least {AHEAD} ahead of {name}"] = best >= medians[name] + AHEAD
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
