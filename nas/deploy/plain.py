"""A ConvNet in plain PyTorch: ``load()`` gives the network, ``classify(paths)`` names the classes of images.

It needs torch and safetensors, and for image files Pillow. The weights are in ``model.safetensors``, beside
this file. From a shell: ``python model.py photo.jpg``.

Shapes: N images, C channels, H pixels a side, K classes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU, "relu6": nn.ReLU6}


class Layer(NamedTuple):
    """One layer between stem and head.

    op: ``mbconv`` (expand, depthwise, squeeze-and-excitation, project), ``separable`` (depthwise, pointwise),
        ``conv``, ``linear`` (a convolution without activation) or ``bottleneck`` (ResNet's).
    inside: channels between its convolutions.
    squeezed: channels inside squeeze-and-excitation; 0 for none.
    residual: whether the input is added to the output.
    """

    op: str
    kernel: int
    stride: int
    inputs: int
    inside: int
    outputs: int
    squeezed: int
    residual: bool


class Design(NamedTuple):
    """The whole network, and how images are made ready for it.

    head: channels of the 1x1 convolution before pooling; 0 for none.
    same: pad as TensorFlow's SAME: with a stride of 2 on an even side, one pixel less before than after.
    resolution: H, the input's side in pixels.
    read_at: the side that the middle square of an image is resized to, before its middle is cropped to H.
    mean, deviation: of each channel, for values from 0 to 255.
    """

    classes: tuple[str, ...]
    channels: int
    resolution: int
    read_at: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    activation: str
    same: bool
    bn_epsilon: float
    stem: int
    stem_kernel: int
    stem_stride: int
    stem_pool: bool
    head: int
    layers: tuple[Layer, ...]


DESIGN = Design(
    classes=("cat", "dog"),
    channels=3,
    resolution=32,
    read_at=36,
    mean=(123.675, 116.28, 103.53),
    deviation=(58.395, 57.12, 57.375),
    activation="relu6",
    same=False,
    bn_epsilon=0.001,
    stem=8,
    stem_kernel=3,
    stem_stride=2,
    stem_pool=False,
    head=32,
    layers=(Layer("mbconv", kernel=3, stride=1, inputs=8, inside=8, outputs=8, squeezed=0, residual=True),),
)


class PaddedConv2d(nn.Conv2d):
    """A convolution without bias that gives ``ceil(H / stride)`` outputs."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int, *, same: bool
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.uneven = same and stride == 2 and kernel > 1

    def forward(self, x: Tensor) -> Tensor:
        if not self.uneven:
            return super().forward(x)
        radius = self.kernel_size[0] // 2
        rows, columns = (1 - int(side) % 2 for side in x.shape[2:])
        x = F.pad(x, (radius - columns, radius, radius - rows, radius))
        return F.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate computed from the means of all channels."""

    def __init__(self, channels: int, squeezed: int, activation: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.activation = ACTIVATIONS[activation]()
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        gate: Tensor = self.expand(self.activation(self.reduce(means)))
        return x * gate.sigmoid()


class Block(nn.Module):
    """A ``Layer``, but for ResNet's: `[N, C, H, H]` -> `[N, C', H', H']`."""

    def __init__(self, design: Design, layer: Layer) -> None:
        super().__init__()
        op, kernel, stride, inputs, inside, outputs, squeezed, self.residual = layer
        if op in ("mbconv", "separable"):
            if inside != inputs:
                self.expand = conv(design, inputs, inside)
            self.depthwise = conv(design, inside, inside, kernel, stride, groups=inside)
        elif op == "conv":
            self.conv = conv(design, inputs, outputs, kernel, stride)
        else:
            self.linear = conv(design, inputs, outputs, kernel, stride, active=False)
        if squeezed:
            self.se = SqueezeExcitation(inside, squeezed, design.activation)
        if op == "mbconv":
            self.project = conv(design, inside, outputs, active=False)
        elif op == "separable":
            self.pointwise = conv(design, inside, outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for part in self.children():  # in the order in which they were made
            y = part(y)
        return x + y if self.residual else y


class Bottleneck(nn.Module):
    """ResNet's ``Layer``: `[N, C, H, H]` -> `[N, C', H', H']`."""

    def __init__(self, design: Design, layer: Layer) -> None:
        super().__init__()
        self.reduce = conv(design, layer.inputs, layer.inside)
        self.conv = conv(design, layer.inside, layer.inside, layer.kernel, layer.stride)
        self.project = conv(design, layer.inside, layer.outputs, active=False)
        self.residual = layer.residual
        if not layer.residual:
            self.shortcut = conv(design, layer.inputs, layer.outputs, 1, layer.stride, active=False)
        self.activation = ACTIVATIONS[design.activation]()

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.conv(self.reduce(x)))
        same = x if self.residual else self.shortcut(x)
        found: Tensor = self.activation(same + y)
        return found


