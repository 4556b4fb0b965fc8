import dataclasses
import json
import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import arch_specs, quick, stage_specs

from search_spaces import (
    PRESETS,
    ArchSpec,
    StageSpec,
    canonical,
    resize,
    round_channels,
    round_repeats,
)

B0 = PRESETS["efficientnet-b0"]
STAGE = StageSpec("mbconv", 2, 3, 1, 6, 24, 0.25)


def spec(*stages, **fields):
    """An ``ArchSpec`` with these stages, given as text."""
    defaults = {"stem_channels": 32, "head_channels": 64, "resolution": 32, "activation": "silu"}
    return ArchSpec(tuple(StageSpec.parse(stage) for stage in stages), **defaults | fields)


def raises(message):
    """A ValueError of exactly this text, which is one line."""
    return pytest.raises(ValueError, match=rf"\A{re.escape(message)}\Z")


# Text and JSON.


@given(stage_specs())
@example(StageSpec("mbconv", 1, 3, 1, 6, 8, 1e-05))
@quick
def test_the_text_of_a_stage_parses_to_the_stage(stage):
    assert StageSpec.parse(str(stage)) == stage


@given(arch_specs())
@example(spec("mb6_r1_k3_s1_c8_se1e-05", "conv_r1_k3_s1_c8"))
@quick
def test_the_text_of_an_arch_parses_to_the_arch(arch):
    parsed = ArchSpec.parse(str(arch))
    assert parsed == arch
    assert str(parsed) == str(arch)


@given(arch_specs())
@quick
def test_the_text_needs_no_quoting_in_a_shell(arch):
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", str(arch))


@given(arch_specs())
@quick
def test_json_reads_back_as_the_arch(arch):
    assert ArchSpec.from_json(json.loads(json.dumps(arch.to_json()))) == arch
    assert ArchSpec.from_json(arch.to_json()) == arch


def test_json_also_reads_the_text_and_the_arch_of_a_larger_file():
    assert ArchSpec.from_json(str(B0)) == B0
    assert ArchSpec.from_json({"arch": str(B0), "flops": 1}) == B0
    assert ArchSpec.from_json({"arch": B0.to_json(), "flops": 1}) == B0


def test_the_text_of_b0_is_the_documented_one():
    assert str(B0) == (
        "res224-silu-stem32-mb1_r1_k3_s1_c16_se0.25-mb6_r2_k3_s2_c24_se0.25-mb6_r2_k5_s2_c40_se0.25"
        "-mb6_r3_k3_s2_c80_se0.25-mb6_r3_k5_s1_c112_se0.25-mb6_r4_k5_s2_c192_se0.25"
        "-mb6_r1_k3_s1_c320_se0.25-head1280"
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_parse_from_their_text_and_are_canonical(name):
    assert ArchSpec.parse(str(PRESETS[name])) == PRESETS[name]
    assert canonical(PRESETS[name]) == PRESETS[name]


@pytest.mark.parametrize("text", ["", "b0", "res224-silu-head1280", "res224-silu-stem32--head1280", f"{B0} "])
def test_a_text_that_is_not_an_arch_is_named_with_an_example(text):
    with raises(
        f"an architecture must read like 'res224-silu-stem32-mb6_r2_k3_s2_c24_se0.25-head1280', got {text!r}"
    ):
        ArchSpec.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("mb6", "mb6_r2_k3_s2", "mb6_k3_r2_s2_c24", "mbconv_r2_k3_s2_c24", "mb-6_r2_k3_s2_c24"),
        *("conv_r1_k3_s1_c8_skip", "conv_r1_k3_s1_c8_se0.2.5", "conv_r1_k3_s1_c8_se."),
    ],
)
def test_a_text_that_is_not_a_stage_is_named_with_an_example(text):
    with raises(f"a stage must read like 'mb6_r2_k3_s2_c24_se0.25', got {text!r}"):
        StageSpec.parse(text)


