"""Whose weights these are: the names and conventions of the libraries that publish weights of our networks.

A library's names, sorted by ``Layout.words``, are its tensors in our network order (stem, then per layer
expand, depthwise, SE, project, then head and classifier): names say whose weights they are and their order,
shapes say of which network. ``num_batches_tracked`` is left out everywhere.

What no tensor shows are padding, BN epsilon and the input's normalisation. Sources: pytorch/vision,
torchvision/models/{efficientnet,mnasnet,mobilenetv2,resnet}.py; huggingface/pytorch-image-models,
timm/models/efficientnet.py; lukemelas/EfficientNet-PyTorch, efficientnet_pytorch/{model,utils}.py, and its
descendant ml-illustrated/EfficientNet-Lite-PyTorch; RangiLyu/EfficientNet-Lite, efficientnet_lite.py and
train.py.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces import PRESETS, ArchSpec, LayerSpec
from search_spaces.arch import BOTTLENECK
from search_spaces.cost import se_channels

Shape = tuple[int, ...]
PARAMETERS = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Layout:
    """How a library names tensors.

    Args:
        name: the library.
        marker: a tensor of all its networks, which no network of the layouts before it has.
        words: the parts of its names, apart from numbers, in network order.
    """

    name: str
    marker: str
    words: tuple[str, ...]

    def sorted(self, names: Iterable[str]) -> list[str]:
        """``names`` in network order."""
        names = list(names)
        expanded = {name.rpartition(".conv_pwl.")[0] for name in names}  # timm's layers with an expansion
        return sorted(names, key=lambda name: self._key(_as_expanded(name, expanded)))

    def _key(self, name: str) -> list[tuple[int, int, str]]:
        words = (*self.words, *PARAMETERS)
        rank = {word: position for position, word in enumerate(words)}
        return [
            (0, int(part), "") if part.isdecimal() else (1, rank.get(part, len(words)), part)
            for part in name.split(".")
        ]


AS_EXPANDED = {"conv_pw": "conv_pwl", "bn1": "bn2", "bn2": "bn3"}


def _as_expanded(name: str, expanded: set[str]) -> str:
    """A name of timm as if its layer had an expansion: otherwise ``conv_pw`` is the projection."""
    found = re.fullmatch(r"(blocks\.\d+\.\d+)\.(conv_pw|bn1|bn2)\.(\w+)", name)
    if found is None or found[1] in expanded:
        return name
    return f"{found[1]}.{AS_EXPANDED[found[2]]}.{found[3]}"


_LUKEMELAS_LAYER = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_se_reduce", "_se_expand")
LAYOUTS = (
    Layout("torchvision", "features.0.0.weight", ("features", "classifier")),
    Layout("torchvision", "layers.0.weight", ("layers", "classifier")),  # MNASNet
    Layout(
        "torchvision",
        "layer1.0.conv3.weight",  # ResNet
        (
            *("conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample"),
            *("layer1", "layer2", "layer3", "layer4", "fc"),
        ),
    ),
    Layout(
        "timm",
        "conv_stem.weight",
        (
            *("conv_stem", "conv_pw", "bn1", "blocks", "conv_dw", "conv_head", "bn2"),
            *("se", "conv_reduce", "conv_expand", "conv_pwl", "bn3", "classifier"),
        ),
    ),
    Layout(
        "lukemelas",
        "_conv_stem.weight",
        (
            *("_conv_stem", "_expand_conv", "_bn0", "_blocks", "_depthwise_conv", "_conv_head", "_bn1"),
            *("_se_reduce", "_se_expand", "_project_conv", "_bn2", "_fc"),
        ),
    ),
    Layout(
        "rangilyu",
        "blocks.0.0._depthwise_conv.weight",
        ("stem", "blocks", *_LUKEMELAS_LAYER, "_project_conv", "_bn2", "head", "fc"),
    ),
    Layout(
        "ours",
        "stem.0.weight",
        (
            *("stem", "layers", "reduce", "expand", "depthwise", "conv", "linear", "se", "project"),
            *("pointwise", "shortcut", "head", "classifier"),
        ),
    ),
)


def find_layout(names: Iterable[str]) -> Layout | None:
    """Whose names these are; None if they are nobody's."""
    known = set(names)
    return next((layout for layout in LAYOUTS if layout.marker in known), None)


def tensor_shapes(arch: ArchSpec, num_classes: int, in_channels: int) -> dict[str, Shape]:
    """The tensors of ``build_network(arch, num_classes, in_channels).state_dict()``, without building it."""
    shapes = _conv_bn("stem", arch.stem_channels, in_channels, arch.stem_kernel)
    for number, layer in enumerate(arch.layers()):
        shapes |= _layer(f"layers.{number}", layer)
    features = arch.stages[-1].channels
    if arch.head_channels:
        shapes |= _conv_bn("head", arch.head_channels, features, 1)
        features = arch.head_channels
    return shapes | {"classifier.weight": (num_classes, features), "classifier.bias": (num_classes,)}


def _conv_bn(name: str, channels: int, in_channels: int, kernel: int) -> dict[str, Shape]:
    bn = {f"{name}.1.{parameter}": (channels,) for parameter in PARAMETERS}
    return {f"{name}.0.weight": (channels, in_channels, kernel, kernel), **bn}


