"""Staged spaces as TOML: what is written and read back, and what is refused."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT
from strategies import actions_of, quick

from search_spaces import PRESETS, SPACES, ArchSpec, canonical, cost
from search_spaces.around import around
from search_spaces.cost_table import CostTable
from search_spaces.extremes import extremes
from search_spaces.toml_form import read_space
from search_spaces.toml_text import write_space

RESNET = read_space((ROOT / "examples" / "resnet.toml").read_text(), "resnet.toml")
KNOWN = {
    **SPACES,
    "around b0": around(PRESETS["efficientnet-b0"]),
    "around resnet": around(PRESETS["resnet-50"]),
}
EVERY = pytest.mark.parametrize("space", KNOWN.values(), ids=KNOWN)
TEXT = """
resolution = 64
stem_channels = 16
head_channels = 0
activation = "relu"

[[stage]]
stride = 1
op = ["conv", "mbconv"]
kernel = [3, 5]
expand_ratio = [3, 6]
layers = [0, 1, 2]
channels = [16, 24]

[[stage]]
stride = 2
op = "bottleneck"
kernel = 3
layers = 2
channels = [32, 64]
"""
SMALL = read_space(TEXT, "small.toml")


@EVERY
@quick
@given(data=st.data())
def test_a_space_written_as_toml_and_read_back_has_the_same_decisions_and_networks(space, data):
    read = read_space(write_space(space), "read.toml")
    assert (read.decisions, read.num_classes) == (space.decisions, space.num_classes)
    assert [[type(c) for c in d.choices] for d in read.decisions] == [
        [type(c) for c in d.choices] for d in space.decisions
    ]
    actions = data.draw(actions_of(space))
    arch = space.decode(actions)
    assert read.decode(actions) == arch
    assert read.encode(arch) == space.encode(arch)


@pytest.mark.parametrize("space", [*KNOWN.values(), RESNET, SMALL], ids=lambda space: space.name[:20])
def test_what_is_read_is_written_in_the_same_way(space):
    text = write_space(space)
    assert write_space(read_space(text, "again.toml")) == text


def test_a_space_that_is_not_made_of_stages_cannot_be_written():
    space = dataclasses.replace(SMALL, form=None)
    with pytest.raises(ValueError, match=r"space 'small.toml' is not made of stages"):
        write_space(space)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"stage1_layers": 0},
            {"stage1_layers": 0, "stage1_op": 1, "stage1_kernel": 1, "stage1_channels": 1},
        ),
        ({"stage1_layers": 1}, {"stage1_layers": 1, "stage1_expand_ratio": 1}),
    ],
    ids=["an absent stage", "a convolution's expand_ratio"],
)
def test_decisions_that_do_not_exist_make_no_difference(one, other):
    names = [decision.name for decision in SMALL.decisions]
    first, second = ([chosen.get(name, 0) for name in names] for chosen in (one, other))
    arch = SMALL.decode(first)
    assert arch == SMALL.decode(second)
    assert SMALL.encode(arch) == tuple(first)


def test_decisions_that_exist_make_a_difference():
    networks = {SMALL.decode(SMALL.sample(np.random.default_rng(seed))) for seed in range(2000)}
    # absent; 1 or 2 layers of conv (2 kernels) or mbconv (2 kernels, 2 ratios), 2 widths; times 2 last widths
    assert len(networks) == (1 + 2 * (2 + 4) * 2) * 2


def test_several_resolutions_are_the_first_decision_and_keep_their_proportion():
    assert (RESNET.decisions[0].choices, RESNET.resolution) == ((24, 32), 32)
    there = RESNET.at(64, 5)
    for actions, resolution in (([0] * 14, 48), ([1] + [0] * 13, 64)):
        arch = there.decode(actions)
        assert arch.resolution == resolution
        assert there.decode(there.encode(arch)) == arch
    rows = np.array([RESNET.sample(np.random.default_rng(seed)) for seed in range(20)])
    for space in (RESNET, there):
        exact = [cost(space.decode(row), space.num_classes) for row in rows]
        np.testing.assert_array_equal(CostTable(space)(rows), exact)


@pytest.mark.parametrize("space", [*KNOWN.values(), RESNET, SMALL], ids=lambda space: space.name[:20])
def test_the_extremes_are_networks_and_no_network_lies_beyond_them(space):
    least, most = extremes(space)
    for found in (least, most):
        assert cost(space.decode(found.actions), space.num_classes).flops == found.flops
    rng = np.random.default_rng(0)
    flops = [cost(space.decode(space.sample(rng)), space.num_classes).flops for _ in range(200)]
    assert least.flops <= min(flops) <= max(flops) <= most.flops


def test_the_cheapest_of_a_small_space_is_the_cheapest_of_all():
    flops = [cost(SMALL.decode(actions)).flops for actions in SMALL._all_actions()]
    assert tuple(found.flops for found in extremes(SMALL)) == (min(flops), max(flops))


def test_a_network_of_another_resolution_is_not_held():
    arch = RESNET.at(64, 10).decode([0] * 14)
    with pytest.raises(ValueError, match=r"space 'resnet.toml' does not hold res48-"):
        RESNET.encode(arch)


def test_the_example_is_a_space_of_resnets():
    published = canonical(
        ArchSpec.parse("res32-relu-stem16s1-conv_r2_k3_s1_c16-conv_r2_k3_s2_c32-conv_r2_k3_s2_c64-head0")
    )
    assert RESNET.decode(RESNET.encode(published)) == published


KERNEL = "kernel = [3, 5]"
LAST = "channels = [32, 64]"
CASES = [
    (KERNEL, "kernl = [3, 5]", "stage 1: unknown key 'kernl'; did you mean 'kernel'? Known: ", 10),
    ("stem_channels", "stem_channel", "unknown key 'stem_channel'; did you mean 'stem_channels'? Known: ", 3),
    (KERNEL, "kernel = [3, 4]", "stage 1: kernel must be one of (1, 3, 5, 7), got 4", 10),
    (KERNEL, "kernel = [3, 'a']", "stage 1: kernel must be of type int, got 'a'", 10),
    (KERNEL, "kernel = [3, true]", "stage 1: kernel must be of type int, got True", 10),
    (KERNEL, "kernel = 1979-05-27", "stage 1: kernel must be of type int, got '1979-05-27'", 10),
    (KERNEL, "", "stage 1: kernel is missing", 7),
    (KERNEL, "kernel = [3, 3]", "decision 'stage1_kernel' needs distinct choices, got (3, 3)", None),
    ('"mbconv"', '"mbconf"', "stage 1: unknown op 'mbconf'; did you mean 'mbconv'? Known: ", 9),
    (
        '"bottleneck"',
        '"botleneck"',
        "stage 2: unknown op 'botleneck'; did you mean 'bottleneck'? Known: ",
        17,
    ),
    ("stride = 2", "stride = 3", "stage 2: stride must be one of (1, 2), got 3", 16),
    ("stride = 2", "", "stage 2: stride is missing", 15),
    ("layers = 2", "layers = [0, 2]", "stage 2: layers must be at least 1 where the stride is 2, got 0", 19),
    ("layers = 2", "layers = 10_001", "stage 2: layers must be at most 10,000, got 10001", 19),
    ("layers = [0, 1, 2]", "layers = -1", "stage 1: layers must be an integer of at least 1, got -1", 12),
    (LAST, "channels = [32, 65]", "stage 2: channels of a bottleneck must be a multiple of 4, got 65", 20),
    (LAST, f"{LAST}\nse_ratio = [0, 1]", "stage 2: stage2_se must make a difference, got ", 21),
    (
        LAST,
        f"{LAST}\nexpand_ratio = 6",
        "stage 2: expand_ratio must be left out where no op is mbconv, got 6",
        21,
    ),
    (LAST, f"{LAST}\nfilters = -1", "stage 2: filters must be positive and at most 100, got -1", 21),
    (
        LAST,
        f"{LAST}\nname = 'a b'",
        "stage 2: name must be a letter and then letters, digits or _, got 'a b'",
        21,
    ),
    (
        "expand_ratio = [3, 6]",
        "",
        "stage 1: expand_ratio is missing: op mbconv needs one, or is written as ",
        7,
    ),
    ("head_channels = 0", "head_channels = -1", "head_channels must be an integer of at least 1, got -1", 4),
    ('"relu"', '"gelu"', "activation must be one of ('silu', 'relu', 'relu6'), got 'gelu'", 5),
    (
        "resolution = 64",
        "resolution = [64, 64]",
        "resolution must be distinct sizes of at least 1, got (64, 64)",
        2,
    ),
    ("resolution = 64", "resolution = 9000", "resolution must be at most 8,192, got 9000", 2),
    ("resolution = 64", "resolution = 64\nclasses = 0", "classes must be at least 1, got 0", 3),
    (
        "channels = [16, 24]",
        f"channels = {[*range(8, 16008, 8)]}",
        "stage 1: stage1_channels must have 1 to 1000 choices, got 2000",
        13,
    ),
    (
        "channels = [16, 24]",
        f"channels = {[*range(8, 7208, 8)]}",
        "stage 1: choices must have at most 10,000 combinations, got 21,600",
        7,
    ),
    ("[3, 5]", "[3, 5", "the text must be TOML (Unclosed array (at line 11, column 1))", None),
    (TEXT, f"x = {'[' * 3000}", "the text must not be nested so deeply", None),
    (TEXT, f"x = {'9' * 5000}", "Exceeds the limit", None),
    (TEXT, "#" * 1_000_001, "the text must have at most 1,000,000 characters, got 1,000,001", None),
    (TEXT, "stage = 1", "resolution is missing", None),
]


@pytest.mark.parametrize(("old", "new", "message", "line"), CASES, ids=[case[2][:60] for case in CASES])
def test_a_wrong_space_is_refused_with_its_stage_and_line(old, new, message, line):
    assert old in TEXT
    with pytest.raises(ValueError, match=r"small\.toml") as refused:
        read_space(TEXT.replace(old, new, 1), "small.toml")
    said = str(refused.value)
    assert said.startswith(message)
    assert said.endswith(f"(small.toml, line {line})" if line else "(small.toml)")
    assert "\n" not in said


def test_a_space_in_which_every_stage_may_be_absent_is_refused():
    first, _ = TEXT.split("[[stage]]\nstride = 2")
    with pytest.raises(
        ValueError, match="layers must be at least 1 in one stage: without stages there is no net"
    ):
        read_space(first, "small.toml")


def test_a_decision_of_several_fields_names_the_row_that_is_wrong():
    rows = """
[[stage.decision]]
name = "last"
choices = [
  { choice = "a", kernel = 3 },
  { choice = "b", kernell = 5 },
]
"""
    with pytest.raises(
        ValueError, match=r"stage 2: unknown key 'kernell'; did you .*\(small.toml, line 26\)"
    ):
        read_space(TEXT + rows, "small.toml")
    space = read_space(TEXT + rows.replace("kernell", "kernel"), "small.toml")
    assert (space.decisions[-1].name, space.decisions[-1].choices) == ("last", ("a", "b"))


def test_a_network_beyond_the_limits_is_refused_although_every_field_is_within_its_own():
    huge = TEXT.replace("resolution = 64", "resolution = 8192").replace("[16, 24]", "[16, 65536]")
    with pytest.raises(ValueError, match=r"stages must need at most 1e\+18 FLOPs, got"):
        read_space(huge.replace(KERNEL, "kernel = 7"), "small.toml")