def test_a_bad_stage_within_an_arch_is_the_one_that_the_error_shows():
    with raises("a stage must read like 'mb6_r2_k3_s2_c24_se0.25', got 'mb6_r2'"):
        ArchSpec.parse("res224-silu-stem32-mb1_r1_k3_s1_c16-mb6_r2-head1280")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mb6_r2_k4_s2_c24", "kernel must be one of (1, 3, 5, 7), got 4"),
        ("mb6_r2_k3_s3_c24", "stride must be one of (1, 2), got 3"),
        ("mb6_r0_k3_s2_c24", "repeats must be an integer of at least 1, got 0"),
        ("mb0_r1_k3_s2_c24", "expand_ratio must be an integer of at least 1, got 0"),
        ("mb6_r2_k3_s2_c0", "channels must be an integer of at least 1, got 0"),
        ("mb6_r2_k3_s2_c24_se2", "se_ratio must lie in [0, 1], got 2.0"),
        ("linear_r2_k3_s2_c24_se0.5", "se_ratio of a linear must be 0, got 0.5"),
    ],
)
def test_a_value_out_of_range_in_a_text_is_named_with_its_rule(text, message):
    with raises(message):
        ArchSpec.parse(f"res224-silu-stem32-{text}-head1280")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "res224-gelu-stem32-conv_r1_k3_s1_c8-head8",
            "activation must be one of ('silu', 'relu', 'relu6'), got 'gelu'",
        ),
        ("res0-silu-stem32-conv_r1_k3_s1_c8-head8", "resolution must be an integer of at least 1, got 0"),
        ("res32-silu-stem0-conv_r1_k3_s1_c8-head8", "stem_channels must be an integer of at least 1, got 0"),
        ("res32-silu-stem32k4-conv_r1_k3_s1_c8-head8", "stem_kernel must be one of (1, 3, 5, 7), got 4"),
        ("res32-silu-stem8s3-conv_r1_k3_s1_c8-head8", "stem_stride must be one of (1, 2), got 3"),
    ],
)
def test_a_frame_out_of_range_in_a_text_is_named_with_its_rule(text, message):
    with raises(message):
        ArchSpec.parse(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"op": "pool"},
            "op must be one of ('conv', 'mbconv', 'linear', 'separable', 'bottleneck'), got 'pool'",
        ),
        ({"repeats": 0}, "repeats must be an integer of at least 1, got 0"),
        ({"repeats": 1.5}, "repeats must be an integer of at least 1, got 1.5"),
        ({"repeats": True}, "repeats must be an integer of at least 1, got True"),
        ({"kernel": 4}, "kernel must be one of (1, 3, 5, 7), got 4"),
        ({"kernel": "3"}, "kernel must be one of (1, 3, 5, 7), got '3'"),
        ({"kernel": True}, "kernel must be one of (1, 3, 5, 7), got True"),
        ({"kernel": 3.0}, "kernel must be one of (1, 3, 5, 7), got 3.0"),
        ({"stride": 0}, "stride must be one of (1, 2), got 0"),
        ({"stride": 2.0}, "stride must be one of (1, 2), got 2.0"),
        ({"expand_ratio": -1}, "expand_ratio must be an integer of at least 1, got -1"),
        ({"op": "conv"}, "expand_ratio of a conv must be 1, got 6"),
        ({"op": "linear"}, "expand_ratio of a linear must be 1, got 6"),
        ({"op": "linear", "expand_ratio": 1}, "se_ratio of a linear must be 0, got 0.25"),
        ({"op": "separable", "expand_ratio": 1}, "se_ratio of a separable must be 0, got 0.25"),
        (
            {"op": "bottleneck", "expand_ratio": 1, "se_ratio": 0.0, "channels": 30},
            "channels of a bottleneck must be a multiple of 4, got 30",
        ),
        (
            {"op": "bottleneck", "expand_ratio": 1, "se_ratio": 0.0, "skip": "none"},
            "skip of a bottleneck must be identity, got none",
        ),
        ({"channels": 0}, "channels must be an integer of at least 1, got 0"),
        ({"channels": 24.0}, "channels must be an integer of at least 1, got 24.0"),
        ({"se_ratio": 1.5}, "se_ratio must lie in [0, 1], got 1.5"),
        ({"se_ratio": -0.25}, "se_ratio must lie in [0, 1], got -0.25"),
        ({"se_ratio": math.nan}, "se_ratio must lie in [0, 1], got nan"),
        ({"se_ratio": None}, "se_ratio must lie in [0, 1], got None"),
        ({"se_ratio": True}, "se_ratio must lie in [0, 1], got True"),
        ({"skip": "pool"}, "skip must be one of ('identity', 'none'), got 'pool'"),
    ],
)
def test_a_stage_states_the_rule_and_the_value(change, message):
    with raises(message):
        dataclasses.replace(STAGE, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": ()}, "stages must be one StageSpec or more, got ()"),
        ({"stages": ("conv",)}, "stages must be one StageSpec or more, got ('conv',)"),
        ({"stem_channels": 0}, "stem_channels must be an integer of at least 1, got 0"),
        ({"head_channels": "8"}, "head_channels must be an integer of at least 1, got '8'"),
        ({"head_channels": False}, "head_channels must be an integer of at least 1, got False"),
        ({"stem_kernel": 2}, "stem_kernel must be one of (1, 3, 5, 7), got 2"),
        ({"stem_pool": 1}, "stem_pool must be one of (False, True), got 1"),
        ({"resolution": 224.0}, "resolution must be an integer of at least 1, got 224.0"),
        ({"activation": "swish"}, "activation must be one of ('silu', 'relu', 'relu6'), got 'swish'"),
        ({"stem_stride": 4}, "stem_stride must be one of (1, 2), got 4"),
    ],
)
def test_an_arch_states_the_rule_and_the_value(change, message):
    with raises(message):
        dataclasses.replace(B0, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": 3}, "stages must be a list, got 3"),
        ({"stages": [3]}, "StageSpec must be a JSON object, got 3"),
        ({"stages": []}, "stages must be one StageSpec or more, got ()"),
        ({"resolution": "224"}, "resolution must be an integer of at least 1, got '224'"),
    ],
)
def test_json_out_of_range_states_the_rule_and_the_value(change, message):
    with raises(message):
        ArchSpec.from_json(B0.to_json() | change)


