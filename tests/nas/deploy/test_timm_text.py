"""A network in timm's words, checked by what timm's documented grammar makes of them."""

import dataclasses

import library_names
import numpy as np
import pytest

from nas.deploy.finished import layers_of
from nas.deploy.timm_text import decode, divisible, names, spell, squeezed
from search_spaces import PRESETS, SPACES, ArchSpec, StageSpec
from search_spaces.cost import se_channels

SAID = ["mnas", "mnas-lite", "mnas-mobilenet-v2", "mnas-a1", "accel-nasbench"]
A1 = """
ds_r1_k3_s1_e1_c16_noskip ir_r2_k3_s2_e6_c24 ir_r3_k5_s2_e3_c40_se0.25 ir_r4_k3_s2_e6_c80
ir_r2_k3_s1_e6_c112_se0.25 ir_r3_k5_s2_e6_c160_se0.25 ir_r1_k3_s1_e6_c320
"""
"""timm/models/efficientnet.py, ``_gen_mnasnet_a1``; and likewise below."""
B0 = """
ds_r1_k3_s1_e1_c16_se0.25 ir_r2_k3_s2_e6_c24_se0.25 ir_r2_k5_s2_e6_c40_se0.25 ir_r3_k3_s2_e6_c80_se0.25
ir_r3_k5_s1_e6_c112_se0.25 ir_r4_k5_s2_e6_c192_se0.25 ir_r1_k3_s1_e6_c320_se0.25
"""
V1 = "dsa_r1_k3_s1_c64 dsa_r2_k3_s2_c128 dsa_r2_k3_s2_c256 dsa_r6_k3_s2_c512 dsa_r2_k3_s2_c1024"
PUBLISHED = {"mnasnet-a1": A1, "efficientnet-b0": B0, "mobilenet-v1": V1}


def with_stem(stage, channels=32):
    """A network of one stage, and its strings."""
    arch = ArchSpec((StageSpec.parse(stage),), channels, 64, 32, "relu6")
    return arch, spell(arch)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_are_those_of_timms_own_strings(name):
    arch = PRESETS[name]
    theirs = [[text] for text in PUBLISHED[name].split()]
    assert decode(theirs, arch.stem_channels) == layers_of(arch)
    assert decode(spell(arch), arch.stem_channels) == layers_of(arch)


def test_b0_is_spelled_as_timm_spells_it():
    assert [[text.replace("_e1", "")] for text in B0.split()] == spell(PRESETS["efficientnet-b0"])


@pytest.mark.parametrize("name", SAID)
def test_every_network_that_can_be_said_decodes_to_its_own_layers(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    said = 0
    for _ in range(100):
        arch = space.decode(space.sample(rng))
        try:
            texts = spell(arch)
        except ValueError:
            assert any(stage.op == "conv" and stage.se_ratio for stage in arch.stages)
            continue
        assert decode(texts, arch.stem_channels) == layers_of(arch)
        said += 1
    assert said > 30


def test_timm_rounds_squeezed_channels_where_we_cut_and_the_ratio_makes_up_for_it():
    """22 channels by 0.25 are 5.5: 5 for us, 6 for timm."""
    assert (se_channels(22, 0.25), squeezed(22, 0.25, 1)) == (5, 6)
    stage = "mb1_r3_k3_s1_c32_se0.25"
    arch, texts = with_stem(stage, channels=22)
    assert texts == [["ds_r1_k3_s1_c32_se0.22727272727272727", "ds_r2_k3_s1_c32_se0.25"]]
    assert decode(texts, 22) == layers_of(arch)


def test_a_stages_second_string_does_not_stride_again():
    stage = "mb4_r3_k3_s2_c32_se0.3"
    arch, texts = with_stem(stage, channels=14)
    assert len(texts[0]) == 2
    assert [layer.stride for layer in decode(texts, 14)] == [2, 1, 1]
    assert decode(texts, 14) == layers_of(arch)


@pytest.mark.parametrize(("text", "refused"), [
    ("res32-relu-stem8s1-mb3_r1_k3_s1_c8-head8", "stems with a stride of 2, got 1"),
    ("res32-relu-stem8pool-mb3_r1_k3_s1_c8-head8", "stems without pooling, got res32-relu-stem8pool"),
    ("res32-relu-stem8-conv_r1_k3_s1_c8_se0.25-head8", "conv without squeeze-and-excitation, got conv_r1_k3"),
    ("res32-relu-stem8-separable_r1_k3_s1_c8-head8", "separable without a skip, got separable_r1"),
    ("res32-relu-stem8-linear_r1_k3_s1_c8-head8", "mbconv, separable and conv in its Eff"),
    ("res32-relu-stem8-bottleneck_r1_k3_s1_c8-head8", "mbconv, separable and conv in its Eff"),
    ("res32-relu-stem4-mb3_r1_k3_s1_c8-head8", "mbconv with a multiple of 8 channels inside, got 12"),
])  # fmt: skip
def test_what_timm_cannot_say_is_refused(text, refused):
    with pytest.raises(ValueError, match=f"^timm can only say {refused}"):
        spell(ArchSpec.parse(text))


def test_timm_rounds_channels_inside_a_block_to_eight():
    """make_divisible of timm/layers/helpers.py, by hand: up where rounding down would lose over a tenth."""
    assert [divisible(n) for n in (1, 8, 11, 12, 18, 48, 96)] == [8, 8, 16, 16, 24, 48, 96]


@pytest.mark.parametrize("name", ["efficientnet-b0", "mobilenet-v2", "mobilenet-v1", "mnasnet-a1"])
def test_tensors_have_the_names_that_timms_modules_give(name):
    arch = PRESETS[name]
    pairs = dict(names(spell(arch)))
    for tensor in library_names.random_state(dataclasses.replace(arch, resolution=32), num_classes=2):
        module = tensor.rpartition(".")[0]
        assert pairs.get(module, module) == library_names.timm(arch, module)


def test_a_regular_convolution_is_a_cn_block_whose_skip_is_asked_for():
    arch, texts = with_stem("conv_r2_k5_s1_c32")
    assert texts == [["cn_r2_k5_s1_c32_skip"]]
    assert decode(texts, 32) == layers_of(arch)
    assert ("layers.1.conv.1", "blocks.0.1.bn1") in names(texts)
