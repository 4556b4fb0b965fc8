"""The operations of AutoAugment, RandAugment and TrivialAugment, each on a stack of images.

Shapes: N images, S = side in pixels, C channels (1: grey, 3: colour). Every operation maps uint8
`[N, S, S, C]` and magnitudes `[N]` to uint8 `[N, S, S, C]`, image by image as Pillow does. Pixels from
outside an image are grey, as in EfficientNet's code; geometric operations take the nearest pixel.

Source: tensorflow/tpu, models/official/efficientnet/autoaugment.py; Pillow, ImageOps and ImageEnhance.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

OUTSIDE = 128
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Turns about the centre, counter-clockwise for positive ``degrees``."""
    angle = torch.deg2rad(degrees)
    cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _affine(images, (cos, -sin, none), (sin, cos, none))


def shear_x(images: Tensor, share: Tensor) -> Tensor:
    """Moves row y to the left by ``share * y``, counted from the upper edge."""
    one, none = torch.ones_like(share), torch.zeros_like(share)
    return _affine(images, (one, share, share), (none, one, none))


def shear_y(images: Tensor, share: Tensor) -> Tensor:
    """Moves column x up by ``share * x``, counted from the left edge."""
    one, none = torch.ones_like(share), torch.zeros_like(share)
    return _affine(images, (one, none, none), (share, one, share))


def translate_x(images: Tensor, share: Tensor) -> Tensor:
    """Moves the image to the left by ``share`` of the side."""
    one, none = torch.ones_like(share), torch.zeros_like(share)
    return _affine(images, (one, none, 2 * share), (none, one, none))


def translate_y(images: Tensor, share: Tensor) -> Tensor:
    """Moves the image up by ``share`` of the side."""
    one, none = torch.ones_like(share), torch.zeros_like(share)
    return _affine(images, (one, none, none), (none, one, 2 * share))


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """From black (0) over the image (1) to brighter."""
    return _blend(torch.zeros((), device=images.device), images, factor)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """From shades of grey (0) over the image (1) to more colourful; grey images stay."""
    return images if images.shape[3] == 1 else _blend(_grey(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """From the mean shade of grey (0) over the image (1) to more contrast.

    The mean is Pillow's: EfficientNet's code divides by 256, not by the number of pixels.
    """
    mean = (_grey(images).mean((1, 2, 3), keepdim=True) + 0.5).floor()
    return _blend(mean, images, factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """From smooth (0) over the image (1) to sharper; the outermost pixels stay."""
    x = images.permute(0, 3, 1, 2).float()
    inner = x[:, :, 1:-1, 1:-1]
    smooth = x.clone()
    # Pillow's kernel: 5 in the middle, 1 around it, divided by 13.
    smooth[:, :, 1:-1, 1:-1] = ((9 * F.avg_pool2d(x, 3, stride=1) + 4 * inner) / 13 + 0.5).floor()
    return _blend(smooth.permute(0, 2, 3, 1), images, factor)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the ``bits`` highest of each value's eight bits."""
    lost = torch.exp2(8 - bits) - 1
    return images & ~_each(lost.to(torch.uint8))


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Inverts values of at least ``threshold``; 256 inverts none."""
    return torch.where(images < _each(threshold.to(torch.int16)), images, ~images)


def solarize_add(images: Tensor, addition: Tensor) -> Tensor:
    """Adds to values below 128; sums end at 255."""
    added = (images + _each(addition.to(torch.int16))).clamp_(0, 255).to(torch.uint8)
    return torch.where(images < 128, added, images)


def invert(images: Tensor, _: Tensor) -> Tensor:
    """255 minus each value."""
    return ~images


def autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretches each channel to 0 to 255, unless it has only one value."""
    low = images.amin((1, 2), keepdim=True).float()  # [N, 1, 1, C]
    width = images.amax((1, 2), keepdim=True) - low
    scale = 255 / width.clamp_min(1)
    # Exact results are at least 1/255 apart: 1e-3 only keeps float error from pushing one below its integer.
    stretched = ((images - low) * scale + 1e-3).to(torch.uint8)
    return torch.where(width > 0, stretched, images)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Makes the values of each channel about equally frequent, unless it has only one value."""
    n, channels = len(images), images.shape[3]
    first = 256 * torch.arange(n * channels, device=images.device).view(n, 1, 1, channels)
    index = (images.long() + first).flatten()  # into histograms, one for each image and channel
    counts = torch.zeros(n * channels * 256, dtype=torch.int64, device=images.device)
    counts = counts.scatter_add_(0, index, counts.new_ones(()).expand_as(index)).view(-1, 256)
    highest = images.amax((1, 2)).long().view(-1, 1)
    step = (counts.sum(1, keepdim=True) - counts.gather(1, highest)) // 255  # [N * C, 1]
    below = counts.cumsum(1) - counts
    table = ((below + step // 2) // step.clamp_min(1)).clamp_(0, 255)
    table = torch.where(step > 0, table, torch.arange(256, device=images.device)).to(torch.uint8)
    return table.flatten().index_select(0, index).view_as(images)


def cutout(images: Tensor, share: Tensor) -> Tensor:
    """Greys out a square that reaches ``share`` of the side in each direction from a random centre."""
    n, side = images.shape[:2]
    place = (torch.arange(side, device=images.device) + 0.5) / side
    centre = torch.rand(2, n, 1, device=images.device)
    rows, columns = (place - centre).abs() < share[:, None]  # [N, S] each
    hidden = rows[:, :, None, None] & columns[:, None, :, None]
    return images.masked_fill(hidden, OUTSIDE)


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    operation.__name__: operation
    for operation in (
        *(rotate, shear_x, shear_y, translate_x, translate_y),
        *(brightness, color, contrast, sharpness),
        *(posterize, solarize, solarize_add, invert, autocontrast, equalize, cutout),
    )
}


def _affine(images: Tensor, x: tuple[Tensor, Tensor, Tensor], y: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Resamples images: ``x`` and ``y`` give each pixel's source, as factors `[N]` of its x, its y and 1.

    Coordinates run from -1 at one edge to 1 at the other.
    """
    matrix = torch.stack([*x, *y], 1).view(-1, 2, 3)
    pixels = images.permute(0, 3, 1, 2).float() - OUTSIDE
    grid = F.affine_grid(matrix, list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return (moved + OUTSIDE).to(torch.uint8).permute(0, 2, 3, 1)


def _blend(degenerate: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """``degenerate`` where ``factor`` is 0, the image where it is 1; linear between and beyond."""
    return torch.lerp(degenerate, images.float(), _each(factor)).clamp_(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """Shades of grey, floats `[N, S, S, 1]`, of images `[N, S, S, C]`."""
    if images.shape[3] == 1:
        return images.float()
    return ((images.float() @ torch.tensor(LUMA, device=images.device))[..., None] + 0.5).floor()


def _each(magnitude: Tensor) -> Tensor:
    """`[N]` to `[N, 1, 1, 1]`."""
    return magnitude[:, None, None, None]
