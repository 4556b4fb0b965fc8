"""Proxy training: one short training of one network, deterministic, cheap, and meant to rank.

Shapes: N images, B of a batch, C channels, H = W pixels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nas.data import Dataset, Images
from search_spaces import ArchSpec, resize
from search_spaces.network import build_network

BN_MOMENTUM = 0.1  # torch's convention; EfficientNet's 0.01 would need more steps than a proxy has
EVAL_BATCH = 512


@dataclass(frozen=True)
class Proxy:
    """What makes a trial short, and its recipe; the defaults are measured (``benchmarks/proxy.py``).

    Args:
        resolution: side of the images, in pixels.
        width: factor on every channel count of the searched network.
        epochs: passes over the training part.
        fraction: of the training images, the first ones.
        batch_size: images per step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: decoupled, on weights of two or more dimensions.
        warmup: share of the steps with a rising learning rate.
        label_smoothing: of the training loss.
        ema: decay of the averaged weights per step, 0 for none.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    resolution: int = 32
    width: float = 0.25
    epochs: int = 3
    fraction: float = 1.0
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.2
    label_smoothing: float = 0.0
    ema: float = 0.0

    def __post_init__(self) -> None:
        for name in ("resolution", "epochs"):
            self._require(
                name, type(getattr(self, name)) is int and getattr(self, name) >= 1, "an integer >= 1"
            )
        self._require("batch_size", type(self.batch_size) is int and self.batch_size >= 2, "an integer >= 2")
        for name in ("width", "learning_rate"):
            self._require(name, 0 < getattr(self, name) < math.inf, "positive")
        self._require("fraction", 0 < self.fraction <= 1, "in (0, 1]")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more")
        for name in ("warmup", "label_smoothing", "ema"):
            self._require(name, 0 <= getattr(self, name) < 1, "in [0, 1)")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"{name} must be {rule}, got {getattr(self, name)!r}")


class Epoch(NamedTuple):
    """One pass; ``accuracy`` is top-1 on the validation part, in [0, 1], or None where it was not measured."""

    epoch: int
    train_loss: float
    valid_loss: float | None
    accuracy: float | None
    seconds: float


def train(arch: ArchSpec, data: Dataset, proxy: Proxy, seed: int, device: str = "cpu") -> Iterator[Epoch]:
    """Train the proxy of ``arch`` from scratch, yielding after each epoch; the last accuracy is the trial's.

    Args:
        arch: the full network; its width and resolution are resized here.
        seed: of the initialisation and the batch order. Equal arguments give equal results on a CPU.

    Raises:
        ArithmeticError: if the loss is no longer finite.
    """
    small = resize(arch, width=proxy.width, resolution=proxy.resolution)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(small, data.num_classes, data.train_x.shape[3])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BN_MOMENTUM
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    count = max(proxy.batch_size, round(proxy.fraction * len(data.train_x)))
    train_x = _pixels(data.train_x[:count], proxy.resolution, device)
    train_y = torch.from_numpy(data.train_y[:count]).to(device)
    valid_x = _pixels(data.valid_x, proxy.resolution, device)
    valid_y = torch.from_numpy(data.valid_y).to(device)
    mean, std = _statistics(train_x)
    steps = math.ceil(len(train_x) / proxy.batch_size)
    optimizer = torch.optim.AdamW(_parameter_groups(network, proxy.weight_decay), lr=proxy.learning_rate)
    schedule = OneCycleLR(
        optimizer,
        proxy.learning_rate,
        total_steps=proxy.epochs * steps + 1,
        pct_start=proxy.warmup,
        cycle_momentum=False,
    )
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(proxy.ema)) if proxy.ema else None
    generator = torch.Generator().manual_seed(seed)
    started = time.perf_counter()
    for epoch in range(1, proxy.epochs + 1):
        network.train()
        total = torch.zeros((), device=device)
        for batch in torch.randperm(len(train_x), generator=generator).to(device).chunk(steps):
            logits = network(
                ((train_x[batch].float() - mean) / std).contiguous(memory_format=torch.channels_last)
            )
            loss = F.cross_entropy(logits, train_y[batch], label_smoothing=proxy.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            if averaged is not None:
                averaged.update_parameters(network)
            total += loss.detach() * len(batch)
        train_loss = total.item() / len(train_x)
        if not math.isfinite(train_loss):
            raise ArithmeticError(f"loss is {train_loss} in epoch {epoch}")
        valid_loss, accuracy = _evaluate(network, valid_x, valid_y, mean, std)
        yield Epoch(epoch, train_loss, valid_loss, accuracy, time.perf_counter() - started)


def _pixels(images: Images, resolution: int, device: str) -> Tensor:
    """`[N, H, W, C]` to uint8 `[N, C, resolution, resolution]`, channels last."""
    parts = []
    for part in torch.from_numpy(np.ascontiguousarray(images)).split(EVAL_BATCH):
        x = part.to(device).permute(0, 3, 1, 2)  # [B, C, H, W]
        if x.shape[2:] != (resolution, resolution):
            x = F.interpolate(x.float(), (resolution, resolution), mode="bilinear", antialias=True)
            x = x.round().clamp(0, 255).to(torch.uint8)
        parts.append(x)
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def _statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, `[C, 1, 1]`."""
    x = images[:4096].float()
    return x.mean((0, 2, 3))[:, None, None], x.std((0, 2, 3))[:, None, None] + 1e-3


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for kernels and matrices, none for BN and biases."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def _evaluate(
    network: nn.Module, images: Tensor, labels: Tensor, mean: Tensor, std: Tensor
) -> tuple[float, float]:
    """Mean cross-entropy and top-1 accuracy."""
    network.eval()
    loss = torch.zeros((), device=images.device)
    correct = torch.zeros((), device=images.device)
    for x, y in zip(images.split(EVAL_BATCH), labels.split(EVAL_BATCH), strict=True):
        logits = network(((x.float() - mean) / std).contiguous(memory_format=torch.channels_last))
        loss += F.cross_entropy(logits, y, reduction="sum")
        correct += (logits.argmax(1) == y).sum()
    return loss.item() / len(labels), correct.item() / len(labels)
