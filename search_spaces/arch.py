"""What a network *is*: frozen data with a text and a JSON form, and no torch.

    ArchSpec -- stages --> StageSpec -- layers() --> LayerSpec

A stage is ``repeats`` layers of one design; only its first may have a stride or change the channels.
Specs with equal ``ArchSpec.layers()`` build the same network; ``canonical`` gives them the same.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from search_spaces.limits import (
    MOST_CHANNELS,
    MOST_EXPAND,
    MOST_FLOPS,
    MOST_LAYERS,
    MOST_PIXELS,
    MOST_TEXT,
    require,
    require_size,
    shown,
)

OPS = ("conv", "mbconv", "linear", "separable", "bottleneck")
WITH_SE = ("conv", "mbconv")
"""Ops that may have squeeze-and-excitation."""
BOTTLENECK = 4
"""A bottleneck's outputs over the channels inside it: ResNet's."""
KERNELS = (1, 3, 5, 7)
STRIDES = (1, 2)
SKIPS = ("identity", "none")
ACTIVATIONS = ("silu", "relu", "relu6")
PADDINGS = ("symmetric", "same")


class LayerSpec(NamedTuple):
    """One layer of the expanded network; ``residual`` says whether its input is added to its output.

    A bottleneck adds its input always: where it is not ``residual``, through a projection.
    """

    op: str
    kernel: int
    stride: int
    expand_ratio: int
    in_channels: int
    channels: int
    se_ratio: float
    residual: bool


@dataclass(frozen=True, slots=True)
class StageSpec:
    """``repeats`` layers of one design; the first has ``stride``, all have ``channels`` outputs.

    Args:
        op: ``mbconv`` is MobileNetV2's inverted bottleneck (expand, depthwise, SE, linear
            projection; with ``expand_ratio`` 1 a depthwise-separable convolution), ``conv`` a
            regular convolution with BN, activation and SE, ``linear`` a convolution and BN alone,
            ``separable`` MobileNetV1's depthwise and pointwise convolutions with an activation after each,
            ``bottleneck`` ResNet's 1x1, kxk and 1x1 convolutions, with a quarter of the channels inside.
        repeats: number of layers, at least 1.
        kernel: side of the (depthwise) kernel, in pixels.
        stride: of the first layer; all others have 1.
        expand_ratio: width of the bottleneck's inside over its input; 1 for other ops.
        channels: output channels.
        se_ratio: squeeze-and-excitation width over the layer's *input* channels; 0 for none.
        skip: ``identity`` adds a layer's input wherever stride is 1 and channels are equal.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    op: str
    repeats: int
    kernel: int
    stride: int
    expand_ratio: int
    channels: int
    se_ratio: float = 0.0
    skip: str = "identity"

    def __post_init__(self) -> None:
        require("op", self.op, OPS)
        require_size("repeats", self.repeats, MOST_LAYERS)
        require("kernel", self.kernel, KERNELS)
        require("stride", self.stride, STRIDES)
        require_size("expand_ratio", self.expand_ratio, MOST_EXPAND)
        require_size("channels", self.channels, MOST_CHANNELS)
        require("skip", self.skip, SKIPS)
        if type(self.se_ratio) not in (int, float) or not 0 <= self.se_ratio <= 1:
            raise ValueError(f"se_ratio must lie in [0, 1], got {shown(self.se_ratio)}")
        object.__setattr__(self, "se_ratio", self.se_ratio + 0.0)  # a float, and 0.0 for -0.0
        if self.op != "mbconv" and self.expand_ratio != 1:
            raise ValueError(f"expand_ratio of a {self.op} must be 1, got {self.expand_ratio}")
        if self.op not in WITH_SE and self.se_ratio:
            raise ValueError(f"se_ratio of a {self.op} must be 0, got {self.se_ratio}")
        if self.op == "bottleneck" and self.channels % BOTTLENECK:
            raise ValueError(f"channels of a bottleneck must be a multiple of 4, got {self.channels}")
        if self.op == "bottleneck" and self.skip != "identity":
            raise ValueError(f"skip of a bottleneck must be identity, got {self.skip}")

    def layers(self, in_channels: int) -> tuple[LayerSpec, ...]:
        """The stage's layers for an input of ``in_channels``."""
        op, kernel, stride, expand, out = self.op, self.kernel, self.stride, self.expand_ratio, self.channels
        identity = self.skip == "identity"
        residual = identity and stride == 1 and in_channels == out
        first = LayerSpec(op, kernel, stride, expand, in_channels, out, self.se_ratio, residual)
        rest = LayerSpec(op, kernel, 1, expand, out, out, self.se_ratio, identity)
        return (first,) + (rest,) * (self.repeats - 1)

    def __str__(self) -> str:
        op = f"mb{self.expand_ratio}" if self.op == "mbconv" else self.op
        text = f"{op}_r{self.repeats}_k{self.kernel}_s{self.stride}_c{self.channels}"
        if self.se_ratio:
            text += f"_se{self.se_ratio!r}"
        return text if self.skip == "identity" else text + "_noskip"

    @classmethod
    def parse(cls, text: str) -> StageSpec:
        """The inverse of ``str``; ValueError if ``text`` has another form or a value is out of range."""
        return _parse_stage(text)


