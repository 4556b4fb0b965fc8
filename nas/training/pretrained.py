"""Pretrained weights, as those of one of our networks: whoever has published them, and in whatever file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.errors import InputError, shown
from nas.training.layouts import LAYOUTS, Conventions, Shape, conventions, find_layout, tensor_shapes
from nas.training.state_files import Source, digest, find_source, read_tensors, short_names
from nas.training.weights import network_conventions
from search_spaces import PRESETS, ArchSpec

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Pretrained:
    """Weights that a network may start from.

    Args:
        name: as a person knows them.
        arch: the network they are of.
        tensors: float32, by the names of ``build_network(arch, classes, channels).state_dict()``, in its
            order and with running statistics; the first and the last show the image channels and the classes.
        padding: of the network they were trained in, see ``build_network``.
        bn_epsilon: likewise.
        mean: of each image channel, of pixels in 0 to 255.
        deviation: likewise.
        layout: whose weights they are: torchvision, timm, timm-tf, lukemelas, lite, rangilyu or ours.
        classes: their names by label, where the file says them.
        sha256: of the file.
    """

    name: str
    arch: ArchSpec
    tensors: Mapping[str, Tensor]
    padding: str
    bn_epsilon: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    layout: str
    classes: tuple[str, ...] | None
    sha256: str


def load_pretrained(source: str, arch: ArchSpec | None = None) -> Pretrained:
    """The weights that ``source`` means, whatever library they come from.

    Args:
        source: a file of a state dict (``.pth``, ``.pt``, ``.bin``, ``.safetensors``), a run of
            ``nas train``, ``hf:REPO`` on Hugging Face's hub, or a name in ``state_files.PACKAGES``.
        arch: the network they are of, where that is no preset; a run says it itself.

    Raises:
        InputError: in one line, if there are no such weights, or they are not of such a network.
    """
    found = find_source(source)
    try:
        tensors, header = read_tensors(found.path)
        return _pretrained(found, tensors, header, arch)
    except (ValueError, OSError) as error:
        raise InputError(f"init {error}: {shown(str(found.path))}") from None


def _pretrained(
    found: Source, tensors: Mapping[str, Tensor], header: Mapping[str, str], arch: ArchSpec | None
) -> Pretrained:
    """The weights in a file; ValueError with the rule that they break."""
    names = short_names(list(tensors))
    layout = find_layout(names)
    if layout is None:
        first, tensor = next(iter(tensors.items()))
        known = ", ".join(dict.fromkeys(one.name for one in LAYOUTS if one.name != "ours"))
        raise ValueError(
            f"must be weights of a MobileNet, EfficientNet or ResNet, named as by {known} or `nas train`, "
            f"got {_tensor(first, tuple(tensor.shape))} and {len(tensors) - 1} others"
        )
    ordered = {names[short]: tensors[names[short]] for short in layout.sorted(names)}
    shapes = {name: tuple(tensor.shape) for name, tensor in ordered.items()}
    classes: tuple[str, ...] | None = None
    if layout.name == "ours":
        said, seen, classes = _from_header(header)
        fitting = _fitting(arch or said, shapes)
    else:
        fitting = _fitting(arch, shapes)
        seen = conventions(layout.name, fitting, found.known_as, found.config)
        if fitting in (PRESETS["mobilenet-v1"], PRESETS["mobilenet-v2"]):  # whose presets have ReLU
            fitting = dataclasses.replace(fitting, activation="relu6")
    _check_values(ordered)
    ends = _ends(shapes)
    wanted, seen = tensor_shapes(fitting, *ends), seen.at(ends[1])
    return Pretrained(
        name=found.name,
        arch=fitting,
        tensors={
            here: ordered[name].detach().float().contiguous()
            for here, name in zip(wanted, ordered, strict=True)
        },
        padding=seen.padding,
        bn_epsilon=seen.bn_epsilon,
        mean=seen.mean,
        deviation=seen.deviation,
        layout=seen.layout,
        classes=classes,
        sha256=digest(found.path),
    )


def _from_header(header: Mapping[str, str]) -> tuple[ArchSpec, Conventions, tuple[str, ...]]:
    """Network, conventions and classes, as the header of a run's weights says them."""
    try:
        arch = ArchSpec.parse(header["arch"])
        mean, deviation = (tuple(map(float, json.loads(header[key]))) for key in ("mean", "deviation"))
        classes = tuple(map(str, json.loads(header["classes"])))
        if not len(mean) == len(deviation) == int(header.get("in_channels", len(mean))):
            raise ValueError("mean and deviation of another number of channels")
        return arch, Conventions("ours", *network_conventions(header), mean, deviation), classes
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        reason = shown(f"{type(error).__name__}: {error}")[:100]
        raise ValueError(f"must have the header that `nas train` writes to its weights ({reason})") from None


def _fitting(arch: ArchSpec | None, shapes: Mapping[str, Shape]) -> ArchSpec:
    """``arch``, or the preset that has tensors of these shapes in network order; ValueError if none has."""
    if arch is not None:
        misfit = _misfit(arch, shapes)
        if misfit is None:
            return arch
        raise ValueError(f"must be weights of its network: {misfit[1]}")
    closest, furthest = "", -1
    for name, preset in PRESETS.items():
        misfit = _misfit(preset, shapes)
        if misfit is None:
            return preset
        if misfit[0] > furthest and len(tensor_shapes(preset, 1, 1)) == len(shapes):
            closest, furthest = f"; of {name}, {misfit[1]}", misfit[0]
    first, last = (_tensor(name, shapes[name]) for name in (next(iter(shapes)), list(shapes)[-1]))
    which = closest or f"; these are {len(shapes)} tensors from {first} to {last}"
    raise ValueError(f"must be weights of a preset, or of the network that `init_arch` says{which}")


def _misfit(arch: ArchSpec, shapes: Mapping[str, Shape]) -> tuple[int, str] | None:
    """How many tensors fit ``arch`` before one does not, and what is wrong with it; None if all fit."""
    wanted = tensor_shapes(arch, *_ends(shapes))
    for position, (name, needed) in enumerate(zip(shapes, wanted.values(), strict=False)):
        if shapes[name] != needed:
            return position, f"{_tensor(name, shapes[name])} must be {list(needed)}"
    if len(shapes) != len(wanted):
        return min(len(shapes), len(wanted)), f"{len(shapes)} tensors must be {len(wanted)}"
    return None


def _ends(shapes: Mapping[str, Shape]) -> tuple[int, int]:
    """Classes and image channels."""
    first, *_, last = [*shapes.values(), ()] if len(shapes) == 1 else shapes.values()
    return last[0] if last else 1, first[1] if len(first) > 1 else 1


def _check_values(tensors: Mapping[str, Tensor]) -> None:
    """ValueError if a tensor has other values than finite floating-point numbers."""
    import torch

    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or tensor.layout != torch.strided:
            raise ValueError(f"must hold dense floating-point numbers, got {tensor.dtype} in {shown(name)}")
        values = tensor.detach().float()
        if not values.isfinite().all():
            raise ValueError(
                f"must hold finite numbers, got {float(values[~values.isfinite()][0])} in {shown(name)}"
            )


def _tensor(name: str, shape: Shape) -> str:
    return f"{shown(name)[:100]} {list(shape)}"
