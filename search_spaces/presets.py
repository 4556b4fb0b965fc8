"""Published networks as specs.

Sources: tensorflow/tpu, efficientnet_builder.py (B0's blocks, the family's coefficients),
lite/efficientnet_lite_builder.py (Lite) and mnasnet_models.py (A1, B1); Sandler et al. 2018,
arXiv:1801.04381, table 2 (MobileNetV2); Howard et al. 2017, arXiv:1704.04861, table 1 (MobileNetV1); He et
al. 2015, arXiv:1512.03385, table 1 (ResNet), with the stride in the 3x3, as torchvision has it.
"""

from __future__ import annotations

import dataclasses

from search_spaces.arch import BOTTLENECK, ArchSpec, StageSpec
from search_spaces.canonical_form import canonical
from search_spaces.rounding import round_channels, round_repeats

EFFICIENTNET_COEFFICIENTS = {
    # name: (width, depth, resolution, dropout)
    "efficientnet-b0": (1.0, 1.0, 224, 0.2),
    "efficientnet-b1": (1.0, 1.1, 240, 0.2),
    "efficientnet-b2": (1.1, 1.2, 260, 0.3),
    "efficientnet-b3": (1.2, 1.4, 300, 0.3),
    "efficientnet-b4": (1.4, 1.8, 380, 0.4),
    "efficientnet-b5": (1.6, 2.2, 456, 0.4),
    "efficientnet-b6": (1.8, 2.6, 528, 0.5),
    "efficientnet-b7": (2.0, 3.1, 600, 0.5),
    "efficientnet-b8": (2.2, 3.6, 672, 0.5),
    "efficientnet-l2": (4.3, 5.3, 800, 0.5),
}
"""The official table, which no power of (1.2, 1.1, 1.15) reproduces: see ``scaling_search.explain``."""
EFFICIENTNET_LITE_COEFFICIENTS = {
    # name: (width, depth, resolution, dropout)
    "efficientnet-lite0": (1.0, 1.0, 224, 0.2),
    "efficientnet-lite1": (1.0, 1.1, 240, 0.2),
    "efficientnet-lite2": (1.1, 1.2, 260, 0.3),
    "efficientnet-lite3": (1.2, 1.4, 280, 0.3),
    "efficientnet-lite4": (1.4, 1.8, 300, 0.3),
}
"""B0 without squeeze-and-excitation and with ReLU6, for phones; see ``_lite`` for what is not scaled."""


def _network(stages: str, activation: str, stem: str = "stem32", head: str = "head1280") -> ArchSpec:
    return canonical(ArchSpec.parse(f"res224-{activation}-{stem}-{stages.replace(' ', '-')}-{head}"))


def _mobilenet_v1() -> ArchSpec:
    sizes = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    layers = (f"separable_r1_k3_s{stride}_c{channels}_noskip" for channels, stride in sizes)
    return _network(" ".join(layers), "relu", head="head0")


def _resnet(*repeats: int) -> ArchSpec:
    stages = (
        f"bottleneck_r{layers}_k3_s{1 if number == 0 else 2}_c{256 << number}"
        for number, layers in enumerate(repeats)
    )
    return _network(" ".join(stages), "relu", "stem64k7pool", "head0")


EFFICIENTNET_B0 = _network(
    "mb1_r1_k3_s1_c16_se0.25 mb6_r2_k3_s2_c24_se0.25 mb6_r2_k5_s2_c40_se0.25 mb6_r3_k3_s2_c80_se0.25 "
    "mb6_r3_k5_s1_c112_se0.25 mb6_r4_k5_s2_c192_se0.25 mb6_r1_k3_s1_c320_se0.25",
    "silu",
)
EFFICIENTNET_LITE0 = dataclasses.replace(
    EFFICIENTNET_B0,
    stages=tuple(dataclasses.replace(stage, se_ratio=0.0) for stage in EFFICIENTNET_B0.stages),
    activation="relu6",
)


def resize(
    arch: ArchSpec, width: float = 1.0, depth: float = 1.0, resolution: int | None = None, divisor: int = 8
) -> ArchSpec:
    """``arch`` with channels x width, repeats x depth, another ``resolution``; rounded as in EfficientNet."""

    def wider(channels: int, times: int = 1) -> int:
        return times * round_channels(channels // times * width, divisor)

    def resized(stage: StageSpec) -> StageSpec:
        repeats = round_repeats(stage.repeats * depth)
        # The channels inside a bottleneck are rounded, and its outputs follow.
        channels = wider(stage.channels, BOTTLENECK if stage.op == "bottleneck" else 1)
        return dataclasses.replace(stage, channels=channels, repeats=repeats)

    return dataclasses.replace(
        arch,
        stages=tuple(map(resized, arch.stages)),
        stem_channels=wider(arch.stem_channels),
        head_channels=wider(arch.head_channels) if arch.head_channels else 0,
        resolution=arch.resolution if resolution is None else resolution,
    )


def _lite(width: float, depth: float, resolution: int) -> ArchSpec:
    """Lite0 scaled, but for stem and head, and the number of layers in the first and in the last stage."""
    scaled = resize(EFFICIENTNET_LITE0, width, depth, resolution)
    first, *middle, last = scaled.stages
    stages = (dataclasses.replace(first, repeats=1), *middle, dataclasses.replace(last, repeats=1))
    return dataclasses.replace(scaled, stages=stages, stem_channels=32, head_channels=1280)


PRESETS = {
    **{name: resize(EFFICIENTNET_B0, w, d, r) for name, (w, d, r, _) in EFFICIENTNET_COEFFICIENTS.items()},
    **{name: _lite(w, d, r) for name, (w, d, r, _) in EFFICIENTNET_LITE_COEFFICIENTS.items()},
    "mnasnet-a1": _network(
        "mb1_r1_k3_s1_c16 mb6_r2_k3_s2_c24 mb3_r3_k5_s2_c40_se0.25 mb6_r4_k3_s2_c80 "
        "mb6_r2_k3_s1_c112_se0.25 mb6_r3_k5_s2_c160_se0.25 mb6_r1_k3_s1_c320",
        "relu",
    ),
    "mnasnet-b1": _network(
        "mb1_r1_k3_s1_c16 mb3_r3_k3_s2_c24 mb3_r3_k5_s2_c40 mb6_r3_k5_s2_c80 "
        "mb6_r2_k3_s1_c96 mb6_r4_k5_s2_c192 mb6_r1_k3_s1_c320",
        "relu",
    ),
    "mobilenet-v2": _network(
        "mb1_r1_k3_s1_c16 mb6_r2_k3_s2_c24 mb6_r3_k3_s2_c32 mb6_r4_k3_s2_c64 "
        "mb6_r3_k3_s1_c96 mb6_r3_k3_s2_c160 mb6_r1_k3_s1_c320",
        "relu",
    ),
    "mobilenet-v1": _mobilenet_v1(),
    "resnet-50": _resnet(3, 4, 6, 3),
    "resnet-101": _resnet(3, 4, 23, 3),
    "resnet-152": _resnet(3, 8, 36, 3),
}

_MOBILE = ("mnasnet-a1", "mobilenet-v2")
PUBLISHED = {
    **dict.fromkeys(("mnas", "mnas-a1", "mnas-mobilenet-v2"), ("efficientnet-b0", *_MOBILE)),
    "mnas-lite": ("efficientnet-lite0", *_MOBILE),
    "accel-nasbench": ("efficientnet-b0",),
}
"""By space: the known networks that a choice from it is compared with, the first above all."""
