"""Images where they are trained on: on the device if they fit, else sent batch by batch.

Shapes: N images, B of a batch, C channels, H = W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.data import Part

CHUNK = 512
RESIDENT_SHARE = 0.3
"""Of the memory that is free on a GPU, what images may take there."""


class Pixels:
    """A part's images on a device, uint8.

    Args:
        part: of a data set; only its first ``count`` images are used.
        resolution: that they are resized to; None keeps their own size.
    """

    def __init__(
        self, part: Part, device: str, resolution: int | None = None, count: int | None = None
    ) -> None:
        self.images = part.images[:count]
        self.labels = torch.tensor(part.labels[:count], device=device)
        self.device = device
        self.resolution = resolution
        side = resolution or max(self.images.shape[1:3])
        size = len(self.images) * side * side * self.images.shape[3]
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
        return resize(x, self.resolution) if self.resolution else x


def resize(images: Tensor, resolution: int) -> Tensor:
    """uint8 `[B, C, H, W]` to `[B, C, resolution, resolution]`, channels last."""
    if images.shape[2:] != (resolution, resolution):
        images = F.interpolate(images.float(), (resolution, resolution), mode="bilinear", antialias=True)
        images = images.round().clamp(0, 255).to(torch.uint8)
    return images.contiguous(memory_format=torch.channels_last)


class Normaliser:
    """0 to 255 to floats, channel by channel: (x - mean) / deviation.

    Args:
        mean, deviation: `[C]`.
    """

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        self.mean, self.deviation = mean, deviation
        self._scale, self._shift = (1 / deviation)[:, None, None], (-mean / deviation)[:, None, None]

    def __call__(self, batch: Tensor) -> Tensor:
        """`[B, C, H, W]` -> float `[B, C, H, W]`, channels last."""
        normalised = torch.addcmul(self._shift, batch.float(), self._scale)
        return normalised.contiguous(memory_format=torch.channels_last)


def normaliser(images: Tensor) -> Normaliser:
    """0 to 255 to floats such that each channel of ``images`` has mean 0 and deviation 1."""
    sample = images.float()
    return Normaliser(sample.mean((0, 2, 3)), sample.std((0, 2, 3)).clamp_min(1))
