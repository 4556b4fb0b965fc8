"""MnasNet's factorised hierarchical space: one layer design per stage, repeated.

Seven stages around a MobileNetV2 skeleton. Each stage has its own choice of operation, kernel,
squeeze-and-excitation, skip, number of layers and filter multiplier; strides are fixed.

Source: Tan et al. 2019, arXiv:1807.11626, sec. 4.1; option lists as released in
google/vertex-ai-nas, tunable_mnasnet_search_space.py. EfficientNet searches the same space
(arXiv:1905.11946, sec. 4); its B0 has 112 and 192 channels, which no multiple of MobileNetV2's
skeleton reaches, so the default skeleton is B0's own. Pooling skips are left out: no published
network of the family uses them (arXiv:2104.00298, sec. 3.3). ``mnas-lite`` holds the networks that
EfficientNet-Lite0's public weights can fill.
"""

from __future__ import annotations

from search_spaces.space import Choice, SearchSpace
from search_spaces.stages import SpaceForm, space_from, stage_form

STRIDES = (1, 2, 2, 2, 1, 2, 1)
OPERATIONS = ("conv", "mbconv1", "mbconv3", "mbconv6")


def mnas_space(
    name: str,
    channels: tuple[int, ...],
    layers: tuple[int, ...],
    activation: str = "silu",
    lite: bool = False,
) -> SearchSpace:
    """The space around a skeleton of ``channels`` and ``layers`` per stage.

    Args:
        lite: without SE and skips to choose, and of the operations only those of EfficientNet-Lite0 and
            their narrower ones, so that its weights can fill every network.
    """
    stages = []
    for number, (stride, skeleton, base) in enumerate(zip(STRIDES, channels, layers, strict=True), 1):
        options: dict[str, Choice | tuple[Choice, ...]] = {
            "op": OPERATIONS,
            "kernel": (3, 5),
            "se_ratio": (0.0, 0.25),
            "skip": ("identity", "none"),
            "layers": (base - 1, base, base + 1) if base > 1 else (1, 2),
            "channels": skeleton,
            "filters": (0.75, 1.0, 1.25),
        }
        if lite:
            ops = ("mbconv1",) if number == 1 else ("mbconv3", "mbconv6")
            options |= {"op": ops, "se_ratio": 0.0, "skip": "identity"}
        stages.append(stage_form(f"stage{number}", stride, options))
    frame = {"stem_channels": 32, "head_channels": 1280, "resolution": 224, "activation": activation}
    return space_from(SpaceForm(name, frame, tuple(stages)))


MOBILENET_V2_LAYERS = (1, 2, 3, 4, 3, 3, 1)
MNAS = mnas_space("mnas", (16, 24, 40, 80, 112, 192, 320), MOBILENET_V2_LAYERS)
MNAS_MOBILENET_V2 = mnas_space(
    "mnas-mobilenet-v2", (16, 24, 32, 64, 96, 160, 320), MOBILENET_V2_LAYERS, "relu"
)
MNAS_LITE = mnas_space(
    "mnas-lite", (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), "relu6", lite=True
)
MNAS_A1 = mnas_space("mnas-a1", (16, 24, 40, 80, 112, 160, 320), (1, 2, 3, 4, 2, 3, 1), "relu")