@functools.lru_cache(maxsize=4096)  # the networks of a space share a few hundred stages
def _parse_stage(text: str) -> StageSpec:
    match = _STAGE_TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"a stage must read like {_STAGE_EXAMPLE!r}, got {shown(text)}")
    op, expand, repeats, kernel, stride, channels, se, noskip = match.groups()
    op, skip = "mbconv" if expand else op, "none" if noskip else "identity"
    repeats, kernel, stride, expand, channels = map(
        _whole, (repeats, kernel, stride, expand or "1", channels)
    )
    return StageSpec(op, repeats, kernel, stride, expand, channels, float(se or 0), skip)


def _whole(digits: str) -> int:
    """The integer; of a very long one, 20 digits, which are more than any field takes."""
    return int(digits.lstrip("0")[:20] or "0")


_STAGE_EXAMPLE = "mb6_r2_k3_s2_c24_se0.25"
_ARCH_EXAMPLE = f"res224-silu-stem32-{_STAGE_EXAMPLE}-head1280"
_STAGE_TEXT = re.compile(
    r"(mb([0-9]+)|conv|linear|separable|bottleneck)_r([0-9]+)_k([0-9]+)_s([0-9]+)_c([0-9]+)"
    r"(?:_se([0-9]+(?:[.][0-9]+)?(?:e-[0-9]+)?))?(_noskip)?"
)
_STAGE_SEPARATOR = re.compile(r"-(?![0-9])")  # not the minus sign of an exponent, as in se1e-05
_ARCH_TEXT = re.compile(
    r"res([0-9]+)-([a-z0-9]+)-stem([0-9]+)(?:k([0-9]+))?(?:s([0-9]+))?(pool)?-(.+)-head([0-9]+)"
)


