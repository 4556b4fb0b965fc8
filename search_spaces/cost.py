"""Closed-form cost of a network: multiply-adds, parameters, activations.

Counting convention, for one image: ``flops`` are the multiply-adds of convolutions and linear
layers (biases, BN, pooling, activation functions and additions are not counted), ``params`` are
the trainable weights, ``activations`` the output elements of convolutions and linear layers.
EfficientNet-B0 at 224 px with 1000 classes: 385,814,752 flops, 5,288,548 params.

fvcore's ``by_operator()``, "conv" plus "linear", gives the same number; its default total adds BN
and pooling (401.7M for B0). Every op of ``search_spaces.network`` has its cost function here.

Source of the activations measure: Radosavovic et al. 2020, arXiv:2003.13678, sec. 3.3.
"""

from __future__ import annotations

from typing import NamedTuple

from search_spaces.arch import BOTTLENECK, ArchSpec, StageSpec


class Cost(NamedTuple):
    """Cost of one forward pass of one image.

    flops: multiply-adds of convolutions and linear layers.
    params: trainable weights (BN's two per channel included, its running statistics not).
    activations: output elements of convolutions and linear layers.
    """

    flops: int
    params: int
    activations: int


def conv_cost(in_channels: int, channels: int, kernel: int, area: int) -> tuple[int, int, int]:
    """A convolution without bias, then BN, over ``area`` output positions."""
    weights = kernel * kernel * in_channels * channels
    return weights * area, weights + 2 * channels, channels * area


def se_cost(channels: int, squeezed: int) -> tuple[int, int, int]:
    """Pool to 1x1, a 1x1 convolution down to ``squeezed`` channels and one back, both with bias."""
    weights = 2 * channels * squeezed
    return weights, weights + squeezed + channels, squeezed + channels


def se_channels(in_channels: int, se_ratio: float) -> int:
    """Width of the squeeze: a share of the layer's *input* channels, at least 1.

    Source: tensorflow/tpu, efficientnet_model.py, ``MBConvBlock._build``.
    """
    return max(1, int(in_channels * se_ratio))


def mbconv_cost(
    in_channels: int, inside: int, channels: int, kernel: int, area_in: int, area: int
) -> tuple[int, int, int]:
    """Expand to ``inside`` channels (dropped if there are as many), depthwise and linear projection."""
    weights = kernel * kernel * inside
    flops = (weights + inside * channels) * area
    params = weights + inside * channels + 2 * (inside + channels)
    activations = (inside + channels) * area
    if inside != in_channels:
        weights = in_channels * inside
        flops += weights * area_in
        params += weights + 2 * inside
        activations += inside * area_in
    return flops, params, activations


def bottleneck_cost(
    in_channels: int, channels: int, kernel: int, area_in: int, area: int, *, projects: bool
) -> tuple[int, int, int]:
    """Down to a quarter of the outputs, k x k, up again; ``projects`` if the shortcut is a convolution."""
    inside = channels // BOTTLENECK
    parts = [
        conv_cost(in_channels, inside, 1, area_in),
        conv_cost(inside, inside, kernel, area),
        conv_cost(inside, channels, 1, area),
    ]
    parts += [conv_cost(in_channels, channels, 1, area)] * projects
    flops, params, activations = map(sum, zip(*parts, strict=True))
    return flops, params, activations


def layer_cost(
    stage: StageSpec, in_channels: int, area_in: int, area: int, *, first: bool
) -> tuple[int, int, int]:
    """One layer of ``stage`` from ``area_in`` to ``area`` positions: flops, params, activations."""
    channels = inside = stage.channels
    if stage.op in ("mbconv", "separable"):
        inside = in_channels * stage.expand_ratio
        priced = mbconv_cost(in_channels, inside, channels, stage.kernel, area_in, area)
    elif stage.op == "bottleneck":
        projects = first and not (stage.stride == 1 and in_channels == channels)
        priced = bottleneck_cost(in_channels, channels, stage.kernel, area_in, area, projects=projects)
    else:
        priced = conv_cost(in_channels, channels, stage.kernel, area)
    if stage.se_ratio:
        flops, params, activations = priced
        f, p, a = se_cost(inside, se_channels(in_channels, stage.se_ratio))
        return flops + f, params + p, activations + a
    return priced


def stage_cost(stage: StageSpec, in_channels: int, size: int) -> tuple[int, int, int, int]:
    """A whole stage on an input of side ``size``: flops, params, activations, and its output's side.

    An odd kernel k, padded by k // 2, gives the side ``ceil(size / stride)``, as TF's SAME does.
    """
    out = -(-size // stage.stride)
    area = out * out
    flops, params, activations = layer_cost(stage, in_channels, size * size, area, first=True)
    more = stage.repeats - 1
    if more:  # all layers after the first are alike
        f, p, a = layer_cost(stage, stage.channels, area, area, first=False)
        return flops + more * f, params + more * p, activations + more * a, out
    return flops, params, activations, out


def head_cost(arch: ArchSpec, in_channels: int, size: int, num_classes: int) -> tuple[int, int, int]:
    """Head and classifier, on the stages' output: ``in_channels`` maps of side ``size``."""
    flops = params = activations = 0
    if arch.head_channels:
        flops, params, activations = conv_cost(in_channels, arch.head_channels, 1, size * size)
    weights = (arch.head_channels or in_channels) * num_classes
    return flops + weights, params + weights + num_classes, activations + num_classes


def stem_cost(arch: ArchSpec, image_channels: int = 3) -> tuple[int, int, int, int]:
    """The stem on an image: flops, params, activations, and its output's side."""
    size = -(-arch.resolution // arch.stem_stride)
    price = conv_cost(image_channels, arch.stem_channels, arch.stem_kernel, size * size)
    return (*price, -(-size // 2) if arch.stem_pool else size)


def cost(arch: ArchSpec, num_classes: int = 1000, in_channels: int = 3) -> Cost:
    """Multiply-adds, parameters and activations of ``build_network(arch, num_classes, in_channels)``.

    Raises:
        ValueError: if ``num_classes`` or ``in_channels`` is below 1.
    """
    if num_classes < 1 or in_channels < 1:
        raise ValueError(
            f"num_classes and in_channels must be at least 1, got {num_classes} and {in_channels}"
        )
    flops, params, activations, size = stem_cost(arch, in_channels)
    channels = arch.stem_channels
    for stage in arch.stages:
        f, p, a, size = stage_cost(stage, channels, size)
        flops += f
        params += p
        activations += a
        channels = stage.channels
    f, p, a = head_cost(arch, channels, size, num_classes)
    return Cost(flops + f, params + p, activations + a)
