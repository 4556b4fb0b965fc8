"""A network's first tensors, taken from a pretrained network of any other architecture.

What grows keeps the function: a kernel is padded with zeros, an added residual layer begins as an identity
(its last BN scale is 0), an added channel is written by fresh weights and read by zeros, an added
squeeze-and-excitation begins as a constant gate, which the next convolution undoes. What shrinks keeps the
centre of a kernel, the first layers, and the most important channels in their order: the same ones wherever
a residual stream is written or read.

Where there is no exact counterpart:

- Another op (``conv`` for ``mbconv``): the layer begins fresh, as an identity if it is residual.
- ``expand_ratio`` 1 from more: for each input the inside channel that it feeds most. More from 1: the
  expansion begins as an identity (exact where ReLU follows ReLU), with fresh channels beside it.
- A gate that goes: its value at the mean input scales the weights of the projection; after a ``conv`` it is
  dropped. A gate added after a ``conv`` is nearly open, because nothing follows that could undo it.
- Another activation, or ``skip``: the weights are taken as they are.
- Images of one channel from several: the stem's sum over channels, which sees grey as if it were coloured.
  Another number of channels: a fresh stem.

Sources: Fang et al. 2020, arXiv:2001.02525 (FNA: depth, kernel, width); Chen et al. 2016, arXiv:1511.05641
(Net2Net: growth that keeps the function); Yu et al. 2020, arXiv:2003.11142 (BigNAS: BN statistics anew).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nas.training.channels import Donor, Importance, written_times_read
from nas.training.counterparts import counterparts
from nas.training.layouts import last_part
from search_spaces.arch import BOTTLENECK, ArchSpec, LayerSpec
from search_spaces.network import BN_EPSILON

GATE = 2.0  # an added gate's bias: sigmoid(2) is 0.88, where its gradient is still large
OPEN_GATE = 5.0  # after a conv: 0.993


@torch.no_grad()
def inherited(
    source: ArchSpec,
    tensors: Mapping[str, Tensor],
    arch: ArchSpec,
    fresh: Mapping[str, Tensor],
    *,
    keep_classifier: bool = False,
    importance: Importance = written_times_read,
) -> dict[str, Tensor]:
    """The state dict for the network of ``arch``, begun from the pretrained ``tensors`` of ``source``.

    Names and shapes are those of ``build_network(...).state_dict()``; ``tensors`` may lack BN's
    ``num_batches_tracked``. No argument is changed. Equal architectures give equal tensors; what is sliced
    has BN statistics that are no longer right: see ``nas.training.bn_statistics``.

    Args:
        fresh: the freshly initialised state dict of ``arch``; what has no counterpart stays as it is there.
        keep_classifier: take the classifier too, if both have as many classes.
        importance: where there are fewer channels, those are kept for which it is greatest.
    """
    old = Donor(source.layers(), tensors, source.activation, importance)
    new = {name: tensor.clone() for name, tensor in fresh.items()}
    layers = arch.layers()
    _fill_stem(new, old, old.outputs(0, arch.stem_channels))
    for layer, (spec, origin) in enumerate(zip(layers, counterparts(source, arch), strict=True)):
        if origin is not None and old.layers[origin].op == spec.op:
            _fill_layer(new, old, layer, origin, spec)
        elif spec.residual:
            new[f"layers.{layer}.{last_part(spec)}.1.weight"].zero_()
    columns = old.outputs(len(old.layers), layers[-1].channels)
    rows = old.features(arch.head_channels or layers[-1].channels)
    if "head.0.weight" in tensors and arch.head_channels:
        _fill_conv(new, "head", old, "head", rows, columns)
    weight = tensors["classifier.weight"]
    same_head = ("head.0.weight" in tensors) == (arch.head_channels > 0)
    if keep_classifier and same_head and len(weight) == len(fresh["classifier.weight"]):
        every = torch.arange(len(weight))
        _fill(new["classifier.weight"], weight, every, rows)
        _fill(new["classifier.bias"], tensors["classifier.bias"], every)
    return new


def _fill_stem(new: dict[str, Tensor], old: Donor, rows: Tensor) -> None:
    weight, images = old.tensors["stem.0.weight"], new["stem.0.weight"].shape[1]
    if images == 1:
        weight = weight.sum(dim=1, keepdim=True)
    if weight.shape[1] == images:
        _fill(new["stem.0.weight"], weight, rows, torch.arange(images))
        _fill_bn(new, "stem", old, "stem", rows)


def _fill_layer(new: dict[str, Tensor], old: Donor, layer: int, origin: int, spec: LayerSpec) -> None:
    to, of, was = f"layers.{layer}", f"layers.{origin}", old.layers[origin]
    inputs, outputs = old.outputs(origin, spec.in_channels), old.outputs(origin + 1, spec.channels)
    if spec.op == "bottleneck":
        _fill_bottleneck(new, old, layer, origin, spec, inputs, outputs)
        return
    if spec.op == "separable":
        _fill(new[f"{to}.depthwise.0.weight"], old.tensors[f"{of}.depthwise.0.weight"], inputs)
        _fill_bn(new, f"{to}.depthwise", old, f"{of}.depthwise", inputs)
        _fill_conv(new, f"{to}.pointwise", old, f"{of}.pointwise", outputs, inputs)
        return
    if spec.op != "mbconv":
        _fill_conv(new, f"{to}.{spec.op}", old, f"{of}.{spec.op}", outputs, inputs)
        if spec.se_ratio:
            _fill_se(new, old, layer, origin, spec, outputs)
        return
    inside = _fill_expansion(new, old, layer, origin, spec, inputs)
    _fill(new[f"{to}.depthwise.0.weight"], old.tensors[f"{of}.depthwise.0.weight"], inside)
    _fill_bn(new, f"{to}.depthwise", old, f"{of}.depthwise", inside)
    weight = old.tensors[f"{of}.project.0.weight"]
    if spec.se_ratio:
        _fill_se(new, old, layer, origin, spec, inside)
        if not was.se_ratio:
            weight = weight / torch.tensor(GATE).sigmoid()
    elif was.se_ratio:
        weight = weight * old.mean_gate(origin)[None, :, None, None]
    _fill(new[f"{to}.project.0.weight"], weight, outputs, inside)
    _fill_bn(new, f"{to}.project", old, f"{of}.project", outputs)


def _fill_bottleneck(
    new: dict[str, Tensor],
    old: Donor,
    layer: int,
    origin: int,
    spec: LayerSpec,
    inputs: Tensor,
    outputs: Tensor,
) -> None:
    """ResNet's three convolutions, and the shortcut's if both layers have one."""
    to, of, width = f"layers.{layer}", f"layers.{origin}", spec.channels // BOTTLENECK
    first = old.inside(origin, width, "reduce", "conv")
    second = old.inside(origin, width, "conv", "project")
    _fill_conv(new, f"{to}.reduce", old, f"{of}.reduce", first, inputs)
    _fill_conv(new, f"{to}.conv", old, f"{of}.conv", second, first)
    _fill_conv(new, f"{to}.project", old, f"{of}.project", outputs, second)
    if f"{to}.shortcut.0.weight" in new and f"{of}.shortcut.0.weight" in old.tensors:
        _fill_conv(new, f"{to}.shortcut", old, f"{of}.shortcut", outputs, inputs)


def _fill_expansion(
    new: dict[str, Tensor], old: Donor, layer: int, origin: int, spec: LayerSpec, inputs: Tensor
) -> Tensor:
    """An mbconv's first convolution, if it has one; returns the source of each channel inside, or -1."""
    to, of, was = f"layers.{layer}", f"layers.{origin}", old.layers[origin]
    if spec.expand_ratio == 1:
        if was.expand_ratio == 1:
            return inputs
        return torch.where(inputs < 0, -1, old.fed_most(origin).cpu()[inputs])
    if was.expand_ratio != 1:
        inside = old.inside(origin, spec.in_channels * spec.expand_ratio)
        _fill_conv(new, f"{to}.expand", old, f"{of}.expand", inside, inputs)
        return inside
    places = (inputs >= 0).nonzero()[:, 0]
    mean, variance = (values[inputs[places]] for values in old.moments(origin))
    weight, bn = new[f"{to}.expand.0.weight"], f"{to}.expand.1"
    weight[places] = 0
    weight[places, places] = 1
    # A BN that gives back what it gets, also when its statistics are estimated anew.
    new[f"{bn}.weight"][places] = (variance + BN_EPSILON).sqrt().to(weight)
    new[f"{bn}.bias"][places] = new[f"{bn}.running_mean"][places] = mean.to(weight)
    new[f"{bn}.running_var"][places] = variance.to(weight)
    return torch.cat([inputs, torch.full((len(weight) - len(inputs),), -1)])


