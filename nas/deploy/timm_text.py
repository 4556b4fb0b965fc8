"""A network in timm's words: its architecture strings, and its names of tensors.

Source: huggingface/pytorch-image-models, timm/models/_efficientnet_builder.py (``_decode_block_str``,
``EfficientNetBuilder``), _efficientnet_blocks.py and efficientnet.py.
"""

from __future__ import annotations

import re
from typing import TypeVar

from nas.deploy.plain import Layer
from search_spaces import ArchSpec, LayerSpec, StageSpec
from search_spaces.cost import se_channels

T = TypeVar("T")
Texts = list[list[str]]
"""Block strings, stage by stage, as timm's ``decode_arch_def`` takes them."""
TO_TIMM = {
    "ir": {
        "expand.0": "conv_pw",
        "expand.1": "bn1",
        "depthwise.0": "conv_dw",
        "depthwise.1": "bn2",
        "se.reduce": "se.conv_reduce",
        "se.expand": "se.conv_expand",
        "project.0": "conv_pwl",
        "project.1": "bn3",
    },
    "ds": {
        "depthwise.0": "conv_dw",
        "depthwise.1": "bn1",
        "se.reduce": "se.conv_reduce",
        "se.expand": "se.conv_expand",
        "project.0": "conv_pw",
        "project.1": "bn2",
    },
    "dsa": {
        "depthwise.0": "conv_dw",
        "depthwise.1": "bn1",
        "pointwise.0": "conv_pw",
        "pointwise.1": "bn2",
    },
    "cn": {"conv.0": "conv", "conv.1": "bn1"},
}
"""A block's parts, by our names."""
WHOLE = {"stem.0": "conv_stem", "stem.1": "bn1", "head.0": "conv_head", "head.1": "bn2"}
SAYS = "timm can only say"


def spell(arch: ArchSpec) -> Texts:
    """The network in timm's block strings.

    Raises:
        ValueError: if timm cannot say the network exactly; it names what.
    """
    if arch.stem_stride != 2:
        raise ValueError(f"{SAYS} stems with a stride of 2, got {arch.stem_stride}")
    if arch.stem_pool:
        raise ValueError(f"{SAYS} stems without pooling, got {arch}")
    found, inputs = [], arch.stem_channels
    for stage in arch.stages:
        found.append(_stage(stage, inputs))
        inputs = stage.channels
    return found


def _stage(stage: StageSpec, inputs: int) -> list[str]:
    """One string, or two if squeeze-and-excitation needs another ratio in the first layer.

    All have the stage's stride: timm gives it to the first block alone.
    """
    runs: list[tuple[str, int]] = []
    for layer in stage.layers(inputs):
        text = _block(stage, layer)
        if runs and runs[-1][0] == text:
            runs[-1] = text, runs[-1][1] + 1
        else:
            runs.append((text, 1))
    return [text.replace("_r_", f"_r{repeats}_") for text, repeats in runs]


def _block(stage: StageSpec, layer: LayerSpec) -> str:
    """``ir_r_k3_s2_e6_c24_se0.25``, still without the number of repeats."""
    size, sizes = f"_r_k{stage.kernel}_s{stage.stride}", f"_c{stage.channels}"
    identity = stage.skip == "identity"
    if stage.op == "conv":
        if stage.se_ratio:
            raise ValueError(f"{SAYS} conv without squeeze-and-excitation, got {stage}")
        return f"cn{size}{sizes}{'_skip' * identity}"
    if stage.op == "separable":
        if layer.residual:
            raise ValueError(f"{SAYS} separable without a skip, got {stage}")
        return f"dsa{size}{sizes}"
    if stage.op != "mbconv":
        raise ValueError(f"{SAYS} mbconv, separable and conv in its EfficientNets, got {stage}")
    inside = layer.in_channels * layer.expand_ratio
    if layer.expand_ratio > 1 and inside != divisible(inside):
        rule = f"{SAYS} mbconv with a multiple of 8 channels inside"
        raise ValueError(f"{rule}, got {inside} of {stage}")
    name = "ds" if layer.expand_ratio == 1 else "ir"
    size += "" if name == "ds" else f"_e{layer.expand_ratio}"
    return f"{name}{size}{sizes}{_ratio(layer)}{'' if identity else '_noskip'}"


def _ratio(layer: LayerSpec) -> str:
    """``_se0.25``: the layer's ratio, or the one at which timm rounds to the layer's width."""
    if not layer.se_ratio:
        return ""
    width = se_channels(layer.in_channels, layer.se_ratio)
    expand = layer.expand_ratio
    known = squeezed(layer.in_channels * expand, layer.se_ratio, expand) == width
    return f"_se{layer.se_ratio if known else width / layer.in_channels!r}"


def squeezed(inside: int, se_ratio: float, expand_ratio: float) -> int:
    """timm's channels inside squeeze-and-excitation: the ratio is of the block's input, and rounded."""
    return round(inside * (se_ratio / expand_ratio))


def divisible(channels: float) -> int:
    """timm's ``make_divisible``, by which it rounds the channels inside a block."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def decode(texts: Texts, inputs: int) -> tuple[Layer, ...]:
    """The layers that timm makes of block strings, after a stem of ``inputs`` channels.

    Raises:
        ValueError: if a string is not of the kinds that ``spell`` writes.
    """
    found: list[Layer] = []
    for stage in texts:
        stride = None
        for text in stage:
            kind, *parts = text.split("_")
            flags = {part for part in parts if part in ("skip", "noskip")}
            pairs = (re.fullmatch(r"([a-z]+)(\d.*)", part) for part in parts if part not in flags)
            values = {pair[1]: float(pair[2]) for pair in pairs if pair}
            if kind not in TO_TIMM or len(values) + len(flags) != len(parts):
                raise ValueError(f"a block must be one of {tuple(TO_TIMM)}, got {text}")
            expand, outputs = values.get("e", 1.0), int(values["c"])
            for _ in range(int(values["r"])):
                stride = int(values["s"]) if stride is None else 1
                fits = stride == 1 and inputs == outputs
                skip = "skip" in flags if kind == "cn" else kind != "dsa" and "noskip" not in flags
                inside = divisible(inputs * expand) if kind == "ir" else inputs
                width = squeezed(inside, values["se"], expand) if "se" in values else 0
                op = {"cn": "conv", "dsa": "separable"}.get(kind, "mbconv")
                inside = outputs if kind == "cn" else inside
                kernel = int(values["k"])
                found.append(Layer(op, kernel, stride, inputs, inside, outputs, width, fits and skip))
                inputs = outputs
    return tuple(found)


def names(texts: Texts) -> list[tuple[str, str]]:
    """Our names of modules, and timm's, for all that the blocks, stem and head have."""
    pairs = list(WHOLE.items())
    number = 0
    for stage, blocks in enumerate(texts):
        index = 0
        for text in blocks:
            kind, repeats, *_ = text.split("_")
            for _ in range(int(repeats[1:])):
                parts = TO_TIMM[kind].items()
                pairs += [(f"layers.{number}.{a}", f"blocks.{stage}.{index}.{b}") for a, b in parts]
                number, index = number + 1, index + 1
    return pairs


def renamed(tensors: dict[str, T], pairs: list[tuple[str, str]]) -> dict[str, T]:
    """``tensors`` with the modules of ``pairs`` renamed from the first to the second name."""
    known = dict(pairs)
    found = {}
    for name, tensor in tensors.items():
        module, _, parameter = name.rpartition(".")
        found[f"{known.get(module, module)}.{parameter}"] = tensor
    return found
