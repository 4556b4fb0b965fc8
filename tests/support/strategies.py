"""Hypothesis strategies for specs and actions."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from search_spaces import SPACES, ArchSpec, StageSpec
from search_spaces.arch import ACTIVATIONS, BOTTLENECK, KERNELS, OPS, SKIPS, STRIDES, WITH_SE

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
quick = settings(deadline=None, max_examples=60)  # a deadline would measure the machine, not the code


@st.composite
def stage_specs(draw, max_channels=400):
    op = draw(st.sampled_from(OPS))
    channels = draw(st.sampled_from((8, 16)) | st.integers(1, max_channels))  # often equal to a neighbour's
    if op == "bottleneck":
        channels += -channels % BOTTLENECK
    return StageSpec(
        op=op,
        repeats=draw(st.integers(1, 4)),
        kernel=draw(st.sampled_from(KERNELS)),
        stride=draw(st.sampled_from(STRIDES)),
        expand_ratio=draw(st.integers(1, 6)) if op == "mbconv" else 1,
        channels=channels,
        se_ratio=draw(st.sampled_from((0.0, 0.25)) | st.floats(0, 1)) if op in WITH_SE else 0.0,
        skip="identity" if op == "bottleneck" else draw(st.sampled_from(SKIPS)),
    )


def arch_specs(max_channels=400):
    return st.builds(
        ArchSpec,
        stages=st.lists(stage_specs(max_channels), min_size=1, max_size=5).map(tuple),
        stem_channels=st.integers(1, 64),
        head_channels=st.integers(0, 2000),
        resolution=st.integers(1, 700),
        activation=st.sampled_from(ACTIVATIONS),
        stem_stride=st.sampled_from(STRIDES),
        stem_kernel=st.sampled_from(KERNELS),
        stem_pool=st.booleans(),
    )


def actions_of(space):
    return st.tuples(*(st.integers(0, len(decision.choices) - 1) for decision in space.decisions))


def random_archs(space, count, seed=0):
    """``count`` networks of ``space``, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [space.decode(space.sample(rng)) for _ in range(count)]
