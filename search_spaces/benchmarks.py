"""Spaces with published tables of trained networks, so that a search over them needs no training.

``accel-nasbench``: MnasNet's family on ImageNet. Source: Ahmad et al. 2024, afzalxo/Accel-NASBench.
``nasbench-macro``: all 6561 codes of an MBConv space on CIFAR-10. Source: Su et al. 2021,
arXiv:2103.11922; network as in xiusu/NAS-Bench-Macro, train/model.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.mnas import STRIDES
from search_spaces.space import Choice, SearchSpace
from search_spaces.stages import Row, SpaceForm, StageDecision, StageForm, space_from, stage_form

ACCEL_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
MACRO_LAYERS = (2, 3, 3)


def _accel_nasbench() -> SearchSpace:
    stages = []
    for block, (stride, channels) in enumerate(zip(STRIDES, ACCEL_CHANNELS, strict=True)):
        name, most = f"block{block}", 4 if block == 5 else 3
        decisions = (
            _decision(f"{name}_e", "expand_ratio", {ratio: ratio for ratio in (1, 4, 6)}),
            _decision(f"{name}_k", "kernel", {kernel: kernel for kernel in (3, 5)}),
            _decision(f"{name}_l", "layers", {layers: layers for layers in range(1, most + 1)}),
            _decision(f"{name}_se", "se_ratio", {0: 0.0, 1: 0.25}),
        )
        stages.append(stage_form(name, stride, {"op": "mbconv", "channels": channels}, *decisions))
    skeleton = {"stem_channels": 32, "head_channels": 1280, "resolution": 224, "activation": "silu"}
    return space_from(SpaceForm("accel-nasbench", skeleton, tuple(stages)))


def _decision(name: str, field: str, values: Mapping[Choice, Choice]) -> StageDecision:
    """A decision that sets ``field`` to a value for each choice."""
    return StageDecision(name, tuple(Row(choice, {field: value}) for choice, value in values.items()))


def _nasbench_macro() -> SearchSpace:
    stages: list[StageForm] = []
    for stage, layers in enumerate(MACRO_LAYERS):
        for layer in range(layers):
            # An identity cannot halve the map, so in a stage's first layer it is a 1x1 convolution and BN.
            identity: dict[str, Choice] = {"layers": 0} if layer else {"op": "linear", "kernel": 1}
            rows = (
                Row("identity", identity),
                Row("mb3_k3", {"op": "mbconv3", "kernel": 3}),
                Row("mb6_k5", {"op": "mbconv6", "kernel": 5}),
            )
            name = f"layer{len(stages)}"
            fixed = {"layers": 1, "channels": 64 * 2**stage}
            stages.append(stage_form(name, 1 if layer else 2, fixed, StageDecision(name, rows)))
    skeleton = {"stem_channels": 32, "head_channels": 1280, "resolution": 32, "activation": "relu"}
    form = SpaceForm("nasbench-macro", {**skeleton, "stem_stride": 1}, tuple(stages), classes=10)
    return space_from(form)


ACCEL_NASBENCH = _accel_nasbench()
NASBENCH_MACRO = _nasbench_macro()