class Network(nn.Module):
    """Images `[N, C, H, H]`, made ready as ``read`` does, to logits `[N, K]`."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.stem = conv(design, design.channels, design.stem, design.stem_kernel, design.stem_stride)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if design.stem_pool else nn.Identity()
        blocks = [(Bottleneck if one.op == "bottleneck" else Block)(design, one) for one in design.layers]
        self.layers = nn.Sequential(*blocks)
        features = design.layers[-1].outputs
        self.head = conv(design, features, design.head) if design.head else nn.Identity()
        self.classifier = nn.Linear(design.head or features, len(design.classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.head(self.layers(self.pool(self.stem(images))))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


def conv(
    design: Design,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    active: bool = True,
) -> nn.Sequential:
    """Convolution, BN, and the activation if ``active``."""
    layers = [
        PaddedConv2d(inputs, outputs, kernel, stride, groups, same=design.same),
        nn.BatchNorm2d(outputs, eps=design.bn_epsilon),
    ]
    return nn.Sequential(*layers, ACTIVATIONS[design.activation]()) if active else nn.Sequential(*layers)


def load(folder: str | Path | None = None) -> Network:
    """The network with its weights, for evaluation; ``folder``, or this one, has them."""
    network = Network(DESIGN)
    network.load_state_dict(load_file(Path(folder or Path(__file__).parent) / "model.safetensors"))
    return network.eval()


def read(path: str | Path) -> Tensor:
    """The middle square of an image file of 8 bits a colour, as the network's input `[C, H, H]`."""
    from PIL import Image, ImageOps

    side, target = DESIGN.read_at, DESIGN.resolution
    with Image.open(path) as image:
        image.draft(None, (2 * side, 2 * side))  # decodes a large JPEG at a fraction of its size
        whole: Image.Image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if whole.mode == "RGBA":  # what is transparent becomes white
        white = Image.new("RGB", whole.size, "white")
        white.paste(whole, mask=whole)
        white.info, whole = whole.info, white
    left, top = ((edge - min(whole.size)) / 2 for edge in whole.size)
    box = (left, top, left + min(whole.size), top + min(whole.size))
    square = ImageOps.exif_transpose(whole.resize((side, side), Image.Resampling.BICUBIC, box))
    pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(side, side, 3)
    if DESIGN.channels == 1:
        pixels = pixels.float().mean(2, keepdim=True).round()
    start = (side - target + 1) // 2
    x = pixels[start : start + target, start : start + target].permute(2, 0, 1).float()  # [C, H, H]
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (DESIGN.mean, DESIGN.deviation))
    return (x - mean) / deviation


@torch.no_grad()
def classify(paths: Sequence[str | Path], network: Network | None = None) -> list[tuple[str, float]]:
    """The most probable class of each image file, and its probability."""
    network = network or load()
    shares = [network(read(path)[None]).softmax(1)[0] for path in paths]
    return [(DESIGN.classes[int(one.argmax())], float(one.max())) for one in shares]


if __name__ == "__main__":
    for name, (found, probability) in zip(sys.argv[1:], classify(sys.argv[1:]), strict=True):
        print(f"{name}: {found} ({probability:.0%})")
