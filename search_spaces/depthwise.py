"""A depthwise convolution that trains fast on a CPU too: torch's results, by a faster backward pass.

Shapes: B images, C channels, H = W pixels, k the kernel's side, r = k // 2 its radius.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces.convolution import PaddedConv2d


class DepthwiseConv2d(PaddedConv2d):
    """A ``k x k`` convolution of each channel with itself, without bias.

    This avoids two slow paths of oneDNN on CPUs (LOG.md has the times). Weights that only ever meet padding,
    as on a map smaller than the kernel's radius, are left out. And the gradient of a kernel larger than
    3 x 3, several times slower than that of four 3 x 3 parts of it, is computed in such parts.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(channels, channels, kernel, stride, channels)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if x.device.type != "cpu" or torch._C._get_tracing_state():
            return super().convolve(x, weight, bias)
        kernel, side = self.kernel_size[0], x.shape[2]
        uneven = self.uneven(x)
        before = after = kernel // 2
        if side == x.shape[3]:
            before -= uneven[0]
            # Rows at the top and at the bottom of the kernel that only meet padding.
            top, bottom = max(0, before - (side - 1 - uneven[0])), max(0, kernel - before - side)
            if top or bottom:
                weight = weight[:, :, top : kernel - bottom, top : kernel - bottom]
                before, after = before - top, after - bottom
        elif any(uneven):
            return super().convolve(x, weight, bias)
        if after > before:  # the convolutions below pad alike at both ends
            x = F.pad(x, (0, after - before, 0, after - before))
        if weight.shape[2] > 3 and torch.is_grad_enabled() and weight.requires_grad:
            if torch.is_autocast_enabled("cpu"):  # which does not see the backward pass below
                x, weight = (tensor.to(torch.get_autocast_dtype("cpu")) for tensor in (x, weight))
            y: Tensor = _Depthwise.apply(x, weight, bias, self.stride[0], before)  # type: ignore[no-untyped-call]
            return y
        return F.conv2d(x, weight, bias, self.stride, before, 1, self.groups)


class _Depthwise(torch.autograd.Function):
    """The same convolution with its own backward pass: `[B, C, H, H]`, `[C, 1, k, k]` -> `[B, C, H', H']`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding, channels, kernel = ctx.stride, ctx.padding, len(weight), weight.shape[2]
        of_x = None
        if ctx.needs_input_grad[0] and stride == 1:
            of_x = F.conv2d(gradient, weight.flip((2, 3)), None, 1, padding, 1, channels)
        elif ctx.needs_input_grad[0]:
            of_x, _, _ = _backward(gradient, x, weight, stride, padding, (True, False, False))
        of_bias = gradient.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_x, _weight_gradient(gradient, x, kernel, stride, padding), of_bias, None, None


def _weight_gradient(gradient: Tensor, x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """The gradient `[C, 1, k, k]`, in parts three columns wide, oneDNN's fast path; parts may overlap.

    On maps no larger than the kernel, parts must be three rows high as well to be fast.
    """
    channels, beyond = x.shape[1], kernel - 1 - padding
    found = x.new_empty(channels, 1, kernel, kernel)
    thirds = sorted({*range(0, kernel - 2, 3), kernel - 3})
    rows = [(0, kernel)] if x.shape[2] > kernel else [(top, 3) for top in thirds]
    for top, height in rows:
        part = x.new_empty(channels, 1, height, 3)
        for left in thirds:
            # The padding that this part of the kernel sees; a negative number crops what it never reaches.
            edges = (padding - left, left + 2 - beyond, padding - top, top + height - 1 - beyond)
            _, of_part, _ = _backward(gradient, F.pad(x, edges), part, stride, 0, (False, True, False))
            found[:, :, top : top + height, left : left + 3] = of_part
    return found


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """torch's own gradients of input, weight and bias; only those ``wanted`` are computed."""
    return torch.ops.aten.convolution_backward(  # type: ignore[no-any-return]
        gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], x.shape[1], wanted
    )
