import dataclasses
import itertools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ACCEL_TABLE, MACRO_TABLE, ROOT
from strategies import actions_of, every_space, quick

from search_spaces import PRESETS, SPACES, ArchSpec, Decision, SearchSpace, StageSpec, cost
from search_spaces.cost_table import CostTable
from search_spaces.space import Slot, staged

MNAS = SPACES["mnas"]
MACRO = SPACES["nasbench-macro"]


def toy_build(choices):
    kernel, channels = choices
    return ArchSpec((StageSpec("conv", 1, kernel, 1, 1, channels),), 8, 16, 32, "relu")


TOY = SearchSpace("toy", (Decision("kernel", (3, 5)), Decision("channels", (8, 16, 24))), toy_build)


def mnas_actions(*stages):
    """Actions of ``mnas`` from the indices of op, kernel, se, skip, layers, filters per stage."""
    return tuple(itertools.chain.from_iterable(stages))


PLAIN = (1, 0, 0, 0, 0, 1)  # mbconv1, 3x3, no SE, identity, first number of layers, skeleton's channels


# What a space is.


@pytest.mark.parametrize(
    ("name", "size"),
    [
        # op 4 x kernel 2 x SE 2 x skip 2 x filters 3 = 96; x 3 numbers of layers, or 2 around a stage of 1
        ("mnas", 288**5 * 192**2),
        ("mnas", 73_040_694_872_113_152),
        ("mnas-mobilenet-v2", 288**5 * 192**2),
        # op 2 x kernel 2 x filters 3 = 12; x 3 numbers of layers, or 2; stage 1 without a choice of op
        ("mnas-lite", 36**5 * 24 * 12),
        ("mnas-a1", 288**5 * 192**2),
        ("accel-nasbench", 104_485_552_128),
        ("nasbench-macro", 6561),
    ],
)
def test_sizes_are_the_published_ones(name, size):
    assert SPACES[name].size == size


