"""The networks around a given one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick

from search_spaces import PRESETS, ArchSpec, canonical, cost
from search_spaces.around import around

NAMES = ["efficientnet-b0", "efficientnet-b3", "efficientnet-lite0", "mobilenet-v1", "resnet-50"]


@pytest.mark.parametrize("name", NAMES)
def test_the_network_lies_in_the_middle_of_those_around_it(name):
    arch, space = PRESETS[name], around(PRESETS[name])
    assert space.decode(space.encode(arch)) == canonical(arch)
    layers = [decision.choices for decision in space.decisions[::2]]
    channels = [decision.choices for decision in space.decisions[1::2]]
    for stage, own, widths in zip(arch.stages, layers, channels, strict=True):
        assert own == (
            (1, 2) if stage.repeats == 1 else (stage.repeats - 1, stage.repeats, stage.repeats + 1)
        )
        assert widths[-2] == stage.channels
        assert 1.05 < widths[-1] / stage.channels <= 1.5


@quick
@given(st.sampled_from(NAMES), st.integers(0, 2**32 - 1))
def test_every_network_around_it_differs_by_one_step_and_nothing_else(name, seed):
    arch, space = PRESETS[name], around(PRESETS[name])
    found = space.build(space.choices(space.sample(np.random.default_rng(seed))))
    assert (found.resolution, found.stem_channels, found.head_channels) == (
        *(arch.resolution, arch.stem_channels, arch.head_channels),
    )
    for stage, own in zip(found.stages, arch.stages, strict=True):
        assert abs(stage.repeats - own.repeats) <= 1
        assert (stage.op, stage.kernel, stage.stride, stage.se_ratio) == (
            *(own.op, own.kernel, own.stride, own.se_ratio),
        )
    assert ArchSpec.parse(str(found)) == found
    assert 0.3 < cost(found).flops / cost(arch).flops < 3
