"""Distillation: a network learns the outputs of a trained one, beside the labels.

Shapes: B images, C channels, H = W pixels, K classes.

Source: Hinton et al. 2015, arXiv:1503.02531.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from nas.training.pixels import Normaliser
from search_spaces.network import build_network

if TYPE_CHECKING:
    from nas.training.pretrained import Pretrained


class Teacher:
    """A trained network in evaluation, at its own resolution."""

    def __init__(self, trained: Pretrained, device: str) -> None:
        outputs = len(trained.tensors["classifier.weight"])
        network = build_network(
            *(trained.arch, outputs, len(trained.mean)),
            padding=trained.padding,
            bn_epsilon=trained.bn_epsilon,
        )
        network.load_state_dict(dict(trained.tensors), strict=False)  # files may lack BN's counts of batches
        network.requires_grad_(False).eval()
        self.network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.resolution = trained.arch.resolution
        self.normalise = Normaliser.of(trained.mean, trained.deviation, device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """The logits `[B, K]` of images `[B, C, H, W]` in 0 to 255, as the student sees them."""
        size = (self.resolution, self.resolution)
        if images.shape[2:] != size:
            images = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
        logits: Tensor = self.network(self.normalise(images))
        return logits


def distillation_loss(logits: Tensor, theirs: Tensor, temperature: float) -> Tensor:
    """The divergence of the student's outputs `[B, K]` from the teacher's, both softened by ``temperature``.

    Its gradients are as large as those of the labels' loss, whatever the temperature.
    """
    ours, softened = (F.log_softmax(values / temperature, 1) for values in (logits, theirs))
    return temperature**2 * F.kl_div(ours, softened, reduction="batchmean", log_target=True)