def _layer(name: str, layer: LayerSpec) -> dict[str, Shape]:
    inside = layer.channels
    shapes: dict[str, Shape] = {}
    if layer.op == "bottleneck":
        return _bottleneck(name, layer)
    if layer.op in ("mbconv", "separable"):
        inside = layer.in_channels * layer.expand_ratio
        if layer.expand_ratio != 1:
            shapes |= _conv_bn(f"{name}.expand", inside, layer.in_channels, 1)
        shapes |= _conv_bn(f"{name}.depthwise", inside, 1, layer.kernel)
    else:
        shapes |= _conv_bn(f"{name}.{layer.op}", inside, layer.in_channels, layer.kernel)
    if layer.se_ratio:
        squeezed = se_channels(layer.in_channels, layer.se_ratio)
        for part, out, into in (("reduce", squeezed, inside), ("expand", inside, squeezed)):
            shapes |= {f"{name}.se.{part}.weight": (out, into, 1, 1), f"{name}.se.{part}.bias": (out,)}
    if layer.op in ("mbconv", "separable"):
        shapes |= _conv_bn(f"{name}.{last_part(layer)}", layer.channels, inside, 1)
    return shapes


def _bottleneck(name: str, layer: LayerSpec) -> dict[str, Shape]:
    inside = layer.channels // BOTTLENECK
    shapes = _conv_bn(f"{name}.reduce", inside, layer.in_channels, 1)
    shapes |= _conv_bn(f"{name}.conv", inside, inside, layer.kernel)
    shapes |= _conv_bn(f"{name}.project", layer.channels, inside, 1)
    if not layer.residual:
        shapes |= _conv_bn(f"{name}.shortcut", layer.channels, layer.in_channels, 1)
    return shapes


LAST_PARTS = {"mbconv": "project", "separable": "pointwise", "bottleneck": "project"}


def last_part(layer: LayerSpec) -> str:
    """The convolution and BN of a layer that write its output."""
    return LAST_PARTS.get(layer.op, layer.op)


@dataclass(frozen=True)
class Conventions:
    """What no tensor shows; ``mean`` and ``deviation`` are those of red, green and blue in 0 to 255."""

    layout: str
    padding: str
    bn_epsilon: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def at(self, channels: int) -> Conventions:
        """The same for images of another number of channels."""
        mean, deviation = (per_channel(values, channels) for values in (self.mean, self.deviation))
        return dataclasses.replace(self, mean=mean, deviation=deviation)


def per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """A value for each of ``channels``: the mean of ``values`` where these are of another number."""
    return values if len(values) == channels else (sum(values) / len(values),) * channels


IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # 255 * (0.485, 0.456, 0.406), ...
INCEPTION = ((127.5,) * 3, (127.5,) * 3)
LITE = ((127.0,) * 3, (128.0,) * 3)
WIDE = ("efficientnet-b5", "efficientnet-b6", "efficientnet-b7")  # torchvision's, with another BN epsilon
TIMM = re.compile(r"(tf_)?(?:efficientnet_(?:b\d|l2|lite\d)|mobilenetv2_|s?e?mnasnet_)")


def conventions(
    layout: str, arch: ArchSpec, known_as: str, config: Mapping[str, Any] | None = None
) -> Conventions:
    """Padding, BN epsilon and normalisation of the weights of ``arch`` that a library has published.

    Args:
        layout: a name in ``LAYOUTS``, other than ``ours``.
        known_as: the name that the library gave to its model or file, such as ``tf_efficientnet_b0_ap``.
        config: what timm's ``config.json`` says of a model: ``mean`` and ``std``.

    Raises:
        ValueError: if these are timm's EfficientNets, and the name does not say which of its two kinds.
    """
    if layout == "torchvision":
        wide = any(tensor_shapes(PRESETS[name], 1, 3) == tensor_shapes(arch, 1, 3) for name in WIDE)
        return Conventions(layout, "symmetric", 1e-3 if wide else 1e-5, *IMAGENET)
    if layout == "rangilyu":
        return Conventions(layout, "symmetric", 1e-3, *LITE)
    if layout == "lukemelas":
        if not any(stage.se_ratio for stage in arch.stages):
            return Conventions("lite", "same", 1e-3, *LITE)
        return Conventions(layout, "same", 1e-3, *(INCEPTION if known_as.startswith("adv") else IMAGENET))
    model = TIMM.search(known_as)
    if model is None and arch.activation != "relu":
        raise ValueError(
            "must say which of timm's models it is, as tf_efficientnet_* and efficientnet_* have the same "
            "tensors and pad differently: name the file after it, as tf_efficientnet_b0.pth, or put its "
            "config.json beside it"
        )
    inception = re.search(r"[._]ap(?![a-z])|ra4_e3600|tf_efficientnet_lite", known_as)
    seen = _configured(config or {}) or (INCEPTION if inception else IMAGENET)
    if model and model[1]:
        return Conventions("timm-tf", "same", 1e-3, *seen)
    return Conventions("timm", "symmetric", 1e-5, *seen)


def _configured(config: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation in 0 to 255, from those in 0 to 1 of a ``config.json``; None if it has none."""
    found: list[tuple[float, ...]] = []
    for key in ("mean", "std"):
        three = config.get(key)
        if not isinstance(three, list) or not all(type(one) is float and 0 < one < 1 for one in three):
            return None
        found.append(tuple(255 * one for one in three))
    return (found[0], found[1]) if [len(three) for three in found] == [3, 3] else None
