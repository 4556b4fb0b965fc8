import pytest

from nas import Objective

# FACTS: x = FLOPs / target -> factor on accuracy (soft, hard), or summand (abs)
SOFT = {0.25: 1.101905, 0.5: 1.049717, 0.8: 1.015743, 1: 1, 1.25: 0.984501, 2: 0.952638, 4: 0.907519}
HARD = {0.25: 1, 0.5: 1, 1: 1, 1.25: 0.8, 2: 0.5}
ABS = {0.5: -0.035, 1: 0, 2: -0.07}


@pytest.mark.parametrize(("x", "factor"), SOFT.items())
def test_soft_reward_has_the_papers_factors(x, factor):
    assert Objective(400e6)(1.0, x * 400e6) == pytest.approx(factor, abs=1e-6)


@pytest.mark.parametrize(("x", "factor"), HARD.items())
def test_hard_reward_is_free_up_to_the_target(x, factor):
    assert Objective(400e6, kind="hard")(0.5, x * 400e6) == pytest.approx(0.5 * factor, abs=1e-9)


@pytest.mark.parametrize(("x", "summand"), ABS.items())
def test_abs_reward_pulls_to_the_target_from_both_sides(x, summand):
    assert Objective(400e6, kind="abs")(0.7, x * 400e6) == pytest.approx(0.7 + summand, abs=1e-9)


def test_efficientnet_b0_has_the_papers_reward():
    assert Objective(400e6)(0.771, 385_814_752) == pytest.approx(0.772951, abs=1e-6)
    assert Objective(400e6)(0.771, 390e6) == pytest.approx(0.772368, abs=1e-6)


def test_twice_the_cost_pays_for_five_percent_relative_accuracy():
    assert 1.05 * Objective(1.0)(1.0, 2.0) == pytest.approx(1.00027, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0,), "target_flops must be positive and finite, got 0.0"),
        ((float("nan"),), "target_flops must be positive and finite, got nan"),
        ((4e8, float("inf")), "exponent must be a finite number, got inf"),
        ((4e8, None, "sof"), r"reward must be one of \('soft', 'hard', 'abs', 'pareto'\), got 'sof'"),
    ],
)
def test_an_impossible_objective_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Objective(*arguments)


@pytest.mark.parametrize(("accuracy", "flops"), [(1.1, 1.0), (-0.1, 1.0), (float("nan"), 1.0), (0.5, 0.0)])
def test_a_reward_needs_an_accuracy_and_a_cost(accuracy, flops):
    with pytest.raises(ValueError, match="must"):
        Objective(4e8)(accuracy, flops)
