import dataclasses
import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from places import ACCEL_TABLE, MACRO_TABLE
from strategies import arch_specs, every_space, quick, random_archs

from search_spaces import PRESETS, SPACES, ArchSpec, StageSpec, cost, resize
from search_spaces.cost import Cost, conv_cost, head_cost, se_channels, se_cost, stage_cost, stem_cost
from search_spaces.cost_table import CostTable
from search_spaces.network import build_network

with warnings.catch_warnings():
    # On import, fvcore compiles a loss that is not used here.
    warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", DeprecationWarning)
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

B0 = PRESETS["efficientnet-b0"]
# Golden numbers of EfficientNet, on which torchvision, timm and fvcore agree: FACTS sec. 4.
# name: params, conv MACs, conv + linear MACs; channels of stem, stages and head; repeats; MBConvs,
# residual ones; side of the last map
FAMILY = {
    "b0": (
        *(5_288_548, 384_534_752, 385_814_752),
        *([32, 16, 24, 40, 80, 112, 192, 320, 1280], [1, 2, 2, 3, 3, 4, 1], 16, 9, 7),
    ),
    "b1": (
        *(7_794_184, 685_522_832, 686_802_832),
        *([32, 16, 24, 40, 80, 112, 192, 320, 1280], [2, 3, 3, 4, 4, 5, 2], 23, 16, 8),
    ),
    "b2": (
        *(9_109_994, 992_153_872, 993_561_872),
        *([32, 16, 24, 48, 88, 120, 208, 352, 1408], [2, 3, 3, 4, 4, 5, 2], 23, 16, 9),
    ),
    "b3": (
        *(12_233_232, 1_825_605_392, 1_827_141_392),
        *([40, 24, 32, 48, 96, 136, 232, 384, 1536], [2, 3, 3, 5, 5, 6, 2], 26, 19, 10),
    ),
    "b4": (
        *(19_341_616, 4_391_979_024, 4_393_771_024),
        *([48, 24, 32, 56, 112, 160, 272, 448, 1792], [2, 4, 4, 6, 6, 8, 2], 32, 25, 12),
    ),
    "b5": (
        *(30_389_784, 10_264_336_752, 10_266_384_752),
        *([48, 24, 40, 64, 128, 176, 304, 512, 2048], [3, 5, 5, 7, 7, 9, 3], 39, 32, 15),
    ),
    "b6": (
        *(43_040_704, 19_065_289_536, 19_067_593_536),
        *([56, 32, 40, 72, 144, 200, 344, 576, 2304], [3, 6, 6, 8, 8, 11, 3], 45, 38, 17),
    ),
    "b7": (
        *(66_347_960, 37_743_324_192, 37_745_884_192),
        *([64, 32, 48, 80, 160, 224, 384, 640, 2560], [4, 7, 7, 10, 10, 13, 4], 55, 48, 19),
    ),
    "b8": (
        *(87_413_142, 62_594_645_568, 62_597_461_568),
        *([72, 32, 56, 88, 176, 248, 424, 704, 2816], [4, 8, 8, 11, 11, 15, 4], 61, 54, 21),
    ),
}
LITE = {  # name: params, conv + linear MACs, input side
    "lite0": (4_652_008, 385_187_552, 224),
    "lite1": (5_416_680, 600_185_232, 240),
    "lite2": (6_092_072, 859_736_272, 260),
    "lite3": (8_197_096, 1_383_321_872, 280),
    "lite4": (13_006_568, 2_553_034_336, 300),
}
# Table 1 of the paper with exact numbers: input side, params, MACs, SE squeeze per layer. FACTS sec. 4.
B0_STAGES = [
    (112, 1_448, 10_035_712, [8]),
    (112, 16_714, 54_945_216, [4, 6]),
    (56, 46_640, 37_939_584, [6, 10]),
    (28, 242_930, 43_555_200, [10, 20, 20]),
    (14, 543_148, 86_102_400, [20, 28, 28]),
    (14, 2_026_348, 91_528_224, [28, 48, 48, 48]),
    (7, 717_232, 29_520_000, [48]),
]


def counted(analysis, network, arch):
    """fvcore's count for one image, convolutions and linear layers only."""
    count = analysis(network.eval(), torch.zeros(1, 3, arch.resolution, arch.resolution))
    by_operator = count.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    return by_operator["conv"] + by_operator["linear"]