def test_json_names_the_keys_that_are_missing_and_unknown():
    data = B0.to_json() | {"depth": 1}
    del data["resolution"]
    with pytest.raises(
        ValueError, match=r"^ArchSpec has the keys .*; missing \['resolution'\], unknown \['depth'\]$"
    ):
        ArchSpec.from_json(data)
    stage = {"op": "conv", "width": 8}
    with pytest.raises(
        ValueError, match=r"^StageSpec has .*; missing \['repeats', .*\], unknown \['width'\]$"
    ):
        ArchSpec.from_json(B0.to_json() | {"stages": [stage]})


@pytest.mark.parametrize("data", [None, 3, [1]])
def test_json_of_another_kind_is_refused(data):
    with raises(f"ArchSpec must be a JSON object, got {data!r}"):
        ArchSpec.from_json(data)


def test_specs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        B0.resolution = 32
    with pytest.raises(dataclasses.FrozenInstanceError):
        STAGE.kernel = 5


# Rounding.


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [
        (16 * 1.1, 16),
        (40 * 1.1, 48),
        (32 * 1.2, 40),
        (112 * 1.1, 120),
        (24 * 1.6, 40),
        (1, 8),
        (12, 16),
        (20, 24),
    ],
)
def test_channels_round_as_in_the_published_networks(channels, rounded):
    """Source: FACTS sec. 8, computed with tensorflow/tpu's ``round_filters``."""
    assert round_channels(channels) == rounded


@given(st.floats(1, 1e4), st.sampled_from((1, 4, 8, 16)))
@quick
def test_rounded_channels_are_a_multiple_near_by_and_never_10_percent_less(channels, divisor):
    rounded = round_channels(channels, divisor)
    assert rounded % divisor == 0
    assert rounded >= divisor
    assert rounded >= 0.9 * channels
    if rounded > divisor:  # halves go up; one more step where the nearest is over 10 % too small
        assert rounded - channels <= divisor


@given(st.integers(1, 500))
@quick
def test_multiples_of_the_divisor_stay(eighths):
    assert round_channels(8 * eighths) == 8 * eighths


def test_float_noise_does_not_add_a_layer():
    assert math.ceil(50 * 1.1) == 56  # the trap: 55.00000000000001
    assert round_repeats(50 * 1.1) == 55
    assert round_repeats(25 * 2.2) == 55
    assert round_repeats(10 * 1.1) == 11
    assert [round_repeats(r * 1.1) for r in (1, 2, 3, 4)] == [2, 3, 4, 5]


