"""Augmentation of whole batches, on the device that trains.

Shapes: B images per batch, C channels, H = W pixels, K classes. All draws come from torch's default
generators, as dropout's do; the trainer seeds them for each epoch.

Except for ``distort``, nothing here waits for the device or has shapes that depend on the draws, so a step
can be captured as a CUDA graph.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Beta

from nas.spec.recipe import Recipe
from nas.training.policies import POLICIES, distort

ASPECTS = (3 / 4, 4 / 3)
LEAST_AREA = 0.1
"""EfficientNet's code asks for 8 %, but draws again until the crop covers 10 % of the image."""


def augment(
    images: Tensor, labels: Tensor, recipe: Recipe, resolution: int, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Augments a batch by ``recipe``.

    Args:
        images: uint8 `[B, C, H, W]`, channels last; already at ``resolution`` unless the recipe's crop is
            ``random_resized``.
        labels: `[B]`.

    Returns:
        uint8 or float images `[B, C, resolution, resolution]` in 0 to 255, and labels `[B]` or, if images
        are mixed, class shares `[B, K]`.
    """
    if recipe.crop == "random_resized":
        images = random_resized_crop(images, resolution)
    elif recipe.crop == "padded":
        images = padded_crop(images, resolution // 8)
    if recipe.flip:
        images = flip(images)
    if recipe.policy != "none":
        images = distort(images.round().to(torch.uint8), POLICIES[recipe.policy])
    if recipe.mixup or recipe.cutmix:
        return mix(images, labels, recipe.mixup, recipe.cutmix, num_classes)
    return images, labels


def flip(images: Tensor) -> Tensor:
    """Mirrors each image with probability 1/2."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(3), images)


def padded_crop(images: Tensor, pad: int) -> Tensor:
    """Shifts each image by up to ``pad`` pixels in x and in y.

    The uncovered border is filled with the image's reflection. Black would be an edge that no other image
    has, and its meaning would depend on how images are normalised.
    """
    count, _, height, width = images.shape
    shift = torch.randint(-pad, pad + 1, (2, count, 1), device=images.device)
    y = _reflect(torch.arange(height, device=images.device) + shift[0], height)  # [B, H]
    x = _reflect(torch.arange(width, device=images.device) + shift[1], width)  # [B, W]
    image = torch.arange(count, device=images.device)[:, None, None]
    index = (image * height + y[:, :, None]) * width + x[:, None, :]  # [B, H, W]
    pixels = images.permute(0, 2, 3, 1).reshape(count * height * width, -1)
    return pixels.index_select(0, index.flatten()).view(count, height, width, -1).permute(0, 3, 1, 2)


def _reflect(place: Tensor, size: int) -> Tensor:
    """Mirrors coordinates outside 0 to ``size - 1`` at the middle of the outermost pixel."""
    return (size - 1) - ((size - 1) - place.abs()).abs()


def random_resized_crop(images: Tensor, resolution: int) -> Tensor:
    """A random part of each image, resized: floats `[B, C, resolution, resolution]` in 0 to 255.

    As in EfficientNet's code, and unlike torchvision, the aspect ratio is drawn uniformly and then the
    height, not the area. Resizing is bicubic without antialiasing: images should be no larger than
    ``nas.spec.recipe.enlarged(resolution)``.

    Source: tensorflow, core/kernels/image/sample_distorted_bounding_box_op.cc, ``GenerateRandomCrop``.
    """
    count, _, height, width = images.shape
    draws = torch.rand(4, count, device=images.device)
    aspect = ASPECTS[0] + (ASPECTS[1] - ASPECTS[0]) * draws[0]  # width / height, in pixels
    lowest = (LEAST_AREA * height * width / aspect).sqrt()
    highest = (width / aspect).clamp_max(height)
    h = (lowest + (highest - lowest) * draws[1]) / height  # share of the height
    w = h * aspect * height / width
    # The crop's centre, from -1 at one edge to 1 at the other, drawn so that the crop lies in the image.
    y, x = (1 - h) * (2 * draws[2] - 1), (1 - w) * (2 * draws[3] - 1)
    place = (2 * torch.arange(resolution, device=images.device) + 1) / resolution - 1
    rows = torch.addcmul(y[:, None], h[:, None], place)[:, :, None]  # [B, resolution, 1]
    columns = torch.addcmul(x[:, None], w[:, None], place)[:, None, :]
    grid = torch.stack(torch.broadcast_tensors(columns, rows), 3)
    crops = F.grid_sample(images.float(), grid, mode="bicubic", padding_mode="border", align_corners=False)
    return crops.clamp(0, 255)


def mix(
    images: Tensor, labels: Tensor, mixup: float, cutmix: float, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Mixes each image with the one before it in the batch, by mixup, CutMix or, for each batch, either.

    Args:
        mixup: alpha of the beta distribution of the image's own share; 0 for no mixup.
        cutmix: likewise for its own share of the area, outside a box; 0 for no CutMix.

    Returns:
        float images `[B, C, H, W]`, and class shares `[B, K]`.

    Source: Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899.
    """
    device, size = images.device, images.shape[2:]
    if mixup and cutmix:
        first = torch.rand((), device=device) < 0.5
        own = torch.where(first, _beta(mixup, device).expand(size), _outside_box(_beta(cutmix, device), size))
    elif mixup:
        own = _beta(mixup, device).expand(size)
    else:
        own = _outside_box(_beta(cutmix, device), size)
    pixels = images.float()
    classes = torch.zeros(len(labels), num_classes, device=device).scatter_(1, labels[:, None], 1.0)
    return pixels.roll(1, 0).lerp(pixels, own), classes.roll(1, 0).lerp(classes, own.mean())


def _beta(alpha: float, device: torch.device) -> Tensor:
    """A draw from the symmetric beta distribution, a scalar."""
    concentration = torch.full((), alpha, device=device)
    return Beta(concentration, concentration, validate_args=False).sample()


def _outside_box(share: Tensor, size: torch.Size) -> Tensor:
    """`[H, W]`: 0 in a box of ``1 - share`` of the area, which may reach beyond the image, and 1 outside."""
    half = (1 - share).sqrt() / 2
    inside = [
        ((torch.arange(length, device=share.device) + 0.5) / length - torch.rand_like(share)).abs() < half
        for length in size
    ]
    return 1 - (inside[0][:, None] & inside[1]).float()
