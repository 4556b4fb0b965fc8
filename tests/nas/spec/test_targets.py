"""Budgets of several costs: how they are read, and the rewards that they make together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas import Objective
from nas.spec.settings import Settings
from nas.spec.targets import Target, parse_budgets, parse_target
from search_spaces.rules import read_json

KINDS = pytest.mark.parametrize("kind", ["soft", "hard", "abs"])
THREE = (Target("latency", 20.0, -0.1), Target("params", 5e6))


@pytest.mark.parametrize(
    ("text", "value", "exponent"),
    [
        ("latency=20ms", 20.0, None),
        ("latency=0.02s^-0.1", 20.0, -0.1),
        ("latency_zcu102=250us", 0.25, None),
        ("flops=300M^-0.05", 300e6, -0.05),
        ("params=5e6", 5e6, None),
        ("peak_memory=2GB", 2e9, None),
        ("memory=512MiB", 512 * 2**20, None),
        ("energy=0.25", 0.25, None),
        ("latency", None, None),
    ],
)
def test_a_target_reads_as_people_write_it(text, value, exponent):
    target = parse_target(text)
    assert parse_target(str(target)) == target
    assert target == Target(text.partition("=")[0], target.value, exponent)
    assert target.value is value or target.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency=20", "target latency must be a time with its unit, like 20ms or 0.02s, got '20'"),
        ("latency=20MB", "target latency must be a time with its unit, like 20ms or 0.02s, got '20MB'"),
        ("memory=100", "target memory must be bytes with their unit, like 500MB or 2G, got '100'"),
        ("flops=300ms", "target flops must be a number like 300M, 0.3G or 3e8, got '300ms'"),
        ("latency=0ms", "target latency must be positive and finite, got '0ms'"),
        ("latency=-3ms", "target latency must be positive and finite, got '-3ms'"),
        ("latency=nanms", "target latency must be positive and finite, got 'nanms'"),
        ("params=nan", "target params must be positive and finite, got 'nan'"),
        ("params=inf", "target params must be positive and finite, got 'inf'"),
        ("latency=", "target must read NAME=VALUE or NAME=VALUE^EXPONENT, got 'latency='"),
        ("latency=20ms^", "target must read NAME=VALUE or NAME=VALUE^EXPONENT, got 'latency=20ms^'"),
        ("latency=20ms^x", r"target must have an exponent in [-10, 10], got 'latency=20ms^x'"),
        ("latency=20ms^-11", r"target must have an exponent in [-10, 10], got 'latency=20ms^-11'"),
        ("accuracy=1", "target must name a cost of networks in letters, digits and _, got 'accuracy=1'"),
        ("FLOPs=3M", "target must name a cost of networks in letters, digits and _, got 'FLOPs=3M'"),
        ('a"b=1', "target must name a cost of networks in letters, digits and _, got 'a\"b=1'"),
    ],
)
def test_a_target_that_cannot_be_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole line is compared
        parse_target(text)
    assert str(error.value) == message


@KINDS
@given(
    accuracy=st.floats(0.01, 1),
    ratios=st.tuples(*[st.floats(0.1, 10)] * 3),
)
def test_with_the_others_at_their_targets_a_reward_is_that_of_one_target(kind, accuracy, ratios):
    together = Objective(300e6, -0.05, kind, THREE)
    at_target = {"flops": 300e6, "latency": 20.0, "params": 5e6}
    alone = {
        "flops": Objective(300e6, -0.05, kind),
        "latency": Objective(None, -0.05, kind, THREE[:1]),
        "params": Objective(None, -0.05, kind, THREE[1:]),
    }
    product = []
    for (name, target), ratio in zip(at_target.items(), ratios, strict=True):
        costs = {**at_target, name: ratio * target}
        assert together(accuracy, costs) == pytest.approx(alone[name](accuracy, costs))
        product.append(together(1.0, costs))
    costs = {name: ratio * target for (name, target), ratio in zip(at_target.items(), ratios, strict=True)}
    expected = sum(product) - 2 if kind == "abs" else np.prod(product)
    assert together(1.0, costs) == pytest.approx(expected)
    arrays = {name: np.array([cost]) for name, cost in costs.items()}
    np.testing.assert_allclose(together.rewards(np.array([1.0]), arrays), [expected])


@KINDS
@given(accuracy=st.floats(0, 1), flops=st.floats(1e3, 1e12))
def test_flops_by_name_give_the_very_reward_that_they_give_alone(kind, accuracy, flops):
    objective = Objective(400e6, kind=kind)
    assert objective(accuracy, {"flops": flops, "latency": 3.0}) == objective(accuracy, flops)
    ratio, w = flops / 400e6, objective.exponent
    written = {
        "soft": lambda: accuracy * ratio**w,
        "hard": lambda: accuracy * max(ratio, 1.0) ** w,
        "abs": lambda: accuracy + w * abs(ratio - 1),
    }
    assert objective(accuracy, flops) == written[kind]()


def test_without_any_target_the_reward_is_the_accuracy():
    objective = Objective()
    assert (objective.costs, objective(0.7, {})) == ((), 0.7)
    assert objective.rewards(np.array([0.7]), {}) == [0.7]


def test_pareto_has_no_budget_and_rewards_accuracy():
    objective = Objective(kind="pareto", targets=(Target("latency"), Target("flops")))
    assert objective.costs == ("latency", "flops")
    assert objective(0.7, {"latency": 3.0, "flops": 1e9}) == 0.7
    assert objective.rewards(np.array([0.7]), {}) == [0.7]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "pareto"}, "target must name a cost where `reward` is pareto, got nothing"),
        ({"targets": (Target("latency"),)}, "target must have a value, NAME=VALUE, got latency"),
        ({"targets": THREE[:1] * 2}, "target must name every cost once, got latency twice"),
        ({"targets": (Target("flops", 3e8),)}, "target must leave FLOPs to `target_flops`, got flops"),
        (
            {"kind": "pareto", "targets": THREE[:1]},
            "target must be a name alone where `reward` is pareto, which has no budget, got latency=20",
        ),
        (
            {"kind": "pareto", "target_flops": 4e8},
            "target_flops must be left out where `reward` is pareto, got 4e+08",
        ),
    ],
)
def test_budgets_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole line is compared
        Objective(**fields)
    assert str(error.value) == message


def test_a_cost_that_is_missing_has_no_reward():
    with pytest.raises(ValueError, match="latency must be positive, got None"):
        Objective(targets=THREE[:1])(0.5, {"flops": 1e6})


def test_an_objective_is_kept_as_json():
    objective = Objective(3e8, -0.05, "hard", THREE)
    values = Settings.__dataclass_fields__  # the objective is part of the settings
    assert "objective" in values
    plain = {"target_flops": 3e8, "exponent": -0.05, "kind": "hard"}
    targets = [
        {"name": "latency", "value": 20.0, "exponent": -0.1},
        {"name": "params", "value": 5e6, "exponent": None},
    ]
    assert read_json(Objective, {**plain, "targets": targets}) == objective
    assert read_json(Objective, plain) == Objective(3e8, -0.05, "hard")  # as older runs have it


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["latency=15"], "budget latency must be a time with its unit, like 20ms or 0.02s, got '15'"),
        (["latency=15ms", "latency=16ms"], "budget must name every measure once, got latency twice"),
        (["latency"], "budget must read NAME=VALUE, got 'latency'"),
        (["energy=3"], "budget: unknown measure 'energy'. Known: flops, latency"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(texts, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole line is compared
        parse_budgets(texts, ("flops", "latency"))
    assert str(error.value) == message
