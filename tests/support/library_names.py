"""The names that libraries give to the tensors of a network, written from their own modules."""

from collections import OrderedDict

import torch

SE = {"reduce": ("fc1", "conv_reduce", "_se_reduce"), "expand": ("fc2", "conv_expand", "_se_expand")}


def places(arch):
    """(stage, position in it) of each layer, both from 0."""
    return [(s, j) for s, stage in enumerate(arch.stages) for j in range(stage.repeats)]


def parts(arch, layer):
    """The parts of a layer, in order."""
    spec = arch.layers()[layer]
    expand, gate = ["expand"] * (spec.expand_ratio != 1), ["se"] * bool(spec.se_ratio)
    return [*expand, "depthwise", *gate, "pointwise" if spec.op == "separable" else "project"]


def torchvision(arch, module):
    """EfficientNet: ``ours`` as ``features.2.0.block.1.0``."""
    where, *rest = module.split(".")
    if where == "classifier":
        return "classifier.1"
    if where != "layers":
        return f"features.{0 if where == 'stem' else len(arch.stages) + 1}.{rest[0]}"
    layer, part, inside = int(rest[0]), *rest[1:]
    stage, position = places(arch)[layer]
    inside = SE[inside][0] if part == "se" else inside
    return f"features.{stage + 1}.{position}.block.{parts(arch, layer).index(part)}.{inside}"


def torchvision_mobilenet(arch, module):
    where, *rest = module.split(".")
    if where == "classifier":
        return "classifier.1"
    if where != "layers":
        return f"features.{0 if where == 'stem' else len(arch.layers()) + 1}.{rest[0]}"
    layer, part, inside = int(rest[0]), rest[1], int(rest[2])
    index = parts(arch, layer).index(part)
    block = f"features.{layer + 1}.conv"
    return f"{block}.{index + inside}" if part == "project" else f"{block}.{index}.{inside}"


def torchvision_mnasnet(arch, module):
    where, *rest = module.split(".")
    if where == "classifier":
        return "classifier.1"
    if where != "layers":
        return f"layers.{(0 if where == 'stem' else 14) + int(rest[0])}"
    layer, part, inside = int(rest[0]), rest[1], int(rest[2])
    stage, position = places(arch)[layer]
    if stage == 0:
        return f"layers.{3 * parts(arch, layer).index(part) + 3 + inside}"
    return f"layers.{7 + stage}.{position}.layers.{3 * parts(arch, layer).index(part) + inside}"


def torchvision_resnet(arch, module):
    where, *rest = module.split(".")
    if where == "classifier":
        return "fc"
    if where != "layers":
        return f"{'conv' if rest[0] == '0' else 'bn'}1"
    layer, part, inside = int(rest[0]), rest[1], rest[2]
    stage, position = places(arch)[layer]
    block = f"layer{stage + 1}.{position}"
    if part == "shortcut":
        return f"{block}.downsample.{inside}"
    number = ("reduce", "conv", "project").index(part) + 1
    return f"{block}.{'conv' if inside == '0' else 'bn'}{number}"


def timm(arch, module):
    ends = {"stem.0": "conv_stem", "stem.1": "bn1", "head.0": "conv_head", "head.1": "bn2"}
    where, *rest = module.split(".")
    if where == "classifier":
        return "classifier"
    if where != "layers":
        return ends[module]
    layer, part, inside = int(rest[0]), *rest[1:]
    stage, position = places(arch)[layer]
    block = f"blocks.{stage}.{position}"
    if part == "se":
        return f"{block}.se.{SE[inside][1]}"
    convs = [one for one in parts(arch, layer) if one != "se"]
    names = {
        "expand": "conv_pw",
        "depthwise": "conv_dw",
        "pointwise": "conv_pw",
        "project": "conv_pwl" if len(convs) == 3 else "conv_pw",
    }
    return f"{block}.bn{convs.index(part) + 1}" if inside == "1" else f"{block}.{names[part]}"


def lukemelas_layer(part, inside):
    if part == "se":
        return SE[inside][2]
    bns = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    return bns[part] if inside == "1" else f"_{part}_conv"


def lukemelas(arch, module):
    ends = {"stem.0": "_conv_stem", "stem.1": "_bn0", "head.0": "_conv_head", "head.1": "_bn1"}
    where, *rest = module.split(".")
    if where == "classifier":
        return "_fc"
    if where != "layers":
        return ends[module]
    return f"_blocks.{rest[0]}.{lukemelas_layer(*rest[1:])}"


def rangilyu(arch, module):
    where, *rest = module.split(".")
    if where == "classifier":
        return "fc"
    if where != "layers":
        return module
    stage, position = places(arch)[int(rest[0])]
    return f"blocks.{stage}.{position}.{lukemelas_layer(*rest[1:])}"


def renamed(arch, ours, library):
    """Our state dict by a library's names, with its counters of batches."""
    theirs = OrderedDict()
    for name, tensor in ours.items():
        module, _, parameter = name.rpartition(".")
        theirs[f"{library(arch, module)}.{parameter}"] = tensor
        if parameter == "running_var":
            theirs[f"{library(arch, module)}.num_batches_tracked"] = torch.tensor(7)
    return theirs


def random_state(arch, num_classes=1000, in_channels=3):
    """A state dict of ``build_network`` with distinct random values, quickly."""
    from search_spaces.network import build_network

    state = build_network(arch, num_classes, in_channels).state_dict()
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }
