"""A depthwise convolution that trains fast on a CPU too: equal to torch's, by other ways to the gradient.

Shapes: B images, C channels, H = W pixels, k the kernel's side, r = k // 2 its radius.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DepthwiseConv2d(nn.Conv2d):
    """A ``k x k`` convolution of each channel with itself, padded by ``r``, without bias.

    On a CPU, oneDNN has two weak spots, which this goes around (LOG.md has the times). Where a map is
    smaller than the kernel's radius, most weights only ever meet padding: they are left out. And the gradient
    of weights that are not 3 x 3 is several times slower than that of four 3 x 3 parts of them.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or torch._C._get_tracing_state():
            return super().forward(x)
        weight, kernel = self.weight, self.kernel_size[0]
        surplus = max(0, kernel // 2 - (x.shape[2] - 1))  # of the radius, at each side
        if surplus and x.shape[2] == x.shape[3]:
            kernel -= 2 * surplus
            weight = weight[:, :, surplus : surplus + kernel, surplus : surplus + kernel]
        if kernel > 3 and torch.is_grad_enabled() and weight.requires_grad:
            y: Tensor = _Depthwise.apply(x, weight, self.stride[0])  # type: ignore[no-untyped-call]
            return y
        return F.conv2d(x, weight, None, self.stride, kernel // 2, 1, self.groups)


class _Depthwise(torch.autograd.Function):
    """The same convolution with gradients of its own: `[B, C, H, H]`, `[C, 1, k, k]` -> `[B, C, H', H']`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, None, stride, weight.shape[2] // 2, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        stride, channels, kernel = ctx.stride, len(weight), weight.shape[2]
        radius = kernel // 2
        towards_x = None
        if ctx.needs_input_grad[0] and stride == 1:
            towards_x = F.conv2d(gradient, weight.flip((2, 3)), None, 1, radius, 1, channels)
        elif ctx.needs_input_grad[0]:
            towards_x, _, _ = _backward(gradient, x, weight, stride, radius, (True, False, False))
        return towards_x, _weight_gradient(gradient, x, kernel, stride), None


def _weight_gradient(gradient: Tensor, x: Tensor, kernel: int, stride: int) -> Tensor:
    """`[C, 1, k, k]`, in parts of at most three columns, which oneDNN has a fast way for; they may overlap.

    On maps that are hardly larger than the kernel, parts must be of three rows as well.
    """
    channels, radius = x.shape[1], kernel // 2
    found = x.new_empty(channels, 1, kernel, kernel)
    thirds = sorted({*range(0, kernel - 2, 3), kernel - 3})
    rows = [(0, kernel)] if x.shape[2] > kernel else [(top, 3) for top in thirds]
    for top, height in rows:
        part = x.new_empty(channels, 1, height, 3)
        for left in thirds:
            # The padding that these rows and columns of the kernel see; below 0, what they never reach.
            edges = (radius - left, left + 3 - 1 - radius, radius - top, top + height - 1 - radius)
            _, of_part, _ = _backward(gradient, F.pad(x, edges), part, stride, 0, (False, True, False))
            found[:, :, top : top + height, left : left + 3] = of_part
    return found


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """torch's own gradients towards input, weight and bias, those that are ``wanted``."""
    return torch.ops.aten.convolution_backward(  # type: ignore[no-any-return]
        gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], x.shape[1], wanted
    )
