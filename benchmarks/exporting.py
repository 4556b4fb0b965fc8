"""Do exports compute what the network does? Random networks of every MBConv space, and EfficientNet-B0 to B3.

    python benchmarks/exporting.py [--networks 100] [--resolution 64] [--formats onnx,pt2,pytorch,timm]

Each network has random weights and BN statistics, is exported to every format that can say it, read again,
and compared on ten images of noise. Marks: a largest difference of logits of 1e-4 of the largest logit, and
the same top-1. An export takes several seconds: 100 networks of all five spaces take hours.

``--timm FOLDER`` is a checkout of timm, which then builds the exported models itself. Where its dependency
torchvision is not installed, an empty stand-in takes its place: building a network needs none of it.
"""

from __future__ import annotations

import dataclasses
import importlib.machinery
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import torch
from script import make_parser, print_marks

from nas.deploy import formats
from nas.deploy.finished import Finished, as_run, design_of, in_parts
from nas.deploy.parity import TOLERANCE, compare
from nas.deploy.sources import has_timm
from nas.deploy.timm_text import spell
from search_spaces import PRESETS, SPACES, ArchSpec
from search_spaces.network import build_network

MBCONV = ("mnas", "mnas-lite", "mnas-mobilenet-v2", "mnas-a1", "accel-nasbench")
FAMILY = ("efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3")
CLASSES, IMAGES = 100, 10


class Absent(types.ModuleType):
    """A package that is not installed, whose modules and names are all there and do nothing."""

    __path__ = ()

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


class Finder:
    """Imports torchvision and what is in it as ``Absent``."""

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        known = name.partition(".")[0] == "torchvision"
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return Absent(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing."""


def networks(number: int, resolution: int, seed: int) -> Iterator[tuple[str, ArchSpec]]:
    """The group and the architecture of each network, a few of every group in turn."""
    for name in FAMILY:
        yield "efficientnet-b0 to b3", dataclasses.replace(PRESETS[name], resolution=resolution)
    rngs = {name: np.random.default_rng(seed) for name in MBCONV}
    for _ in range(number):
        for name, rng in rngs.items():
            arch = SPACES[name].decode(SPACES[name].sample(rng))
            yield name, dataclasses.replace(arch, resolution=resolution)


def finished(arch: ArchSpec, seed: int) -> tuple[Finished, torch.nn.Module]:
    """A network with random weights and BN statistics; every second pads as TensorFlow does."""
    torch.manual_seed(seed)
    padding = ("symmetric", "same")[seed % 2]
    network = build_network(arch, CLASSES, padding=padding).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.1)
    classes = [f"class {number}" for number in range(CLASSES)]
    design = design_of(arch, classes, (127.0,) * 3, (128.0,) * 3, padding=padding)
    return Finished(f"network{seed}", arch, design, network.state_dict()), network


def main() -> int:
    """Prints the largest difference of each group and format, and whether the marks are reached."""
    parser = make_parser(__doc__)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--formats", default="onnx,pt2,pytorch,timm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no network begins after these")
    parser.add_argument("--timm", type=Path)
    asked = parser.parse_args()
    if asked.timm:
        sys.path.insert(0, str(asked.timm))
        sys.meta_path.append(Finder())  # type: ignore[arg-type]
    worst: dict[tuple[str, str], list[float]] = {}
    other = 0
    images = np.random.default_rng(0).standard_normal((IMAGES, 3, *(asked.resolution,) * 2), np.float32)
    started = time.perf_counter()
    for number, (group, arch) in enumerate(networks(asked.networks, asked.resolution, asked.seed)):
        if time.perf_counter() - started > 60 * asked.minutes:
            break
        exported, network = finished(arch, number)
        logits = in_parts(as_run(network), images)
        for name in asked.formats.split(","):
            try:
                spell(arch) if name == "timm" else None
            except ValueError:
                continue
            with tempfile.TemporaryDirectory() as folder:
                parity = compare(logits, in_parts(formats.write(exported, name, Path(folder)), images))
            worst.setdefault((group, name), []).append(parity.difference)
            other += parity.same < parity.images
            if not parity.holds:
                print(f"{group}, {name}: {parity} of {arch}", flush=True)
    for (group, name), found in worst.items():
        print(f"{group}: {name} {max(found):.1e}, {len(found)} networks", flush=True)
    print(f"{time.perf_counter() - started:.0f} s{'; timm itself was there' * has_timm()}")
    most = max(max(found) for found in worst.values())
    return print_marks(
        {
            f"differences of at most {TOLERANCE:g}": most <= TOLERANCE,
            f"the same top-1 on all {IMAGES} images of every network": other == 0,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