def assert_cost_is_that_of_the_network(arch, num_classes, analyses=(FlopCountAnalysis,)):
    network = build_network(arch, num_classes)
    expected = cost(arch, num_classes)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected.params, arch
    for analysis in analyses:
        closed_form = expected.flops if analysis is FlopCountAnalysis else expected.activations
        assert counted(analysis, network, arch) == closed_form, arch


# Golden numbers.


@pytest.mark.parametrize("name", FAMILY)
def test_efficientnets_have_the_published_params_and_multiply_adds(name):
    params, conv_flops, flops, *_ = FAMILY[name]
    arch = PRESETS[f"efficientnet-{name}"]
    assert cost(arch)[:2] == (flops, params)
    assert flops - arch.head_channels * 1000 == conv_flops


@pytest.mark.parametrize("name", FAMILY)
def test_efficientnets_have_the_published_shapes(name):
    *_, channels, repeats, layers, residual, last_map = FAMILY[name]
    arch = PRESETS[f"efficientnet-{name}"]
    assert [arch.stem_channels, *(stage.channels for stage in arch.stages), arch.head_channels] == channels
    assert [stage.repeats for stage in arch.stages] == repeats
    assert len(arch.layers()) == layers
    assert sum(layer.residual for layer in arch.layers()) == residual
    *_, size = stem_cost(arch)
    for stage in arch.stages:
        *_, size = stage_cost(stage, 1, size)
    assert size == last_map


@pytest.mark.parametrize("name", LITE)
def test_efficientnet_lites_have_the_published_params_and_multiply_adds(name):
    params, flops, resolution = LITE[name]
    arch = PRESETS[f"efficientnet-{name}"]
    assert cost(arch)[:2] == (flops, params)
    assert (arch.resolution, arch.stem_channels, arch.head_channels) == (resolution, 32, 1280)
    assert (arch.stages[0].repeats, arch.stages[-1].repeats) == (1, 1)
    assert not any(stage.se_ratio for stage in arch.stages)


def test_same_padding_costs_what_symmetric_padding_does():
    arch = dataclasses.replace(PRESETS["efficientnet-lite0"], resolution=75)  # maps of 38, 19, 10, 5, 3
    network = build_network(arch, 10, padding="same")
    assert counted(FlopCountAnalysis, network, arch) == cost(arch, 10).flops
    assert counted(ActivationCountAnalysis, network, arch) == cost(arch, 10).activations


def test_l2_has_the_published_params_and_multiply_adds():
    price = cost(PRESETS["efficientnet-l2"])
    assert (price.params, price.flops) == (480_309_308, 475_703_653_280)


def test_b0_has_the_published_params_and_multiply_adds_in_every_stage():
    *stem, size = stem_cost(B0)
    assert stem[:2] == [10_838_016, 928]
    channels = B0.stem_channels
    for stage, (side, params, flops, squeezed) in zip(B0.stages, B0_STAGES, strict=True):
        assert size == side
        widths = [se_channels(layer.in_channels, layer.se_ratio) for layer in stage.layers(channels)]
        assert widths == squeezed
        stage_flops, stage_params, _, size = stage_cost(stage, channels, size)
        assert (stage_flops, stage_params) == (flops, params)
        channels = stage.channels
    assert conv_cost(channels, 1280, 1, size**2)[:2] == (20_070_400, 412_160)
    assert head_cost(B0, channels, size, 1000)[:2] == (20_070_400 + 1_280_000, 412_160 + 1_281_000)


@pytest.mark.parametrize(
    ("name", "params", "flops"),
    [
        ("mnasnet-a1", 3_887_038, 311_579_072),
        ("mnasnet-b1", 4_383_312, 314_415_872),
        ("mobilenet-v2", 3_504_872, 300_774_272),
    ],
)
def test_mnasnets_and_mobilenet_have_the_published_cost(name, params, flops):
    """Source: FACTS sec. 4, reference models at 224 px."""
    assert cost(PRESETS[name])[:2] == (flops, params)


@pytest.mark.parametrize(
    ("name", "params", "flops"),
    [
        ("mobilenet-v1", 4_231_976, 568_740_352),
        ("resnet-50", 25_557_032, 4_089_184_256),
        ("resnet-101", 44_549_160, 7_801_405_440),
        ("resnet-152", 60_192_808, 11_513_626_624),
    ],
)
def test_the_papers_other_bases_have_the_published_cost(name, params, flops):
    """Source: FACTS sec. 13; torchvision for ResNet-101."""
    assert cost(PRESETS[name])[:2] == (flops, params)