def _fill_se(
    new: dict[str, Tensor], old: Donor, layer: int, origin: int, spec: LayerSpec, channels: Tensor
) -> None:
    """The gate of ``channels``: that of the source, or a constant one."""
    to, of = f"layers.{layer}.se", f"layers.{origin}.se"
    if not old.layers[origin].se_ratio:
        new[f"{to}.expand.weight"].zero_()
        new[f"{to}.expand.bias"].fill_(GATE if spec.op == "mbconv" else OPEN_GATE)
        return
    squeezed = old.squeezed(origin, len(new[f"{to}.reduce.bias"]))
    _fill(new[f"{to}.reduce.weight"], old.tensors[f"{of}.reduce.weight"], squeezed, channels)
    _fill(new[f"{to}.reduce.bias"], old.tensors[f"{of}.reduce.bias"], squeezed)
    _fill(new[f"{to}.expand.weight"], old.tensors[f"{of}.expand.weight"], channels, squeezed)
    _fill(new[f"{to}.expand.bias"], old.tensors[f"{of}.expand.bias"], channels)


def _fill_conv(new: dict[str, Tensor], to: str, old: Donor, of: str, rows: Tensor, columns: Tensor) -> None:
    _fill(new[f"{to}.0.weight"], old.tensors[f"{of}.0.weight"], rows, columns)
    _fill_bn(new, to, old, of, rows)


def _fill_bn(new: dict[str, Tensor], to: str, old: Donor, of: str, channels: Tensor) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        _fill(new[f"{to}.1.{name}"], old.tensors[f"{of}.1.{name}"], channels)
    if (counter := old.tensors.get(f"{of}.1.num_batches_tracked")) is not None:
        new[f"{to}.1.num_batches_tracked"].copy_(counter)


def _fill(new: Tensor, old: Tensor, rows: Tensor, columns: Tensor | None = None) -> None:
    """Fills the rows of ``new`` that have a source; -1 means none.

    A column without a source becomes 0 there; a row without one stays as it is. Kernels `[O, I, k, k]` are
    cut to their centre or padded with zeros.
    """
    has_row = rows >= 0
    part = old[rows[has_row]].to(new)
    if columns is not None:
        part = part[:, columns.clamp(min=0)]
        part[:, columns < 0] = 0
    if new.ndim == 4:
        margin = (new.shape[3] - old.shape[3]) // 2
        part = nn.functional.pad(part, (margin,) * 4)  # a negative margin cuts
    new[has_row] = part
