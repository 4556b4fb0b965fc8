import json
import time

import pytest

from scaling_search import Coefficients, Grid, one_network, scale
from search_spaces import PRESETS, SPACES, ArchSpec, StageSpec, cost
from search_spaces.limits import shown

LARGE = {
    "EfficientNet-L2": PRESETS["efficientnet-l2"],
    "a ResNet of 1,202 layers": ArchSpec.parse("res32-relu-stem16s1-conv_r1202_k3_s1_c16-head64"),
    "a wide ResNet-50, 480 px": ArchSpec.parse(
        "res480-relu-stem64-conv_r3_k3_s1_c256-conv_r4_k3_s2_c2048-conv_r6_k3_s2_c4096-head8192"
    ),
    "tiles of 4096 px": ArchSpec.parse("res4096-silu-stem32-mb6_r2_k3_s2_c24_se0.25-head1280"),
}

STAGE = {"op": "mbconv", "repeats": 1, "kernel": 3, "stride": 1, "expand_ratio": 6, "channels": 8}


@pytest.mark.parametrize("name", LARGE)
def test_large_networks_that_people_train_are_within_the_limits(name):
    assert 0 < cost(LARGE[name]).flops < 2**63
    assert ArchSpec.parse(str(LARGE[name])) == LARGE[name]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "res999999999-silu-stem32-mb6_r2_k3_s1_c8-head8",
            "resolution must be at most 8,192, got 999999999",
        ),
        (
            "res32-silu-stem32-mb6_r10000000000000000000000_k3_s1_c8-head8",
            "repeats must be at most 10,000, got 10000000000000000000",
        ),
        ("res32-silu-stem32-mb6_r2_k3_s1_c65537-head8", "channels must be at most 65,536, got 65537"),
        ("res32-silu-stem32-mb65_r2_k3_s1_c8-head8", "expand_ratio must be at most 64, got 65"),
        ("res32-silu-stem70000-mb6_r2_k3_s1_c8-head8", "stem_channels must be at most 65,536, got 70000"),
        ("res32-silu-stem32-mb6_r2_k3_s1_c8-head70000", "head_channels must be at most 65,536, got 70000"),
        (
            "res32-silu-stem32-mb6_r6000_k3_s1_c8-mb6_r6000_k3_s1_c8-head8",
            "stages must have at most 10,000 layers in all, got 12,000",
        ),
        (
            "res8192-silu-stem32s1-conv_r9_k7_s1_c65536-head8",
            "stages must need at most 1e+18 FLOPs, got 1.1e+20",
        ),
        (
            "res32-silu-stem32-mb6_r2_k3_s1_c8_se" + "9" * 400 + "-head8",
            "se_ratio must lie in [0, 1], got inf",
        ),
        ("x" * 1_000_001, "an architecture must have at most 1,000,000 characters, got 1,000,001"),
    ],
)
def test_what_is_too_large_is_said_with_the_limit(text, line):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole line is compared
        ArchSpec.parse(text)
    assert str(error.value) == line


@pytest.mark.parametrize(
    "value",
    [True, 2.0, -0.0, float("nan"), float("inf"), 10**30, -(10**30), "1", None, [[]], 10**5000],
    ids=shown,
)
def test_a_size_that_is_no_whole_number_within_the_limits_is_one_line(value):
    for field in ("repeats", "channels", "expand_ratio", "kernel", "stride"):
        with pytest.raises(ValueError, match=f"^{field} must be .*, got ") as error:
            StageSpec(**{**STAGE, field: value})
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    "digits", ["\uff11\uff12", "1_2", "+12", "-12", " 12", "12.0", "1e1", "0x10", "\u0661"], ids=ascii
)
def test_only_plain_digits_are_numbers(digits):
    with pytest.raises(ValueError, match=r"^an architecture must read like"):
        ArchSpec.parse(f"res{digits}-silu-stem8-conv_r1_k3_s1_c8-head8")
    with pytest.raises(ValueError, match=r"^a stage must read like"):
        StageSpec.parse(f"conv_r{digits}_k3_s1_c8")


def test_leading_zeros_do_not_count():
    plain = ArchSpec.parse("res32-silu-stem8-conv_r1_k3_s1_c8-head8")
    assert ArchSpec.parse(f"res{'0' * 5000}32-silu-stem8-conv_r1_k3_s1_c8-head8") == plain


def test_a_se_ratio_of_minus_zero_is_zero():
    stage = StageSpec("mbconv", 1, 3, 1, 6, 8, -0.0)
    assert json.dumps(stage.se_ratio) == "0.0"


def test_an_architecture_nested_in_objects_is_found_however_deep():
    data = str(PRESETS["mnasnet-b1"])
    for _ in range(5000):
        data = {"arch": data}
    assert ArchSpec.from_json(data) == PRESETS["mnasnet-b1"]


@pytest.mark.parametrize(
    "text",
    [
        "res32-silu-stem8-" + "-head1" * 100_000,
        "res32-silu-stem8-" + "conv_r1_k3_s1_c8-" * 50_000 + "head8",
        "res32-silu-stem8-conv_r" + "1" * 500_000 + "_k3_s1_c8-head8",
        "res224-silu-stem32-" + "mb6_r1_k3_s1_c8-mb3_r1_k3_s1_c8-" * 5000 + "head8",
    ],
)
def test_hostile_texts_take_no_time(text):
    def encode():
        for space in SPACES.values():
            space.encode(ArchSpec.parse(text))

    started = time.process_time()
    with pytest.raises(ValueError, match=r"^[^\n]*(must read like|does not hold|at most)[^\n]*$"):
        encode()
    assert time.process_time() - started < 5


def test_a_long_value_is_cut_where_it_is_shown():
    assert shown("é\n") == r"'é\n'"
    assert len(shown("x" * 10_000)) == 300
    assert shown(10**5000) == "a very long int"


def test_scaling_beyond_the_limits_is_said():
    base = PRESETS["efficientnet-b0"]
    with pytest.raises(
        ValueError, match=r"^phi must leave the network within its limits \(resolution must be at most"
    ):
        scale(base, Coefficients(1, 1, 2), 6)
    with pytest.raises(ValueError, match=r"^alpha must be at most 1000, got 1e\+300$"):
        Coefficients(1e300, 1, 1)


def test_the_range_of_one_network_ends_at_the_limits():
    base = PRESETS["efficientnet-b7"]
    low, high = one_network(base, Coefficients(1, 1, 5), 1.0)["gamma"]
    assert low <= 5 <= high < 10


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"step": 0.001, "alpha_max": 10.0},
            "step must leave at most 2,000,000 triples, got 0.001 for 2,259,260,001",
        ),
        (
            {"step": 0.01, "tolerance": 100.0},
            "tolerance must keep at most 20,000 triples, got 100.0 for 262,701",
        ),
    ],
)
def test_a_grid_that_would_take_hours_is_refused(fields, line):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole line is compared
        Grid(**fields).triples()
    assert str(error.value) == line
