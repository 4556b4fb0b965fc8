"""``build_network``: an ``ArchSpec`` as an ``nn.Module``. Shapes: B images, C channels, H = W pixels.

Tensors come in network order: stem, then per layer expand, depthwise, SE, project (of a bottleneck: reduce,
conv, project, shortcut), then head and classifier. ``search_spaces.cost`` has the cost of every op in closed
form.

Source: tensorflow/tpu, efficientnet_model.py (blocks, initialisation, BN, stochastic depth).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from search_spaces.arch import BOTTLENECK, PADDINGS, ArchSpec, LayerSpec
from search_spaces.convolution import PaddedConv2d
from search_spaces.cost import se_channels
from search_spaces.depthwise import DepthwiseConv2d
from search_spaces.limits import require

# The gradients of ReLU and ReLU6 need only the output, so they may overwrite the input. SiLU's needs the
# input, so SiLU in place would first copy it.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
}
BN_EPSILON = 1e-3
BN_MOMENTUM = 0.01  # torch's convention; TF's 0.99


def conv_bn(
    in_channels: int, channels: int, kernel: int, stride: int = 1, activation: str | None = None
) -> ConvBN:
    """Convolution without bias, BN, and ``activation`` unless None: `[B, C, H, H]` -> `[B, C', H', H']`."""
    return with_bn(PaddedConv2d(in_channels, channels, kernel, stride), activation)


class ConvBN(nn.Sequential):
    """A convolution, BN, and perhaps an activation.

    Attributes:
        frozen: BN keeps its running statistics in training too. It is then part of the convolution, which
            saves a third of a training step on a CPU (LOG.md).
    """

    frozen = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.frozen:
            return cast(Tensor, super().forward(x))  # type: ignore[no-untyped-call]
        conv, bn, *activation = tuple[Any, ...](self)
        scale = bn.weight * (bn.running_var + bn.eps).rsqrt()  # [C]
        y = conv.convolve(x, conv.weight * scale[:, None, None, None], bn.bias - bn.running_mean * scale)
        return cast(Tensor, activation[0](y) if activation else y)


def with_bn(conv: PaddedConv2d, activation: str | None = None) -> ConvBN:
    """``conv``, BN, and ``activation`` unless None."""
    bn = nn.BatchNorm2d(conv.out_channels, eps=BN_EPSILON, momentum=BN_MOMENTUM)
    return ConvBN(conv, bn, *([] if activation is None else [ACTIVATIONS[activation]()]))


def freeze_statistics(network: nn.Module) -> None:
    """Lets BN keep its running statistics, in training too."""
    for module in network.modules():
        if isinstance(module, ConvBN):
            module.frozen = True


def spatial_mean(x: Tensor) -> Tensor:
    """`[B, C, H, H]` -> `[B, C]`, with a gradient in the memory format of ``x``.

    The gradient of ``x.mean((2, 3))`` is always contiguous: in a channels-last network, the backward pass
    then runs on mixed formats, several times slower (LOG.md).
    """
    if x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).mean((1, 2))
    return x.mean((2, 3))


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate computed from all channels' means: Hu et al. 2018, arXiv:1709.01507."""

    def __init__(self, channels: int, squeezed: int, activation: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.activation = ACTIVATIONS[activation]()
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = spatial_mean(x)[:, :, None, None]  # [B, C, 1, 1]
        gate: Tensor = self.expand(self.activation(self.reduce(means)))
        return x * gate.sigmoid()


class Bottleneck(nn.Module):
    """A ``LayerSpec`` whose op is ``bottleneck``, with the stride in the middle, as in torchvision.

    Source: He et al. 2015, arXiv:1512.03385; ``drop_rate`` as for ``Layer``.
    """

    def __init__(self, spec: LayerSpec, activation: str, drop_rate: float) -> None:
        super().__init__()
        inside = spec.channels // BOTTLENECK
        self.reduce = conv_bn(spec.in_channels, inside, 1, activation=activation)
        self.conv = conv_bn(inside, inside, spec.kernel, spec.stride, activation)
        self.project = conv_bn(inside, spec.channels, 1)
        self.residual = spec.residual
        if not spec.residual:
            self.shortcut = conv_bn(spec.in_channels, spec.channels, 1, spec.stride)
        self.activation = ACTIVATIONS[activation]()
        self.drop_rate = drop_rate if spec.residual else 0.0

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.conv(self.reduce(x)))
        if self.training and self.drop_rate:
            y = dropped(y, self.drop_rate)
        same = x if self.residual else self.shortcut(x)
        return cast(Tensor, self.activation(same + y))


def dropped(y: Tensor, rate: float) -> Tensor:
    """Zeroes the residual branches `[B, C, H, H]` of a share of the images, and scales up the others."""
    survival = 1 - rate
    keep = torch.rand(len(y), 1, 1, 1, device=y.device, dtype=y.dtype) < survival  # [B, 1, 1, 1]
    return y / survival * keep


