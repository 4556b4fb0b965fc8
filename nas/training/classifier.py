"""A trained network in use: images in, classes out.

Shapes: N images, H and W pixels, C channels, K classes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from nas.data.depth import WHITE, Span
from nas.data.pictures import Batch, Size, read_batch
from nas.errors import InputError
from nas.spec.recipe import enlarged
from nas.training.expected_memory import evaluated_at_once
from nas.training.pixels import Normaliser, fit
from nas.training.weights import NAME, network_conventions, read_file, read_header
from search_spaces import ArchSpec
from search_spaces.network import build_network

if TYPE_CHECKING:
    from nas.data.dataset import Images

AT_ONCE = 64  # files that are read before they are classified

Shares = NDArray[np.float32]
Classify = Callable[["Sequence[str | os.PathLike[str]] | Images"], list[tuple[str, float]]]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network, and how images are made ready for it.

    Args:
        classes: their names, by label.
        view: how images are sized, see ``nas.training.pixels.fit``.
        size: how files are read.
        normalise: turns sized images into the network's input.
        network: in evaluation mode, on ``device``.
        bfloat16: compute in bfloat16, as training may have done.
    """

    arch: ArchSpec
    classes: tuple[str, ...]
    view: str
    size: Size
    normalise: Normaliser
    network: nn.Module
    device: str
    bfloat16: bool = False

    def inputs(self, images: Images) -> torch.Tensor:
        """The network's input, `[N, C, H, H]`, for uint8 images `[N, H, W, C]`."""
        pixels = torch.tensor(images, device=self.device).permute(0, 3, 1, 2)
        return self.normalise(fit(pixels, self.arch.resolution, self.view))

    @torch.no_grad()
    def probabilities(self, images: Images) -> Shares:
        """The probability of each class, `[N, K]`, for uint8 images `[N, H, W, C]`."""
        found = [np.zeros((0, len(self.classes)), np.float32)]
        kind = torch.device(self.device).type
        at_once = evaluated_at_once(self.arch, self.device)
        for start in range(0, len(images), at_once):
            x = self.inputs(images[start : start + at_once])
            with torch.autocast(kind, torch.bfloat16, enabled=self.bfloat16):
                logits = self.network(x)
            found.append(logits.float().softmax(1).cpu().numpy())
        return np.concatenate(found)


def open_classifier(
    run: str | os.PathLike[str], device: str = "cpu", *, bfloat16: bool = False
) -> Classifier:
    """The network that a run of ``nas train`` has trained.

    Raises:
        InputError: if the weights are missing or damaged.
    """
    path = Path(run) / NAME
    header = read_header(Path(run))
    try:
        arch, classes = ArchSpec.parse(header["arch"]), json.loads(header["classes"])
        channels = int(header["in_channels"])
        mean, deviation = (torch.tensor(json.loads(header[name])) for name in ("mean", "deviation"))
        white = {kind: Span(kind, *limits) for kind, limits in json.loads(header.get("white", "{}")).items()}
        view = header["view"]
        padding, epsilon = network_conventions(header)
        network = build_network(arch, len(classes), channels, padding=padding, bn_epsilon=epsilon)
        tensors, _ = read_file(path)
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise ValueError("some are not finite")
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(f"{error}".split())[:200]
        raise InputError(f"run must have weights that can be used ({reason}): {path}") from None
    network.eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = enlarged(arch.resolution) if view == "centre" else arch.resolution
    return Classifier(
        arch,
        tuple(map(str, classes)),
        view,
        Size(side, channels, WHITE | white),
        Normaliser(mean.to(device), deviation.to(device)),
        network,
        device,
        bfloat16,
    )


def load_classifier(run: str | os.PathLike[str], device: str = "cpu") -> Classify:
    """A function that names the class of each image, by the weights of a run of ``nas train``.

    It takes files of images, or uint8 images `[N, H, W, C]`; for each it gives the name of the most probable
    class, and its probability.

    Raises:
        InputError: if the weights are missing or damaged; when called, if a file is no image.
    """
    classifier = open_classifier(run, device)

    def classify(images: Any) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = []
        for start in range(0, len(images), AT_ONCE):
            some = images[start : start + AT_ONCE]
            if not isinstance(some, np.ndarray):
                some = read_files(some, classifier.size)
            shares = classifier.probabilities(some)
            labels = shares.argmax(1)
            named = [classifier.classes[label] for label in labels.tolist()]
            found += zip(named, shares.max(1).tolist(), strict=True)
        return found

    return classify


def read_files(files: Sequence[str | os.PathLike[str]], size: Size) -> Images:
    """The middle squares of image files, uint8 `[N, side, side, C]`; InputError if one is no image."""
    names = [os.fsdecode(file) for file in files]
    read = read_batch(Batch(list(range(len(names))), list(names), size))
    for number, reason in read.broken.items():
        raise InputError(f"images must be image files ({reason}), got {names[number]}")
    return read.pixels
