"""What a pretrained network's weights say of its channels: which matter most, and how they are distributed.

Position 0 is the stem's output, position i that of the i-th layer. Letters: O outputs, I inputs, k the
kernel's side, C channels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.training.layouts import last_part
from search_spaces.arch import LayerSpec
from search_spaces.network import ACTIVATIONS, BN_EPSILON

Importance = Callable[[Tensor, Tensor], Tensor]
"""From how much each channel varies, and how strongly it is read, to its importance: all `[C]`."""


def written_times_read(written: Tensor, read: Tensor) -> Tensor:
    """How much a channel moves what reads it: its deviation, times the norm of the weights that read it.

    The BN scale alone keeps worse channels than the first ones are (LOG.md): many of large scale never pass
    the activation.
    """
    return written * read


def kept(importance: Tensor, width: int) -> Tensor:
    """The ``width`` most important channels `[width]`, ascending; -1 for those beyond what there is.

    Of equally important channels the first are kept.
    """
    have = len(importance)
    if width >= have:
        return torch.cat([torch.arange(have), torch.full((width - have,), -1)])
    return importance.argsort(descending=True, stable=True)[:width].sort().values.cpu()


@dataclass(frozen=True)
class Donor:
    """The network that another inherits from; its tensors have the names of ``build_network``'s."""

    layers: tuple[LayerSpec, ...]
    tensors: Mapping[str, Tensor]
    activation: str
    importance: Importance

    def outputs(self, position: int, width: int) -> Tensor:
        """The channels of ``position`` that a network with ``width`` there keeps: see ``kept``."""
        return kept(self._importances[position], width)

    def inside(self, layer: int, width: int, writer: str = "depthwise", reader: str = "project") -> Tensor:
        """The channels between two convolutions of a layer that one of ``width`` keeps."""
        written = self._moments(f"layers.{layer}.{writer}", activated=True)[1].sqrt()
        return kept(self.importance(written, self._column_norms(f"layers.{layer}.{reader}")), width)

    def squeezed(self, layer: int, width: int) -> Tensor:
        """The channels inside a squeeze-and-excitation that one of ``width`` keeps."""
        rows = self.tensors[f"layers.{layer}.se.reduce.weight"].flatten(1).norm(dim=1)
        columns = self.tensors[f"layers.{layer}.se.expand.weight"].flatten(1).norm(dim=0)
        return kept(self.importance(rows, columns), width)

    def features(self, width: int) -> Tensor:
        """The outputs of the head, or of the layers, that one of ``width`` keeps."""
        if "head.0.weight" not in self.tensors:
            return self.outputs(len(self.layers), width)
        written = self._moments("head", activated=True)[1].sqrt()
        return kept(self.importance(written, self.tensors["classifier.weight"].norm(dim=0)), width)

    def fed_most(self, layer: int) -> Tensor:
        """For each input of an mbconv the inside channel that it feeds most: `[I]`."""
        return self._in_effect(f"layers.{layer}.expand").flatten(1).abs().argmax(dim=0)

    def mean_gate(self, layer: int) -> Tensor:
        """The value `[C]` of an mbconv's squeeze-and-excitation at the mean input."""
        se = {name: self.tensors[f"layers.{layer}.se.{name}"] for name in SE_TENSORS}
        mean, _ = self._moments(f"layers.{layer}.depthwise", activated=True)
        squeezed = se["reduce.weight"].flatten(1) @ mean + se["reduce.bias"]
        squeezed = ACTIVATIONS[self.activation]()(squeezed)
        gate: Tensor = se["expand.weight"].flatten(1) @ squeezed + se["expand.bias"]
        return gate.sigmoid()

    def moments(self, position: int) -> tuple[Tensor, Tensor]:
        """Mean and variance `[C]` at ``position``, as if what is added there were independent."""
        parts = [
            self._moments(writer, activated=p == 0 or self.layers[p - 1].op in ("conv", "separable"))
            for p in self._stream(position)
            if p <= position
            for writer in self._writers(p)
        ]
        means, variances = zip(*parts, strict=True)
        return torch.stack(means).sum(0), torch.stack(variances).sum(0)

    @functools.cached_property
    def _importances(self) -> list[Tensor]:
        """Of the channels of every position; positions of one residual stream share theirs."""
        found: list[Tensor] = []
        while len(found) <= len(self.layers):
            stream = self._stream(len(found))
            written = self.moments(stream[-1])[1].sqrt()
            read = torch.stack([self._reading(position) for position in stream]).norm(dim=0)
            found += [self.importance(written, read)] * len(stream)
        return found

    def _stream(self, position: int) -> range:
        """All positions of the residual stream through ``position``."""
        first = last = position
        while first > 0 and self.layers[first - 1].residual:
            first -= 1
        while last < len(self.layers) and self.layers[last].residual:
            last += 1
        return range(first, last + 1)

    def _writers(self, position: int) -> list[str]:
        """The convolutions and BNs that write to ``position``."""
        if position == 0:
            return ["stem"]
        name, layer = f"layers.{position - 1}", self.layers[position - 1]
        writers = [f"{name}.{last_part(layer)}"]
        if layer.op == "bottleneck" and not layer.residual:
            writers.append(f"{name}.shortcut")
        return writers

    def _reading(self, position: int) -> Tensor:
        """How strongly the next layer, or the head, reads each channel: `[C]`."""
        if position == len(self.layers):
            if "head.0.weight" in self.tensors:
                return self._column_norms("head")
            by_classes: Tensor = torch.linalg.vector_norm(self.tensors["classifier.weight"], dim=0)
            return by_classes
        spec, name = self.layers[position], f"layers.{position}"
        if spec.op == "bottleneck":
            parts = ["reduce"] + ["shortcut"] * (not spec.residual)
            both = torch.stack([self._column_norms(f"{name}.{part}") for part in parts])  # [2 or 1, C]
            norms: Tensor = torch.linalg.vector_norm(both, dim=0)
            return norms
        if spec.op not in ("mbconv", "separable"):
            return self._column_norms(f"{name}.{spec.op}")
        if spec.expand_ratio != 1:
            return self._column_norms(f"{name}.expand")
        kernels: Tensor = torch.linalg.vector_norm(self._in_effect(f"{name}.depthwise"), dim=(1, 2, 3))
        return kernels * self._column_norms(f"{name}.{last_part(spec)}")

    def _in_effect(self, name: str) -> Tensor:
        """A convolution's weights `[O, I, k, k]` as they act after its BN."""
        deviation = (self.tensors[f"{name}.1.running_var"] + BN_EPSILON).sqrt()
        scale = self.tensors[f"{name}.1.weight"] / deviation
        return self.tensors[f"{name}.0.weight"] * scale[:, None, None, None]

    def _column_norms(self, name: str) -> Tensor:
        """How strongly a convolution reads each of its inputs: `[I]`."""
        norms: Tensor = torch.linalg.vector_norm(self._in_effect(name), dim=(0, 2, 3))
        return norms

    def _moments(self, name: str, activated: bool) -> tuple[Tensor, Tensor]:
        """Mean and variance `[C]` of what a BN gives, as if it were normal; activated or not."""
        scale, bias = self.tensors[f"{name}.1.weight"], self.tensors[f"{name}.1.bias"]
        if not activated:
            return bias, scale**2
        normal = torch.special.ndtri((torch.arange(256) + 0.5) / 256)[:, None].to(bias)  # its quantiles
        values = ACTIVATIONS[self.activation]()(normal * scale + bias)  # [256, C]
        return values.mean(0), values.var(0)


SE_TENSORS = ("reduce.weight", "reduce.bias", "expand.weight", "expand.bias")
