"""A finished network: all that using it takes, wherever it goes.

Shapes: N images, C channels, H pixels a side, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.deploy.plain import Design, Layer, Network
from nas.spec.recipe import enlarged
from search_spaces import ArchSpec
from search_spaces.arch import BOTTLENECK
from search_spaces.cost import se_channels

Floats = NDArray[np.float32]
Run = Callable[[Floats], Floats]
"""Images `[N, C, H, H]`, made ready for the network, to logits `[N, K]`."""
AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class Finished:
    """A network, its weights, and how images are made ready for it.

    Args:
        name: a file's: letters, digits, hyphens and underscores.
        design: the network layer by layer, with its classes and preprocessing.
        tensors: by the names of ``build_network``, which are those of ``plain.Network``; on the CPU.
    """

    name: str
    arch: ArchSpec
    design: Design
    tensors: Mapping[str, Tensor]

    def network(self) -> Network:
        """The network in plain PyTorch, in evaluation mode and without gradients."""
        network = Network(self.design)
        network.load_state_dict(dict(self.tensors))
        return network.eval().requires_grad_(False)

    def example(self, images: int) -> Tensor:
        """Zeros in the shape of ``images`` inputs, `[N, C, H, H]`."""
        side = self.design.resolution
        return torch.zeros(images, self.design.channels, side, side)

    def preprocessing(self) -> dict[str, Any]:
        """How images become inputs, as JSON values: the preprocessing of every export."""
        design = self.design
        return {
            "input": f"float32 [N, {design.channels}, {design.resolution}, {design.resolution}]",
            "colours": "RGB" if design.channels == 3 else "grey",
            "resize": f"middle square, to {design.read_at} px, bicubic",
            "resolution": design.resolution,
            "read_at": design.read_at,
            "crop": design.resolution,
            "mean": list(design.mean),
            "deviation": list(design.deviation),
            "scale": "(pixel in 0 to 255 - mean) / deviation",
            "classes": list(design.classes),
        }


def design_of(
    arch: ArchSpec,
    classes: Sequence[str],
    mean: Sequence[float],
    deviation: Sequence[float],
    *,
    view: str = "centre",
    padding: str = "symmetric",
    bn_epsilon: float = 1e-3,
) -> Design:
    """The design of a network.

    Args:
        mean, deviation: of each channel of the images, for values from 0 to 255.
        view: ``centre`` if the middle of larger images is cropped, ``whole`` if they have its size.
        padding, bn_epsilon: as ``build_network`` has them.
    """
    return Design(
        classes=tuple(classes),
        channels=len(mean),
        resolution=arch.resolution,
        read_at=enlarged(arch.resolution) if view == "centre" else arch.resolution,
        mean=tuple(mean),
        deviation=tuple(deviation),
        activation=arch.activation,
        same=padding == "same",
        bn_epsilon=bn_epsilon,
        stem=arch.stem_channels,
        stem_kernel=arch.stem_kernel,
        stem_stride=arch.stem_stride,
        stem_pool=arch.stem_pool,
        head=arch.head_channels,
        layers=layers_of(arch),
    )


def layers_of(arch: ArchSpec) -> tuple[Layer, ...]:
    """The layers of a network, with the widths that its ratios give."""
    found = []
    for one in arch.layers():
        inside = one.channels
        if one.op in ("mbconv", "separable"):
            inside = one.in_channels * one.expand_ratio
        elif one.op == "bottleneck":
            inside = one.channels // BOTTLENECK
        squeezed = se_channels(one.in_channels, one.se_ratio) if one.se_ratio else 0
        sizes = (one.kernel, one.stride, one.in_channels, inside, one.channels, squeezed)
        found.append(Layer(one.op, *sizes, one.residual))
    return tuple(found)


def in_parts(run: Run, images: Floats) -> Floats:
    """The logits `[N, K]` of images `[N, C, H, H]`, a few at a time."""
    return np.concatenate([run(images[i : i + AT_ONCE]) for i in range(0, len(images), AT_ONCE)])


def as_run(network: Callable[[Tensor], Tensor]) -> Run:
    """A network of torch as a function of arrays."""

    def run(images: Floats) -> Floats:
        with torch.no_grad():
            found: Floats = network(torch.from_numpy(images)).numpy()
        return found

    return run
