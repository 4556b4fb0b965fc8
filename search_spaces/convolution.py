"""A convolution that pads symmetrically, or as TensorFlow's SAME does.

Shapes: B images, C channels, H = W pixels, k the kernel's side, r = k // 2 its radius.

Both give ``ceil(H / stride)`` outputs. SAME adds only as much as these need, and an odd pixel of it at the
end: with a stride of 2 on an even side r - 1 before and r after; otherwise r at both, as symmetric padding.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PaddedConv2d(nn.Conv2d):
    """A ``k x k`` convolution without bias, k odd, stride 1 or 2: `[B, C, H, H]` -> `[B, C', H', H']`.

    Attributes:
        same: pad as TensorFlow's SAME; otherwise by r everywhere.
    """

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.same = False

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.weight)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The same convolution with other weights, of the same shape, and a bias `[C']`."""
        uneven = self.uneven(x)
        if not any(uneven):
            y: Tensor = self._conv_forward(x, weight, bias)
            return y
        radius, (rows, columns) = self.kernel_size[0] // 2, uneven
        edges = (radius - columns, radius, radius - rows, radius)
        return F.conv2d(F.pad(x, edges), weight, bias, self.stride, 0, 1, self.groups)

    def uneven(self, x: Tensor) -> tuple[bool, bool]:
        """Whether the rows, and the columns, have one pixel of padding less before than after."""
        if not self.same or self.stride[0] == 1 or self.kernel_size[0] == 1:
            return False, False
        return int(x.shape[2]) % 2 == 0, int(x.shape[3]) % 2 == 0  # tensors while a network is traced