class Layer(nn.Module):
    """One ``LayerSpec``; ``drop_rate`` is the probability that an image skips a residual branch.

    Source: Huang et al. 2016, arXiv:1603.09382 (stochastic depth), as in EfficientNet's code.
    """

    def __init__(self, spec: LayerSpec, activation: str, drop_rate: float) -> None:
        super().__init__()
        inside = spec.channels
        if spec.op in ("mbconv", "separable"):
            inside = spec.in_channels * spec.expand_ratio
            if spec.expand_ratio != 1:
                self.expand = conv_bn(spec.in_channels, inside, 1, activation=activation)
            self.depthwise = with_bn(DepthwiseConv2d(inside, spec.kernel, spec.stride), activation)
        elif spec.op == "conv":
            self.conv = conv_bn(spec.in_channels, spec.channels, spec.kernel, spec.stride, activation)
        else:
            self.linear = conv_bn(spec.in_channels, spec.channels, spec.kernel, spec.stride)
        if spec.se_ratio:
            self.se = SqueezeExcitation(inside, se_channels(spec.in_channels, spec.se_ratio), activation)
        if spec.op == "mbconv":
            self.project = conv_bn(inside, spec.channels, 1)
        elif spec.op == "separable":
            self.pointwise = conv_bn(inside, spec.channels, 1, activation=activation)
        self.residual = spec.residual
        self.drop_rate = drop_rate if spec.residual else 0.0

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for module in self.children():
            y = module(y)
        if not self.residual:
            return y
        return x + (dropped(y, self.drop_rate) if self.training and self.drop_rate else y)


class Network(nn.Module):
    """Images `[B, in_channels, H, H]` to logits `[B, num_classes]`."""

    def __init__(
        self, arch: ArchSpec, num_classes: int, in_channels: int, dropout: float, stochastic_depth: float
    ) -> None:
        super().__init__()
        activation = arch.activation
        self.stem = conv_bn(in_channels, arch.stem_channels, arch.stem_kernel, arch.stem_stride, activation)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if arch.stem_pool else nn.Identity()
        specs = arch.layers()
        self.layers = nn.Sequential(
            *(
                (Bottleneck if spec.op == "bottleneck" else Layer)(
                    spec, activation, stochastic_depth * i / len(specs)
                )
                for i, spec in enumerate(specs)
            )
        )
        last, features = specs[-1].channels, arch.head_channels or specs[-1].channels
        head = arch.head_channels != 0
        self.head = conv_bn(last, features, 1, activation=activation) if head else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(features, num_classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.layers(self.pool(self.stem(x))))
        logits: Tensor = self.classifier(self.dropout(spatial_mean(x)))
        return logits


def initialize(network: nn.Module) -> None:
    """EfficientNet's initialisation: conv N(0, 2 / fan_out), linear U(+-1/sqrt(outputs)), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            # TF counts a depthwise kernel's fan_out as k * k * 1.
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)


def adopt_conventions(network: nn.Module, padding: str, bn_epsilon: float) -> None:
    """Makes convolutions pad, and BN divide, as in the library whose weights the network gets."""
    for module in network.modules():
        if isinstance(module, PaddedConv2d):
            module.same = padding == "same"
        elif isinstance(module, nn.BatchNorm2d):
            module.eps = bn_epsilon


def build_network(
    arch: ArchSpec,
    num_classes: int,
    in_channels: int = 3,
    *,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    padding: str = "symmetric",
    bn_epsilon: float = BN_EPSILON,
) -> Network:
    """The network of ``arch``, initialised from torch's global generator.

    Args:
        num_classes: outputs of the classifier.
        in_channels: channels of the images.
        dropout: before the classifier; EfficientNet's B0 has 0.2.
        stochastic_depth: layer i of n, from 0, has the drop rate ``stochastic_depth * i / n``;
            EfficientNet has 0.2.
        padding: ``symmetric``, by half the kernel at every side, or ``same``, as TensorFlow's SAME: the same
            but for strides of 2 on an even side. Output sides, and so costs, are equal.
        bn_epsilon: added to the variance in BN.

    Raises:
        ValueError: if a count is below 1, a rate is outside [0, 1), ``padding`` is another word, or
            ``bn_epsilon`` is not positive.
    """
    if num_classes < 1 or in_channels < 1:
        raise ValueError(
            f"num_classes and in_channels must be at least 1, got {num_classes} and {in_channels}"
        )
    if not 0 <= dropout < 1 or not 0 <= stochastic_depth < 1:
        raise ValueError(
            f"dropout and stochastic_depth must lie in [0, 1), got {dropout} and {stochastic_depth}"
        )
    require("padding", padding, PADDINGS)
    if not 0 < bn_epsilon < math.inf:
        raise ValueError(f"bn_epsilon must be a positive number, got {bn_epsilon}")
    network = Network(arch, num_classes, in_channels, dropout, stochastic_depth)
    adopt_conventions(network, padding, bn_epsilon)
    return network