def test_mnas_has_the_papers_six_decisions_for_each_of_seven_stages():
    keys = ("op", "kernel", "se", "skip", "layers", "filters")
    assert [d.name for d in MNAS.decisions] == [f"stage{i}_{key}" for i in range(1, 8) for key in keys]
    choices = {d.name: d.choices for d in MNAS.decisions}
    assert choices["stage4_op"] == ("conv", "mbconv1", "mbconv3", "mbconv6")
    assert choices["stage4_kernel"] == (3, 5)
    assert choices["stage4_se"] == (0.0, 0.25)
    assert choices["stage4_skip"] == ("identity", "none")
    assert choices["stage4_filters"] == (0.75, 1.0, 1.25)
    layers = [choices[f"stage{i}_layers"] for i in range(1, 8)]
    assert layers == [(1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (2, 3, 4), (2, 3, 4), (1, 2)]


def test_mnas_lite_has_only_what_lite0s_weights_can_fill():
    space = SPACES["mnas-lite"]
    choices = {d.name: d.choices for d in space.decisions}
    assert {name.partition("_")[2] for name in choices} == {"op", "kernel", "layers", "filters"}
    assert "stage1_op" not in choices
    assert choices["stage2_op"] == ("mbconv3", "mbconv6")
    layers = [choices[f"stage{i}_layers"] for i in range(1, 8)]
    assert layers == [(1, 2), (1, 2, 3), (1, 2, 3), (2, 3, 4), (2, 3, 4), (3, 4, 5), (1, 2)]
    arch = space.decode([0] * len(space.decisions))
    assert (arch.activation, arch.stages[0].expand_ratio) == ("relu6", 1)
    assert {(stage.op, stage.se_ratio, stage.skip) for stage in arch.stages} == {("mbconv", 0.0, "identity")}


@pytest.mark.parametrize("name", ["mnas", "mnas-lite", "mnas-mobilenet-v2", "mnas-a1", "accel-nasbench"])
@given(data=st.data())
@quick
def test_strides_are_fixed(name, data):
    space = SPACES[name]
    arch = space.build(space.choices(data.draw(actions_of(space))))
    assert [stage.stride for stage in arch.stages] == [1, 2, 2, 2, 1, 2, 1]
    assert (arch.stem_channels, arch.stem_stride, arch.head_channels, arch.resolution) == (32, 2, 1280, 224)


def test_names_are_keys():
    assert all(space.name == name for name, space in SPACES.items())
    assert list(SPACES) == [
        *("mnas", "mnas-lite", "mnas-mobilenet-v2", "mnas-a1", "accel-nasbench", "nasbench-macro")
    ]


@pytest.mark.parametrize("choices", [(), (3, 3)])
def test_a_decision_needs_distinct_choices(choices):
    with pytest.raises(ValueError, match="decision 'kernel' needs distinct choices, got "):
        Decision("kernel", choices)


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_a_space_needs_decisions_of_distinct_names(names):
    with pytest.raises(ValueError, match="space 'bad' needs decisions of distinct names, got "):
        SearchSpace("bad", tuple(Decision(name, (1, 2)) for name in names), toy_build)


# Sampling.


@every_space
def test_equal_seeds_sample_equal_actions(space):
    first, second = (np.random.default_rng(7) for _ in range(2))
    drawn = [space.sample(first) for _ in range(20)]
    assert drawn == [space.sample(second) for _ in range(20)]
    assert len(set(drawn)) > 10
    assert all(type(action) is int for actions in drawn for action in actions)


@every_space
def test_samples_are_uniform(space):
    rng, count = np.random.default_rng(0), 3000
    drawn = np.array([space.sample(rng) for _ in range(count)])
    for column, decision in zip(drawn.T, space.decisions, strict=True):
        share = 1 / len(decision.choices)
        frequencies = np.bincount(column, minlength=len(decision.choices)) / count
        assert np.abs(frequencies - share).max() < 5 * np.sqrt(share * (1 - share) / count)


# Decoding and encoding.


@pytest.mark.parametrize(
    ("preset", "space"),
    [
        ("efficientnet-b0", "mnas"),
        ("efficientnet-b0", "accel-nasbench"),
        ("efficientnet-lite0", "mnas-lite"),
        ("mnasnet-a1", "mnas-a1"),
        ("mobilenet-v2", "mnas-mobilenet-v2"),
    ],
)
def test_published_networks_lie_in_their_spaces(preset, space):
    actions = SPACES[space].encode(PRESETS[preset])
    assert SPACES[space].decode(actions) == PRESETS[preset]


def test_b0_is_encoded_as_its_published_choices():
    choices = MNAS.choices(MNAS.encode(PRESETS["efficientnet-b0"]))
    chosen = dict(zip([d.name for d in MNAS.decisions], choices, strict=True))
    stages = [[chosen[f"stage{i}_{key}"] for key in ("op", "kernel", "se", "layers")] for i in range(1, 8)]
    assert stages == [
        ["mbconv1", 3, 0.25, 1],
        *(["mbconv6", 3, 0.25, 2], ["mbconv6", 5, 0.25, 2], ["mbconv6", 3, 0.25, 3]),
        *(["mbconv6", 5, 0.25, 3], ["mbconv6", 5, 0.25, 4], ["mbconv6", 3, 0.25, 1]),
    ]
    # The first actions that give it: 0.75 x 16 and 0.75 x 24 round back to 16 and 24 channels.
    assert [chosen[f"stage{i}_filters"] for i in range(1, 8)] == [0.75, 0.75, *[1.0] * 5]


def test_b0_does_not_lie_in_mobilenet_v2s_space():
    """No multiple of 96 and 160 gives its 112 and 192 channels."""
    space, b0 = SPACES["mnas-mobilenet-v2"], PRESETS["efficientnet-b0"]
    with pytest.raises(ValueError, match="space 'mnas-mobilenet-v2' does not hold res224-silu-stem32-mb1"):
        space.encode(b0)
    with pytest.raises(ValueError, match="does not hold"):
        space.encode(dataclasses.replace(b0, activation="relu"))


@pytest.mark.parametrize("name", ["efficientnet-b1", "mnasnet-b1"])
def test_a_network_of_another_frame_or_shape_is_refused(name):
    with pytest.raises(ValueError, match="space 'mnas' does not hold "):
        MNAS.encode(PRESETS[name])


@every_space
@given(data=st.data())
@quick
def test_encode_inverts_decode(space, data):
    actions = data.draw(actions_of(space))
    arch = space.decode(actions)
    encoded = space.encode(arch)
    assert space.decode(encoded) == arch
    assert encoded <= actions  # the first of all actions that decode to it
    assert space.encode(ArchSpec.parse(str(arch))) == encoded


def test_encode_gives_the_first_actions():
    first = {}
    for actions in itertools.product(range(3), repeat=8):
        first.setdefault(MACRO.decode(actions), actions)
    for arch, actions in list(first.items())[::20]:
        assert MACRO.encode(arch) == actions


@every_space
@given(data=st.data())
@quick
def test_equal_networks_have_equal_specs_and_others_do_not(space, data):
    """Two networks are the same if their layers are: ``build_network`` reads nothing else of the stages."""
    actions = data.draw(actions_of(space))
    changed = list(actions)
    for index in data.draw(st.sets(st.integers(0, len(actions) - 1), min_size=1, max_size=2)):
        changed[index] = data.draw(st.integers(0, len(space.decisions[index].choices) - 1))
    one, other = space.decode(actions), space.decode(changed)
    assert (one.layers() == other.layers()) == (one == other) == (str(one) == str(other))


def test_a_skip_that_no_layer_could_take_decodes_alike():
    one_layer = mnas_actions(PLAIN, PLAIN, *[PLAIN] * 5)
    without = mnas_actions(PLAIN, (1, 0, 0, 1, 0, 1), *[PLAIN] * 5)
    two_layers = mnas_actions(PLAIN, (1, 0, 0, 0, 1, 1), *[PLAIN] * 5)
    two_without = mnas_actions(PLAIN, (1, 0, 0, 1, 1, 1), *[PLAIN] * 5)
    assert MNAS.decode(one_layer) == MNAS.decode(without)
    assert MNAS.decode(two_layers) != MNAS.decode(two_without)


def test_filters_that_round_to_equal_channels_decode_alike():
    """0.75 and 1.0 x 16 are both 16 channels."""
    decoded = [MNAS.decode(mnas_actions((1, 0, 0, 0, 0, f), *[PLAIN] * 6)) for f in range(3)]
    assert [arch.stages[0].channels for arch in decoded] == [16, 16, 24]
    assert decoded[0] == decoded[1] != decoded[2]


def test_layers_that_move_between_joined_stages_decode_alike():
    """Stage 6 at 1.25 x 192 and stage 7 at 0.75 x 320 are one stage of 240 channels."""
    wide = [(1, 0, 0, 0, layers, 2) for layers in range(3)]  # 2, 3 or 4 layers
    narrow = [(1, 0, 0, 0, layers, 0) for layers in range(2)]  # 1 or 2 layers
    head = [PLAIN] * 5
    three_and_two, four_and_one, four_and_two = (
        MNAS.decode(mnas_actions(*head, wide[w], narrow[n])) for w, n in ((1, 1), (2, 0), (2, 1))
    )
    assert three_and_two == four_and_one != four_and_two
    assert [str(stage) for stage in three_and_two.stages][-1] == "mb1_r5_k3_s2_c240"


def test_nasbench_macro_has_3969_distinct_networks():
    """9 x 21 x 21: identities may be anywhere after a stage's first layer. Source: data/README.md."""
    networks = {MACRO.decode(actions) for actions in itertools.product(range(3), repeat=8)}
    assert len(networks) == 3969
    assert len({arch.layers() for arch in networks}) == 3969


def test_the_codes_of_nasbench_macro_are_its_actions():
    codes = json.loads(MACRO_TABLE.read_text())
    assert len(codes) == MACRO.size
    assert {tuple(map(int, code)) for code in codes} == set(itertools.product(range(3), repeat=8))


def test_the_columns_of_accel_nasbench_are_its_decisions():
    space, table = SPACES["accel-nasbench"], pd.read_csv(ACCEL_TABLE)
    assert [c for c in table.columns if c.startswith("block")] == [d.name for d in space.decisions]
    for row in table.head(200).to_dict("records"):
        arch = space.decode([d.choices.index(row[d.name]) for d in space.decisions])
        assert sum(stage.repeats for stage in arch.stages) == sum(row[f"block{i}_l"] for i in range(7))


@every_space
def test_bad_actions_state_the_rule_and_the_value(space):
    actions = [0] * len(space.decisions)
    first = space.decisions[0]
    with pytest.raises(ValueError, match=rf"^space '{space.name}' takes {len(actions)} actions, got 3$"):
        space.decode(actions[:3])
    for bad in (-1, len(first.choices), 0.5):
        with pytest.raises(
            ValueError, match=rf"^{first.name} must be an index in \[0, {len(first.choices)}\), got {bad}$"
        ):
            space.decode([bad, *actions[1:]])


def test_actions_may_be_any_sequence_of_whole_numbers():
    actions = MACRO.sample(np.random.default_rng(0))
    assert MACRO.decode(np.array(actions)) == MACRO.decode(list(actions)) == MACRO.decode(actions)
    assert MACRO.check(np.array(actions)) == actions


# A space without slots.


def test_a_space_may_be_decisions_and_one_function():
    assert TOY.size == 6
    assert TOY.choices((1, 2)) == (5, 24)
    assert TOY.decode((1, 2)) == toy_build((5, 24))
    for actions in itertools.product(range(2), range(3)):
        assert TOY.encode(TOY.decode(actions)) == actions
    with pytest.raises(ValueError, match="space 'toy' does not hold "):
        TOY.encode(toy_build((7, 8)))


def test_a_large_space_without_slots_says_that_it_cannot_encode():
    large = SearchSpace("large", tuple(Decision(f"d{i}", (1, 2)) for i in range(20)), lambda _: None)
    with pytest.raises(ValueError, match=r"has no slots and is too large to search \(1,048,576 sequences\)"):
        large.encode(PRESETS["efficientnet-b0"])


# Many costs at once.


@every_space
def test_the_cost_table_equals_cost(space):
    rng = np.random.default_rng(1)
    matrix = np.array([space.sample(rng) for _ in range(300)])
    costs = CostTable(space)(matrix)
    expected = [cost(space.decode(actions), space.num_classes) for actions in matrix]
    assert costs.tolist() == [list(c) for c in expected]
    assert CostTable(space, num_classes=7)(matrix[:20]).tolist() == [
        list(cost(space.decode(actions), 7)) for actions in matrix[:20]
    ]


def test_the_cost_table_prices_any_number_of_networks():
    table = CostTable(MACRO)
    assert table(np.zeros((0, 8), int)).shape == (0, 3)
    expected = [list(cost(MACRO.decode([2] * 8), 10))]
    assert table([[2] * 8]).tolist() == expected
    for dtype in (np.uint8, np.int32, np.uint64):
        assert table(np.full((1, 8), 2, dtype)).tolist() == expected


@pytest.mark.parametrize(
    "matrix",
    [
        *([0] * 8, [[0] * 7], [[0] * 9], [[[0] * 8]], [[0] * 7 + [3]], [[-1] + [0] * 7], []),
        *([[0.5] + [0] * 7], [[float("nan")] * 8], [["a"] * 8]),
    ],
)
def test_the_cost_table_refuses_what_is_not_a_matrix_of_indices(matrix):
    with pytest.raises(ValueError, match=r"^actions must be a matrix \[N, 8\] of indices below \[3, 3, "):
        CostTable(MACRO)(matrix)


def test_the_cost_table_needs_slots_of_one_stride():
    with pytest.raises(ValueError, match="space 'toy' is not built slot by slot"):
        CostTable(TOY)
    slot = Slot((Decision("stride", (1, 2)),), lambda stride: StageSpec("conv", 1, 3, stride, 1, 8))
    space = staged("strides", [slot], lambda stages: ArchSpec(stages, 8, 8, 32, "relu"))
    with pytest.raises(ValueError, match=r"must have one stride, got output sides \[8, 16\]"):
        CostTable(space)


# Imports.


def test_specs_spaces_and_costs_import_neither_torch_nor_any_other_heavy_package():
    code = (
        "import sys, search_spaces, search_spaces.cost_table;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=ROOT,
    )
    heavy = {"torch", "ray", "pandas", "scipy", "sklearn", "fvcore", "pydantic"}
    assert not heavy & set(answer.stdout.split())


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_a_space_at_another_resolution_has_the_same_networks_and_exact_costs(space):
    there = space.at(96, 5)
    rng = np.random.default_rng(1)
    assert (there.resolution, there.decisions) == (96, space.decisions)
    drawn = np.array([space.sample(rng) for _ in range(8)])
    for actions in map(tuple, drawn):
        arch = there.decode(actions)
        assert arch == dataclasses.replace(space.decode(actions), resolution=96)
        assert there.decode(there.encode(arch)) == arch
    if space.slots:
        exact = [cost(there.decode(actions), 5) for actions in drawn]
        np.testing.assert_array_equal(CostTable(there)(drawn), exact)