@pytest.mark.parametrize(
    "name", ["mobilenet-v1", "mobilenet-v2", "resnet-50", "resnet-152", "efficientnet-b0"]
)
def test_the_papers_bases_cost_what_fvcore_counts_however_they_are_scaled(name):
    rng = np.random.default_rng(0)
    for _ in range(2):
        width, depth = rng.uniform(0.25, 1.5), rng.uniform(0.1, 12 / len(PRESETS[name].layers()))
        arch = resize(PRESETS[name], width, depth, int(rng.integers(20, 70)))
        assert_cost_is_that_of_the_network(arch, 10, (FlopCountAnalysis, ActivationCountAnalysis))


@pytest.mark.parametrize(("resolution", "mega"), [(256, 503.3), (257, 575.6), (288, 636.5), (289, 717.5)])
def test_a_resolution_just_over_a_multiple_of_32_costs_a_whole_step(resolution, mega):
    """Every stride of 2 rounds up. Source: FACTS sec. 4."""
    flops = cost(dataclasses.replace(B0, resolution=resolution)).flops
    assert round(flops / 1e6, 1) == mega


def test_b7_has_43_times_the_activations_of_b0():
    """Source: FACTS sec. 7 (activations of the official family against multiply-adds)."""
    b7, b0 = cost(PRESETS["efficientnet-b7"]), cost(B0)
    assert round(b7.activations / b0.activations) == 43
    assert round(b7.flops / b0.flops, 1) == 97.8


# By hand.


def test_a_small_bottleneck_network_costs_what_one_counts_by_hand():
    stage = StageSpec("bottleneck", 2, 3, 2, 1, 16)
    arch = ArchSpec((stage,), 8, 0, 20, "relu", stem_kernel=7, stem_pool=True)
    stem = (49 * 3 * 8 * 100, 49 * 3 * 8 + 16, 8 * 100)  # 20 -> 10 px, pooled to 5
    reduce = (8 * 4 * 25, 8 * 4 + 8, 4 * 25)
    conv = (9 * 16 * 9, 9 * 16 + 8, 4 * 9)  # 5 -> 3 px
    project = (4 * 16 * 9, 4 * 16 + 32, 16 * 9)
    shortcut = (8 * 16 * 9, 8 * 16 + 32, 16 * 9)
    second = (16 * 4 * 9, 16 * 4 + 8, 4 * 9)
    classifier = (16 * 10, 16 * 10 + 10, 10)
    parts = (stem, reduce, conv, project, shortcut, second, conv, project, classifier)
    assert cost(arch, 10) == Cost(*(sum(column) for column in zip(*parts, strict=True)))


def test_a_small_network_costs_what_one_counts_by_hand():
    arch = ArchSpec((StageSpec("mbconv", 1, 3, 2, 2, 4, 0.25),), 8, 16, 10, "relu")
    stem = (27 * 8 * 25, 27 * 8 + 16, 8 * 25)  # 10 -> 5 px
    expand = (8 * 16 * 25, 8 * 16 + 32, 16 * 25)
    depthwise = (9 * 16 * 9, 9 * 16 + 32, 16 * 9)  # 5 -> 3 px
    se = (16 * 2 + 2 * 16, 16 * 2 + 2 + 2 * 16 + 16, 2 + 16)  # a quarter of the layer's 8 inputs
    project = (16 * 4 * 9, 16 * 4 + 8, 4 * 9)
    head = (4 * 16 * 9, 4 * 16 + 32, 16 * 9)
    classifier = (16 * 10, 16 * 10 + 10, 10)
    parts = (stem, expand, depthwise, se, project, head, classifier)
    assert cost(arch, 10) == Cost(*(sum(column) for column in zip(*parts, strict=True)))


def test_a_squeeze_has_at_least_one_channel():
    assert [se_channels(c, 0.25) for c in (1, 3, 4, 7, 8, 112)] == [1, 1, 1, 1, 2, 28]
    assert se_cost(16, 4) == (128, 148, 20)


def test_classes_and_image_channels_change_the_classifier_and_the_stem_alone():
    full, ten, grey = cost(B0), cost(B0, 10), cost(B0, in_channels=1)
    assert full.params - ten.params == 990 * 1281
    assert full.flops - ten.flops == 990 * 1280
    assert full.activations - ten.activations == 990
    assert (full.flops - grey.flops, full.params - grey.params) == (2 * 9 * 32 * 112**2, 2 * 9 * 32)


