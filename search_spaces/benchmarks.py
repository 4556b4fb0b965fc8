"""Spaces with published tables of trained networks, so that a search over them needs no training.

``accel-nasbench``: MnasNet's family on ImageNet. Source: Ahmad et al. 2024, afzalxo/Accel-NASBench.
``nasbench-macro``: all 6561 codes of an MBConv space on CIFAR-10. Source: Su et al. 2021,
arXiv:2103.11922; network as in xiusu/NAS-Bench-Macro, train/model.py.
"""

from __future__ import annotations

from functools import partial

from search_spaces.arch import ArchSpec, StageSpec
from search_spaces.mnas import STRIDES
from search_spaces.space import Decision, SearchSpace, Slot, staged

ACCEL_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
MACRO_LAYERS = (2, 3, 3)
MACRO_OPERATIONS = ("identity", "mb3_k3", "mb6_k5")


def _accel_stage(
    stride: int, channels: int, expand_ratio: int, kernel: int, layers: int, se: int
) -> StageSpec:
    return StageSpec("mbconv", layers, kernel, stride, expand_ratio, channels, 0.25 * se)


def _accel_nasbench() -> SearchSpace:
    slots = []
    for block, (stride, channels) in enumerate(zip(STRIDES, ACCEL_CHANNELS, strict=True)):
        decisions = (
            Decision(f"block{block}_e", (1, 4, 6)),
            Decision(f"block{block}_k", (3, 5)),
            Decision(f"block{block}_l", (1, 2, 3, 4) if block == 5 else (1, 2, 3)),
            Decision(f"block{block}_se", (0, 1)),
        )
        slots.append(Slot(decisions, partial(_accel_stage, stride, channels)))
    frame = partial(ArchSpec, stem_channels=32, head_channels=1280, resolution=224, activation="silu")
    return staged("accel-nasbench", slots, frame)


def _macro_stage(stride: int, channels: int, operation: str) -> StageSpec | None:
    if operation == "identity":
        # An identity cannot halve the map, so in a stage's first layer it is a 1x1 convolution and BN.
        return StageSpec("linear", 1, 1, 2, 1, channels) if stride == 2 else None
    expand_ratio, kernel = (3, 3) if operation == "mb3_k3" else (6, 5)
    return StageSpec("mbconv", 1, kernel, stride, expand_ratio, channels)


def _nasbench_macro() -> SearchSpace:
    slots: list[Slot] = []
    for stage, layers in enumerate(MACRO_LAYERS):
        for layer in range(layers):
            decision = Decision(f"layer{len(slots)}", MACRO_OPERATIONS)
            slots.append(Slot((decision,), partial(_macro_stage, 1 if layer else 2, 64 * 2**stage)))
    frame = partial(
        ArchSpec, stem_channels=32, head_channels=1280, resolution=32, activation="relu", stem_stride=1
    )
    return staged("nasbench-macro", slots, frame, num_classes=10)


ACCEL_NASBENCH = _accel_nasbench()
NASBENCH_MACRO = _nasbench_macro()