@dataclass(frozen=True, slots=True)
class ArchSpec:
    """A whole network: stem, stages, 1x1 head, pooling, dropout, classifier.

    Args:
        stages: at least one.
        stem_channels: outputs of the stem convolution.
        head_channels: outputs of the 1x1 convolution before pooling; 0 for no such convolution.
        resolution: side of the (square) input image, in pixels.
        activation: ``silu``, ``relu`` or ``relu6``, throughout the network.
        stem_stride: 2 as in MobileNet and EfficientNet, or 1 for small images.
        stem_kernel: side of the stem's kernel, in pixels; 7 in ResNet.
        stem_pool: 3x3 max pooling with stride 2 after the stem, as in ResNet.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    stages: tuple[StageSpec, ...]
    stem_channels: int
    head_channels: int
    resolution: int
    activation: str
    stem_stride: int = 2
    stem_kernel: int = 3
    stem_pool: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages or not all(isinstance(stage, StageSpec) for stage in self.stages):
            raise ValueError(f"stages must be one StageSpec or more, got {shown(self.stages)}")
        require_size("stem_channels", self.stem_channels, MOST_CHANNELS)
        if type(self.head_channels) is not int or self.head_channels != 0:
            require_size("head_channels", self.head_channels, MOST_CHANNELS)
        require_size("resolution", self.resolution, MOST_PIXELS)
        require("activation", self.activation, ACTIVATIONS)
        require("stem_stride", self.stem_stride, STRIDES)
        require("stem_kernel", self.stem_kernel, KERNELS)
        require("stem_pool", self.stem_pool, (False, True))
        self._refuse_huge()

    def _refuse_huge(self) -> None:
        """ValueError if the whole network is beyond the limits, although every field is within its own."""
        layers = sum(stage.repeats for stage in self.stages)
        if layers > MOST_LAYERS:
            raise ValueError(f"stages must have at most {MOST_LAYERS:,} layers in all, got {layers:,}")
        widest = max(self.stem_channels, self.head_channels, *(stage.channels for stage in self.stages))
        expand = max(stage.expand_ratio for stage in self.stages)
        if (layers + 3) * KERNELS[-1] ** 2 * expand * (widest * self.resolution) ** 2 > MOST_FLOPS:
            from search_spaces.cost import cost  # needs this module, and is needed for giants only

            if (flops := cost(self).flops) > MOST_FLOPS:
                raise ValueError(f"stages must need at most {MOST_FLOPS:.0e} FLOPs, got {flops:.1e}")

    @property
    def stride(self) -> int:
        """The side of an image over that of the last feature map."""
        return math.prod(stage.stride for stage in self.stages) * self.stem_stride * (1 + self.stem_pool)

    def layers(self) -> tuple[LayerSpec, ...]:
        """Every layer between stem and head, in order."""
        layers: tuple[LayerSpec, ...] = ()
        in_channels = self.stem_channels
        for stage in self.stages:
            layers += stage.layers(in_channels)
            in_channels = stage.channels
        return layers

    def __str__(self) -> str:
        stem = f"stem{self.stem_channels}" + (f"k{self.stem_kernel}" if self.stem_kernel != 3 else "")
        stem += ("s1" if self.stem_stride == 1 else "") + ("pool" if self.stem_pool else "")
        stages = "-".join(str(stage) for stage in self.stages)
        return f"res{self.resolution}-{self.activation}-{stem}-{stages}-head{self.head_channels}"

    @classmethod
    def parse(cls, text: str) -> ArchSpec:
        """The inverse of ``str``, which needs no quotes in a shell; ValueError as in ``StageSpec.parse``."""
        if len(text) > MOST_TEXT:
            raise ValueError(f"an architecture must have at most {MOST_TEXT:,} characters, got {len(text):,}")
        match = _ARCH_TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"an architecture must read like {_ARCH_EXAMPLE!r}, got {shown(text)}")
        resolution, activation, stem, kernel, stride, pool, text, head = match.groups()
        stages = tuple(StageSpec.parse(stage) for stage in _STAGE_SEPARATOR.split(text))
        numbers = map(_whole, (stem, head, resolution, stride or "2", kernel or "3"))
        stem_channels, head_channels, resolution, stem_stride, stem_kernel = numbers
        return cls(
            *(stages, stem_channels, head_channels, resolution, activation),
            *(stem_stride, stem_kernel, pool is not None),
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, stages as objects."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: object) -> ArchSpec:
        """The inverse of ``to_json``; ValueError if a field is missing, unknown or out of range.

        Also takes the text form, or an object with an architecture under ``arch``, as in ``best.json``.
        """
        while isinstance(data, Mapping) and "arch" in data:
            data = data["arch"]
        if isinstance(data, str):
            return cls.parse(data)
        fields = _fields(cls, data)
        if not isinstance(fields["stages"], (list, tuple)):
            raise ValueError(f"stages must be a list, got {shown(fields['stages'])}")
        fields["stages"] = tuple(StageSpec(**_fields(StageSpec, stage)) for stage in fields["stages"])
        return cls(**fields)


def _fields(kind: type, data: object) -> dict[str, Any]:
    """``data`` as arguments of the dataclass ``kind``; a ValueError names missing and unknown keys."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{kind.__name__} must be a JSON object, got {shown(data)}")
    fields = dataclasses.fields(kind)
    missing = [f.name for f in fields if f.default is dataclasses.MISSING and f.name not in data]
    unknown = sorted(set(data) - {f.name for f in fields}, key=str)
    if missing or unknown:
        keys = [field.name for field in fields]
        raise ValueError(f"{kind.__name__} has the keys {keys}; missing {missing}, unknown {shown(unknown)}")
    return dict(data)
