"""Proxy training: one short training of one network, deterministic, cheap, and meant to rank.

Shapes: N images, B of a batch, C channels, H = W pixels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from nas.data import Dataset, Images
from nas.proxy import Proxy
from nas.trial import Epoch
from search_spaces import ArchSpec
from search_spaces.network import Layer, Network, build_network

BN_MOMENTUM = 0.1  # torch's convention; EfficientNet's 0.01 would need more steps than a proxy has
EVAL_BATCH = 512
CURVE_IMAGES = 512  # enough for a curve (standard error 0.02), and cheap


def train(
    arch: ArchSpec,
    data: Dataset,
    proxy: Proxy,
    seed: int,
    device: str = "cpu",
    reference: int | None = None,
) -> Iterator[Epoch]:
    """Train the proxy of ``arch`` from scratch, yielding after each epoch.

    The last epoch's accuracy, on the whole validation part, is the trial's; earlier ones draw the
    learning curve, from the first ``CURVE_IMAGES`` validation images.

    Args:
        arch: the full network; ``proxy.shrink`` resizes it.
        seed: of the initialisation and the batch order. Equal arguments give equal results on a CPU.
        device: as torch names it.
        reference: see ``Proxy.shrink``.

    Raises:
        ArithmeticError: if the loss is no longer finite.
    """
    started = time.perf_counter()
    small = proxy.shrink(arch, reference)
    network = _network(small, data, seed, device)
    count = max(2, round(proxy.fraction * len(data.train_y)))  # BN needs two images
    images = _pixels(data.train_x[:count], small.resolution, device)
    labels = torch.tensor(data.train_y[:count], device=device)
    valid_images = _pixels(data.valid_x, small.resolution, device)
    valid_labels = torch.tensor(data.valid_y, device=device)
    normalise = _normaliser(images)
    batches = max(1, count // proxy.batch_size)  # of nearly one size: a last one of one image would break BN
    optimizer, schedule = _optimizer(network, proxy, proxy.epochs * batches)
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(1, proxy.epochs + 1):
        network.train()
        loss_sum = torch.zeros((), device=device)
        for batch in torch.randperm(count, generator=generator).to(device).tensor_split(batches):
            loss = F.cross_entropy(network(normalise(images[batch])), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.detach() * len(batch)
        train_loss = loss_sum.item() / count
        if not math.isfinite(train_loss):
            raise ArithmeticError(f"loss is {train_loss} in epoch {epoch}")
        shown = len(valid_labels) if epoch == proxy.epochs else CURVE_IMAGES
        valid_loss, accuracy = _evaluate(network, normalise, valid_images[:shown], valid_labels[:shown])
        if not math.isfinite(valid_loss):
            raise ArithmeticError(f"validation loss is {valid_loss} in epoch {epoch}")
        yield Epoch(epoch, train_loss, valid_loss, accuracy, time.perf_counter() - started)


def _network(arch: ArchSpec, data: Dataset, seed: int, device: str) -> Network:
    """The network, initialised from ``seed`` and set up for few steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(arch, data.num_classes, data.train_x.shape[3])
    # EfficientNet's classifier starts at U(+-1/sqrt(classes)), meant for 1000 of them: with 10 the
    # logits start as loud noise, and a short training is spent on unlearning it.
    nn.init.zeros_(network.classifier.weight)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BN_MOMENTUM
    for layer in network.layers:
        if isinstance(layer, Layer) and layer.residual and hasattr(layer, "project"):
            # Residual branches start at zero, so that deep networks start as shallow ones
            # (Goyal et al. 2017, arXiv:1706.02677, sec. 5.1). Not before a ReLU: it would never wake.
            nn.init.zeros_(layer.get_parameter("project.1.weight"))
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _optimizer(network: nn.Module, proxy: Proxy, steps: int) -> tuple[AdamW, LambdaLR]:
    """AdamW with a linear warm-up and a cosine to zero; no weight decay for BN and biases."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": proxy.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    rising = proxy.warmup * steps

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / (steps - rising))

    optimizer = AdamW(groups, lr=proxy.learning_rate, betas=(0.9, 0.99))
    return optimizer, LambdaLR(optimizer, factor)


def _pixels(images: Images, resolution: int, device: str) -> Tensor:
    """`[N, H, W, C]` to uint8 `[N, C, resolution, resolution]`, channels last."""
    parts = []
    # torch.tensor copies: what Ray hands out is read-only, and from_numpy warns of that.
    for part in torch.tensor(images).split(EVAL_BATCH):
        x = part.to(device).permute(0, 3, 1, 2)  # [B, C, H, W]
        if x.shape[2:] != (resolution, resolution):
            x = F.interpolate(x.float(), (resolution, resolution), mode="bilinear", antialias=True)
            x = x.round().clamp(0, 255).to(torch.uint8)
        parts.append(x)
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def _normaliser(images: Tensor) -> Callable[[Tensor], Tensor]:
    """uint8 to floats, such that each channel of ``images`` has mean 0 and deviation 1."""
    sample = images[:4096].float()
    mean, deviation = sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clamp_min(1)  # [C]

    def normalise(batch: Tensor) -> Tensor:
        floats = (batch.float() - mean[:, None, None]) / deviation[:, None, None]
        return floats.contiguous(memory_format=torch.channels_last)

    return normalise


@torch.no_grad()
def _evaluate(
    network: nn.Module, normalise: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor
) -> tuple[float, float]:
    """Mean cross-entropy and top-1 accuracy."""
    network.eval()
    loss = torch.zeros((), device=images.device)
    correct = torch.zeros((), dtype=torch.int64, device=images.device)
    for x, y in zip(images.split(EVAL_BATCH), labels.split(EVAL_BATCH), strict=True):
        logits = network(normalise(x))
        loss += F.cross_entropy(logits, y, reduction="sum")
        correct += (logits.argmax(1) == y).sum()
    return loss.item() / len(labels), correct.item() / len(labels)
