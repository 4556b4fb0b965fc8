"""Which layer of one network belongs to which of another."""

import pytest
from hypothesis import given
from strategies import arch_specs, quick

from nas.training.counterparts import counterparts
from search_spaces import PRESETS, ArchSpec

B0 = PRESETS["efficientnet-b0"]  # 1 | 2 | 2 | 3, 3 | 4, 1 layers


def arch_of(*stages):
    return ArchSpec.parse(f"res32-silu-stem8-{'-'.join(stages)}-head24")


SOURCE = arch_of("mb1_r1_k3_s1_c8", "mb6_r2_k3_s2_c16", "mb6_r2_k5_s1_c24", "mb6_r1_k3_s2_c40")


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        # Fewer layers: the first ones. More: the last ones are new.
        (
            ("mb1_r1_k3_s1_c8", "mb3_r1_k3_s2_c12", "mb3_r4_k3_s1_c20", "mb3_r1_k3_s2_c24"),
            [0, 1, 3, 4, None, None, 5],
        ),
        # As wide as each other: two stages are one group, of which the closest in width finds its layers,
        # and what the head reads comes from the same layer.
        (("mb1_r1_k3_s1_c8", "mb6_r2_k3_s2_c20", "mb6_r2_k5_s1_c20", "mb6_r1_k3_s2_c40"), [0, 1, 2, 3, 4, 5]),
        # A stride less: by the groups alone.
        (
            ("mb1_r1_k3_s1_c8", "mb6_r2_k3_s1_c16", "mb6_r3_k5_s1_c24", "mb6_r1_k3_s2_c40"),
            [0, 1, 2, 3, 4, None, 5],
        ),
        # Twice as wide, too: the groups as they come, not those of equal width.
        (
            ("mb1_r1_k3_s1_c16", "mb6_r2_k3_s1_c24", "mb6_r3_k5_s1_c40", "mb6_r1_k3_s2_c80"),
            [0, 1, 2, 3, 4, None, 5],
        ),
        # Fewer groups: the most similar ones.
        (("mb6_r2_k3_s2_c16", "mb6_r2_k3_s2_c40"), [1, 2, 5, None]),
        # A new level at the end.
        ((*map(str, SOURCE.stages), "mb6_r2_k3_s2_c80"), [0, 1, 2, 3, 4, 5, None, None]),
    ],
)
def test_layers_belong_together_by_strides_and_channels(stages, expected):
    assert counterparts(SOURCE, arch_of(*stages)) == expected


def test_stages_of_one_width_keep_their_own_kernels():
    source = arch_of("mb6_r2_k3_s2_c16", "mb6_r2_k5_s1_c16")
    assert counterparts(source, arch_of("mb6_r3_k5_s2_c16", "mb6_r1_k3_s1_c16")) == [0, 1, None, 2]


def test_efficientnet_b1_has_one_layer_more_in_each_stage():
    assert counterparts(B0, PRESETS["efficientnet-b1"]) == [
        0, None, 1, 2, None, 3, 4, None, 5, 6, 7, None, 8, 9, 10, None, 11, 12, 13, 14, None, 15, None,
    ]  # fmt: skip


@quick
@given(arch_specs(), arch_specs())
def test_places_ascend_and_equal_networks_match_wholly(source, arch):
    found = [place for place in counterparts(source, arch) if place is not None]
    assert found == sorted(set(found))
    assert not found or 0 <= found[0] <= found[-1] < len(source.layers())
    assert counterparts(arch, arch) == list(range(len(arch.layers())))