@pytest.mark.parametrize(("classes", "channels"), [(0, 3), (10, 0), (-1, 3)])
def test_counts_below_1_are_refused(classes, channels):
    with pytest.raises(
        ValueError, match=f"num_classes and in_channels must be at least 1, got {classes} and {channels}"
    ):
        cost(B0, classes, channels)


@given(arch_specs())
@quick
def test_costs_are_positive_whole_numbers_and_params_ignore_the_resolution(arch):
    counts = cost(arch)
    assert all(type(count) is int and count > 0 for count in counts)
    larger = cost(dataclasses.replace(arch, resolution=2 * arch.resolution))
    assert larger.params == counts.params
    assert larger.flops >= counts.flops


# Against networks that others built and counted.


def test_the_cost_of_every_nasbench_macro_network_is_the_recorded_one():
    table = json.loads(MACRO_TABLE.read_text())
    costs = CostTable(SPACES["nasbench-macro"])([list(map(int, code)) for code in table])
    assert len(costs) == 6561
    recorded = [[row["flops"], row["params"]] for row in table.values()]
    assert costs[:, :2].tolist() == recorded
    code = "22212202"
    decoded = SPACES["nasbench-macro"].decode(list(map(int, code)))
    assert cost(decoded, 10)[:2] == (table[code]["flops"], table[code]["params"])


def thop_macs(arch):
    """What thop counts in train mode, which is how Accel-NASBench filled its ``macs`` column.

    Multiply-adds of convolutions and linear layers, 4 per element that BN normalises, and for each
    pooling to 1x1 (in SE and before the classifier) its input's elements and one division per channel.
    """
    size = -(-arch.resolution // arch.stem_stride)
    normalised, pooled = arch.stem_channels * size**2, 0
    for layer in arch.layers():
        inside, out = layer.in_channels * layer.expand_ratio, -(-size // layer.stride)
        normalised += inside * size**2 * (layer.expand_ratio != 1) + (inside + layer.channels) * out**2
        pooled += inside * (out**2 + 1) * bool(layer.se_ratio)
        size = out
    normalised += arch.head_channels * size**2
    pooled += arch.head_channels * (size**2 + 1)
    return cost(arch).flops + 4 * normalised + pooled


def test_the_cost_of_every_accel_nasbench_network_is_the_recorded_one():
    space, table = SPACES["accel-nasbench"], pd.read_csv(ACCEL_TABLE)
    columns = [table[d.name].map({c: i for i, c in enumerate(d.choices)}) for d in space.decisions]
    matrix = np.column_stack(columns)
    assert len(matrix) == 4602
    params = (table["params"] * 1e6).round().astype(int)
    assert CostTable(space)(matrix)[:, 1].tolist() == params.tolist()
    macs = (table["macs"] * 1e6).round().astype(int)
    assert [thop_macs(space.decode(actions)) for actions in matrix] == macs.tolist()


# Against fvcore and the built network.


@pytest.mark.parametrize("name", ["efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "mnasnet-a1"])
def test_fvcore_counts_the_same_in_presets(name):
    assert_cost_is_that_of_the_network(PRESETS[name], 1000)


def test_fvcore_counts_the_same_activations_in_b0():
    assert counted(ActivationCountAnalysis, build_network(B0, 1000), B0) == cost(B0).activations


@every_space
def test_fvcore_counts_the_same_in_random_networks(space):
    sides = (32, 33, 57, 64)  # odd ones show how a stride rounds
    for number, arch in enumerate(random_archs(space, 10, seed=2)):
        small = dataclasses.replace(arch, resolution=sides[number % 4])
        analyses = (FlopCountAnalysis, ActivationCountAnalysis) if number == 0 else (FlopCountAnalysis,)
        assert_cost_is_that_of_the_network(small, space.num_classes, analyses)


@given(arch_specs(max_channels=24))
@quick
def test_the_built_network_has_the_params_of_any_spec(arch):
    network = build_network(arch, 10)
    assert sum(parameter.numel() for parameter in network.parameters()) == cost(arch, 10).params


@pytest.mark.slow
@every_space
def test_fvcore_counts_the_same_in_many_random_networks_of_full_size(space):
    for arch in random_archs(space, 20, seed=3):
        assert_cost_is_that_of_the_network(arch, space.num_classes)
