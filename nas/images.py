"""Images where they are trained on: on the device if they fit, else sent batch by batch.

Shapes: N images, B of a batch, C channels, H = W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.data import Part

CHUNK = 512
RESIDENT_SHARE = 0.3
"""Of the memory that is free on a GPU, what images may take there."""
MARGIN = 32 / 224
"""Of the resolution, by how much larger images are cropped: for training at random, else in the middle.

Source: tensorflow/tpu, models/official/efficientnet/preprocessing.py, ``CROP_FRACTION``.
"""


class Pixels:
    """A part's images on a device, uint8.

    Args:
        part: of a data set; only its first ``count`` images are used.
        resolution: of the network.
        view: ``whole`` for images of that size; ``margin`` for larger ones, which are still to be cropped;
            ``centre`` for what is in the middle of those. See ``fit``.
    """

    def __init__(
        self, part: Part, device: str, resolution: int, count: int | None = None, view: str = "whole"
    ) -> None:
        self.images = part.images[:count]
        self.labels = torch.tensor(part.labels[:count], device=device)
        self.device = device
        self.resolution = resolution
        self.view = view
        size = len(self.images) * self._send(self.images[:1]).numel()
        self.resident = torch.cat([*self._all()]) if self._fits(size) else None

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: Tensor) -> Tensor:
        """`[B]` on the device, of what images -> uint8 `[B, C, H, W]`, channels last."""
        if self.resident is not None:
            return self.resident[index]
        return self._send(self.images[index.cpu().numpy()])

    def range(self, start: int, stop: int) -> Tensor:
        """Images ``start`` to ``stop``: uint8 `[B, C, H, W]`, channels last."""
        if self.resident is not None:
            return self.resident[start:stop]
        return self._send(self.images[start:stop])

    def _fits(self, size: int) -> bool:
        if torch.device(self.device).type != "cuda":
            return size < 2**31
        free, _ = torch.cuda.mem_get_info()
        return size < RESIDENT_SHARE * free

    def _all(self) -> list[Tensor]:
        return [self._send(self.images[i : i + CHUNK]) for i in range(0, len(self), CHUNK)]

    def _send(self, images: object) -> Tensor:
        # torch.tensor copies: what Ray hands out is read-only, and from_numpy warns of that.
        x = torch.tensor(images)
        x = x.to(self.device).permute(0, 3, 1, 2)  # [B, C, H, W]
        return fit(x, self.resolution, self.view)


def fit(images: Tensor, resolution: int, view: str) -> Tensor:
    """uint8 `[B, C, H, W]` as a network of ``resolution`` has use for them, channels last.

    ``margin`` and ``centre`` need images that are larger than the resolution by ``MARGIN``. Of smaller ones
    ``margin`` gives all, at their own size, and ``centre`` all, resized.
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


def enlarged(resolution: int) -> int:
    """The side of images that are cropped to ``resolution``: 256 for 224."""
    return resolution + round(MARGIN * resolution)


def resize(images: Tensor, resolution: int) -> Tensor:
    """uint8 `[B, C, H, W]` to `[B, C, resolution, resolution]`, channels last."""
    if images.shape[2:] != (resolution, resolution):
        images = F.interpolate(images.float(), (resolution, resolution), mode="bilinear", antialias=True)
        images = images.round().clamp(0, 255).to(torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


def normaliser(images: Tensor) -> Callable[[Tensor], Tensor]:
    """0 to 255 to floats such that each channel of ``images`` has mean 0 and deviation 1."""
    sample = images.float()
    mean, deviation = sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clamp_min(1)  # [C]
    scale, shift = (1 / deviation)[:, None, None], (-mean / deviation)[:, None, None]

    def normalise(batch: Tensor) -> Tensor:
        return torch.addcmul(shift, batch.float(), scale).contiguous(memory_format=torch.channels_last)

    return normalise
