"""What a network is: specs, search spaces, closed-form cost. torch only in ``network`` and ``depthwise``."""

from search_spaces.arch import ArchSpec, LayerSpec, StageSpec
from search_spaces.benchmarks import ACCEL_NASBENCH, NASBENCH_MACRO
from search_spaces.canonical_form import canonical
from search_spaces.cost import Cost, cost
from search_spaces.mnas import MNAS, MNAS_A1, MNAS_LITE, MNAS_MOBILENET_V2
from search_spaces.narrowed import narrowed
from search_spaces.presets import PRESETS, PUBLISHED, resize
from search_spaces.rounding import round_channels, round_repeats
from search_spaces.space import Actions, Built, Choice, Decision, SearchSpace, listed

SPACES = {
    space.name: space
    for space in (MNAS, MNAS_LITE, MNAS_MOBILENET_V2, MNAS_A1, ACCEL_NASBENCH, NASBENCH_MACRO)
}

__all__ = [
    "PRESETS",
    "PUBLISHED",
    "SPACES",
    "Actions",
    "ArchSpec",
    "Built",
    "Choice",
    "Cost",
    "Decision",
    "LayerSpec",
    "SearchSpace",
    "StageSpec",
    "canonical",
    "cost",
    "listed",
    "narrowed",
    "resize",
    "round_channels",
    "round_repeats",
]
