"""A trained network in use: images in, classes out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.errors import InputError
from nas.spec.recipe import enlarged
from nas.training.weights import NAME, network_conventions, read_header
from search_spaces import ArchSpec

if TYPE_CHECKING:
    from nas.data.dataset import Images

AT_ONCE = 64  # images

Classify = Callable[["Sequence[str | os.PathLike[str]] | Images"], list[tuple[str, float]]]


def load_classifier(run: str | os.PathLike[str], device: str = "cpu") -> Classify:
    """A function that names the class of each image, by the weights of a run of ``nas train``.

    It takes files of images, or uint8 images `[N, H, W, C]`; for each it gives the name of the most probable
    class, and its probability.

    Raises:
        InputError: if the weights are missing or damaged; when called, if a file is no image.
    """
    import torch
    from safetensors.torch import load_file

    from nas.training.pixels import fit
    from search_spaces.network import build_network

    header = read_header(Path(run))
    arch, classes = ArchSpec.parse(header["arch"]), json.loads(header["classes"])
    channels = int(header["in_channels"])
    padding, epsilon = network_conventions(header)
    network = build_network(arch, len(classes), channels, padding=padding, bn_epsilon=epsilon)
    network.load_state_dict(load_file(Path(run) / NAME))
    network.eval().to(device)
    mean, deviation = (
        torch.tensor(json.loads(header[name]), device=device)[:, None, None] for name in ("mean", "deviation")
    )
    centre = header["view"] == "centre"
    size = enlarged(arch.resolution) if centre else arch.resolution

    @torch.no_grad()
    def classify(images: Any) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = []
        for start in range(0, len(images), AT_ONCE):
            some = images[start : start + AT_ONCE]
            if not isinstance(some, np.ndarray):
                some = read_files(some, size, channels)
            x = fit(torch.tensor(some, device=device).permute(0, 3, 1, 2), arch.resolution, header["view"])
            shares, labels = network((x - mean) / deviation).softmax(1).max(1)
            named = [classes[label] for label in labels.tolist()]
            found += zip(named, shares.tolist(), strict=True)
        return found

    return classify


def read_files(files: Sequence[str | os.PathLike[str]], size: int, channels: int) -> Images:
    """The middle squares of image files, uint8 `[N, size, size, channels]`; InputError if one is no image."""
    from nas.data.decode import Unusable, decode

    images = []
    for file in files:
        try:
            images.append(decode(Path(file).read_bytes(), size).pixels)
        except Unusable as error:
            raise InputError(f"images must be image files ({error}), got {os.fspath(file)}") from None
    found = np.stack(images)
    return found if channels == 3 else found.mean(3, keepdims=True).round().astype(np.uint8)