@given(st.integers(1, 50), st.integers(10, 40))
@quick
def test_repeats_times_tenths_round_up_as_in_whole_numbers(repeats, tenths):
    assert round_repeats(repeats * (tenths / 10)) == -(-repeats * tenths // 10)


@given(arch_specs())
@quick
def test_resizing_by_1_only_rounds_channels(arch):
    resized = resize(arch)
    for stage, before in zip(resized.stages, arch.stages, strict=True):
        times = 4 if stage.op == "bottleneck" else 1  # what is inside is rounded
        assert stage.channels == times * round_channels(before.channels // times)
        assert dataclasses.replace(stage, channels=4) == dataclasses.replace(before, channels=4)
    assert resize(resized) == resized


# Layers and the canonical form.


def test_only_the_first_layer_of_a_stage_has_a_stride_and_changes_channels():
    first, *rest = StageSpec("mbconv", 3, 5, 2, 6, 40, 0.25).layers(24)
    assert (first.stride, first.in_channels, first.channels, first.residual) == (2, 24, 40, False)
    assert rest == [first._replace(stride=1, in_channels=40, residual=True)] * 2


@pytest.mark.parametrize(
    ("text", "residuals"),
    [
        ("mb6_r3_k3_s1_c32", [True, True, True]),
        ("mb6_r3_k3_s2_c32", [False, True, True]),
        ("mb6_r3_k3_s1_c40", [False, True, True]),
        ("mb6_r3_k3_s1_c32_noskip", [False, False, False]),
    ],
)
def test_a_skip_needs_stride_1_and_equal_channels(text, residuals):
    assert [layer.residual for layer in StageSpec.parse(text).layers(32)] == residuals


@given(arch_specs())
@quick
def test_the_canonical_form_has_the_same_layers_and_is_its_own(arch):
    same = canonical(arch)
    assert same.layers() == arch.layers()
    assert canonical(same) == same
    assert len(same.stages) <= len(arch.stages)
    assert dataclasses.replace(same, stages=arch.stages) == arch


@given(arch_specs(), st.data())
@quick
def test_a_stage_written_as_two_has_the_same_canonical_form(arch, data):
    number = data.draw(st.integers(0, len(arch.stages) - 1))
    stage = arch.stages[number]
    layers = data.draw(st.integers(1, stage.repeats))
    halves = [dataclasses.replace(stage, repeats=layers)]
    if layers < stage.repeats:
        halves.append(dataclasses.replace(stage, repeats=stage.repeats - layers, stride=1))
    split = dataclasses.replace(arch, stages=(*arch.stages[:number], *halves, *arch.stages[number + 1 :]))
    assert canonical(split) == canonical(arch)
    assert str(canonical(split)) == str(canonical(arch))


def test_twin_stages_are_joined():
    """240 channels are both 1.25 x 192 and 0.75 x 320."""
    assert round_channels(1.25 * 192) == round_channels(0.75 * 320) == 240
    twins = spec("mb6_r3_k5_s2_c240_se0.25", "mb6_r2_k5_s1_c240_se0.25")
    assert [str(stage) for stage in canonical(twins).stages] == ["mb6_r5_k5_s2_c240_se0.25"]


@pytest.mark.parametrize(
    "second",
    [
        *("mb6_r1_k5_s2_c240", "mb6_r1_k3_s1_c240", "mb3_r1_k5_s1_c240", "mb6_r1_k5_s1_c248"),
        *("mb6_r1_k5_s1_c240_se0.25", "mb6_r1_k5_s1_c240_noskip", "conv_r1_k5_s1_c240"),
    ],
)
def test_stages_that_differ_are_not_joined(second):
    assert len(canonical(spec("mb6_r2_k5_s2_c240", second)).stages) == 2


@pytest.mark.parametrize("stage", ["mb6_r1_k3_s2_c32", "mb6_r1_k3_s1_c40", "conv_r1_k3_s2_c32"])
def test_a_skip_that_no_layer_could_take_makes_no_difference(stage):
    assert canonical(spec(stage + "_noskip")) == canonical(spec(stage)) == spec(stage)


@pytest.mark.parametrize("stage", ["mb6_r2_k3_s2_c32", "mb6_r2_k3_s1_c40", "mb6_r1_k3_s1_c32"])
def test_a_skip_that_a_layer_takes_makes_a_difference(stage):
    assert canonical(spec(stage + "_noskip")) != canonical(spec(stage))


def test_a_first_layer_joins_the_layers_without_skip_after_it():
    apart = spec("mb6_r1_k3_s2_c24", "mb6_r1_k3_s1_c24_noskip", "mb6_r1_k3_s1_c24")
    assert canonical(apart) == spec("mb6_r2_k3_s2_c24_noskip", "mb6_r1_k3_s1_c24")


def test_canonical_specs_are_keys_that_remove_duplicates():
    spellings = [
        spec("mb6_r3_k3_s2_c24"),
        spec("mb6_r1_k3_s2_c24_noskip", "mb6_r2_k3_s1_c24"),
        spec("mb6_r2_k3_s2_c24", "mb6_r1_k3_s1_c24"),
        ArchSpec.parse(str(spec("mb6_r3_k3_s2_c24"))),
    ]
    assert len(set(map(canonical, spellings))) == 1
    assert len(set(spellings)) == 3
    assert canonical(spec("mb6_r3_k3_s2_c24", activation="relu")) not in set(spellings)
