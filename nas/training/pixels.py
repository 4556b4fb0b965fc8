"""Images on the device that trains: all of them if they fit, otherwise sent batch by batch.

Shapes: N images, B per batch, C channels, H = W pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nas.data import Part
from nas.spec.recipe import enlarged

CHUNK = 512
RESIDENT_SHARE = 0.3
"""The share of a GPU's free memory that images may take."""
RESIDENT_ON_CPU = 2**30
"""Bytes; a larger set of images stays in its file."""
READERS, AHEAD = 4, 8
"""Threads that read batches, and how many batches they read ahead."""


class Pixels:
    """A part's images on a device, uint8: all of them if they fit, otherwise each batch as it is needed.

    Args:
        part: only its first ``count`` images are used.
        resolution: the network's.
        view: ``whole`` for images of that size; ``margin`` for larger ones, which are still to be cropped;
            ``centre`` for the middle of those. See ``fit``.
    """

    def __init__(
        self, part: Part, device: str, resolution: int, count: int | None = None, view: str = "whole"
    ) -> None:
        self.images = part.images[:count]
        self.labels = torch.tensor(part.labels[:count], device=device)
        self.device, self.resolution, self.view = device, resolution, view
        self.resident: Tensor | None = None  # [N, H, W, C]
        if self._fits(len(self) * self._send(self._read(slice(1))).numel()):
            parts = [self._send(self._read(slice(i, i + CHUNK))) for i in range(0, len(self), CHUNK)]
            self.resident = torch.cat([part.permute(0, 2, 3, 1) for part in parts])

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images uint8 `[B, C, H, W]`, channels last, and labels `[B]`, in whole batches.

        Args:
            order: indices `[M]` on the CPU; those after the last whole batch are left out.
        """
        batches = order[: len(order) // batch_size * batch_size].split(batch_size)
        if self.resident is not None:
            for index in torch.stack(batches).to(self.device):
                yield self.resident[index].permute(0, 3, 1, 2), self.labels[index]
            return
        with ThreadPoolExecutor(READERS) as readers:
            reading = deque(readers.submit(self._read, index.numpy()) for index in batches[:AHEAD])
            for i, index in enumerate(batches):
                images = self._send(reading.popleft().result())
                if i + AHEAD < len(batches):
                    reading.append(readers.submit(self._read, batches[i + AHEAD].numpy()))
                yield images, self.labels[index.to(self.device)]

    def range(self, start: int, stop: int) -> Tensor:
        """Images ``start`` to ``stop``: uint8 `[B, C, H, W]`, channels last."""
        if self.resident is not None:
            return self.resident[start:stop].permute(0, 3, 1, 2)
        return self._send(self._read(slice(start, stop)))

    def _fits(self, size: int) -> bool:
        if torch.device(self.device).type != "cuda":
            return size <= RESIDENT_ON_CPU
        free, _ = torch.cuda.mem_get_info()
        return size <= RESIDENT_SHARE * free

    def _read(self, which: slice | NDArray[np.int64]) -> Tensor:
        """`[B, H, W, C]` in memory, pinned if the device is a GPU."""
        # torch.tensor copies: arrays from Ray are read-only, and from_numpy warns about that.
        images = torch.tensor(self.images[which])
        return images.pin_memory() if torch.device(self.device).type == "cuda" else images

    def _send(self, images: Tensor) -> Tensor:
        x = images.to(self.device, non_blocking=True).permute(0, 3, 1, 2)  # [B, C, H, W]
        return fit(x, self.resolution, self.view)


def fit(images: Tensor, resolution: int, view: str) -> Tensor:
    """Sizes uint8 images `[B, C, H, W]` for a network of ``resolution``, channels last; see ``Pixels``.

    If images are smaller than ``enlarged(resolution)``, ``margin`` leaves them as they are, and ``centre``
    is the same as ``whole``.
    """
    larger = enlarged(resolution)
    if view != "whole" and min(images.shape[2:]) >= larger:
        images = resize(images, larger)
        if view == "centre":
            start = (larger - resolution + 1) // 2
            images = images[:, :, start : start + resolution, start : start + resolution]
    elif view != "margin":
        images = resize(images, resolution)
    return images.contiguous(memory_format=torch.channels_last)


def resize(images: Tensor, resolution: int) -> Tensor:
    """Resizes uint8 `[B, C, H, W]` to `[B, C, resolution, resolution]`, channels last."""
    if images.shape[2:] != (resolution, resolution):
        images = F.interpolate(images.float(), (resolution, resolution), mode="bilinear", antialias=True)
        images = images.round().clamp(0, 255).to(torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


class Normaliser:
    """Turns values from 0 to 255 into floats, channel by channel: (x - mean) / deviation.

    Args:
        mean, deviation: `[C]`.
    """

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        self.mean, self.deviation = mean, deviation
        self._scale, self._shift = (1 / deviation)[:, None, None], (-mean / deviation)[:, None, None]

    @classmethod
    def of(cls, mean: Sequence[float], deviation: Sequence[float], device: str) -> Normaliser:
        """The normaliser of these numbers for each channel."""
        return cls(torch.tensor(mean, device=device), torch.tensor(deviation, device=device))

    def __call__(self, batch: Tensor) -> Tensor:
        """`[B, C, H, W]` -> float `[B, C, H, W]`, channels last."""
        normalised = torch.addcmul(self._shift, batch.float(), self._scale)
        return normalised.contiguous(memory_format=torch.channels_last)


def normaliser(images: Tensor) -> Normaliser:
    """The normaliser that gives each channel of ``images`` mean 0 and deviation 1."""
    sample = images.float()
    return Normaliser(sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clamp_min(1))
