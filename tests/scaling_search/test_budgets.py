"""Families by budget: nothing larger fits, and what no budget can be is refused."""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arch_specs, quick

from scaling_search import PUBLISHED_COEFFICIENTS, STRATEGIES, Coefficients, member, within_budgets
from scaling_search.budgets import phi_within
from search_spaces import PRESETS, ArchSpec, cost

B0 = PRESETS["efficientnet-b0"]
FLOPS = cost(B0).flops


def family_of(base, coefficients=PUBLISHED_COEFFICIENTS, **options):
    return functools.partial(member, base, coefficients, **options)


def flops(model):
    return cost(model.arch, model.num_classes).flops


options = st.fixed_dictionaries(
    {
        "rounding": st.sampled_from(["ceil", "round"]),
        "multiple": st.sampled_from([1, 8, 32]),
        "late_depth": st.booleans(),
        "largest": st.none() | st.integers(1, 800),
        "num_classes": st.sampled_from([10, 1000]),
    }
)
grown = st.builds(Coefficients, st.floats(1.02, 1.5), st.floats(1.02, 1.3), st.floats(1, 1.3))


@given(arch_specs(), grown, options, st.floats(1, 8))
@quick
def test_no_phi_gives_a_model_that_is_larger_and_within_the_budget(base, coefficients, options, growth):
    at = family_of(base, coefficients, **options)
    budget = growth * flops(at(0.0))
    phi = phi_within(at, budget)
    most = flops(at(phi))
    assert most <= budget
    for step in range(1, 200):
        assert not most < flops(at(step / 25)) <= budget


@given(st.floats(1, 100), options)
@quick
def test_a_model_of_b0s_family_keeps_within_its_budget_and_its_resolution_within_the_limit(growth, options):
    at = family_of(B0, **options)
    budget = growth * FLOPS
    family = within_budgets(at, [budget])
    assert list(family) == ["B0", "B1"]
    assert family["B0"].arch == B0
    assert family["B1"] == at(family["B1"].phi)
    assert flops(family["B1"]) <= budget
    resolution = family["B1"].arch.resolution
    assert resolution <= max(224, options["largest"] or resolution)
    assert resolution % options["multiple"] == 0


# A bottleneck that comes to have as many inputs as outputs loses its projection, so FLOPs fall.
FALLING = ArchSpec.parse("res32-relu-stem56-bottleneck_r1_k3_s1_c64-conv_r1_k3_s1_c64-head0")


def test_flops_that_fall_as_phi_rises_hide_no_larger_model():
    at = family_of(FALLING, Coefficients(1.2, 1.2, 1.001), multiple=1)
    staircase = [flops(at(step / 1000)) for step in range(4000)]
    falls = [(high, low) for high, low in itertools.pairwise(staircase) if low < high]
    assert falls
    for high, low in falls:
        for budget in (low, (low + high) // 2, high):
            most = flops(at(phi_within(at, budget)))
            assert most >= max(one for one in staircase if one <= budget)


def test_phi_has_no_more_decimals_than_the_model_needs():
    for budget in (600e6, 1e9, 4e9, 40e9):
        at = family_of(B0)
        phi = phi_within(at, budget)
        digits = len(str(phi).partition(".")[2])
        assert digits <= 3
        shorter = int(phi * 10 ** (digits - 1)) / 10 ** (digits - 1)
        assert phi == int(phi) or at(shorter).arch != at(phi).arch


def test_the_budget_of_the_base_is_met_by_the_base():
    family = within_budgets(family_of(B0), [FLOPS, 2 * FLOPS])
    assert family["B0"] == family["B1"] == member(B0, PUBLISHED_COEFFICIENTS, 0.0)
    assert family["B2"].phi > 0


def test_models_of_multiples_of_32_pixels_have_their_budgets():
    family = within_budgets(family_of(B0, multiple=32, rounding="round"), [1e9, 2e9, 4e9, 8e9])
    assert [model.arch.resolution for model in family.values()] == [224, 256, 320, 352, 416]
    for budget, model in zip((1e9, 2e9, 4e9, 8e9), list(family.values())[1:], strict=True):
        assert 0.8 * budget < flops(model) <= budget


MOST = r"must be at most the {} FLOPs of the largest network that these coefficients give, got {}"


@pytest.mark.parametrize(
    ("coefficients", "budgets", "message"),
    [
        (PUBLISHED_COEFFICIENTS, [1e8], "must be at least the base's FLOPs of 385,814,752, got 100,000,000"),
        (PUBLISHED_COEFFICIENTS, [2e9, 1e9], "must rise, got 2000000000, 1000000000"),
        (PUBLISHED_COEFFICIENTS, [1e9, 1e9], "must rise, got 1000000000, 1000000000"),
        (PUBLISHED_COEFFICIENTS, [1e300], MOST.format("7,161,902,825,623,872", r"1e\+300")),
        (Coefficients(1, 1, 1), [1e9], MOST.format("385,814,752", 1000000000)),
        (Coefficients(1, 1, 1.0001), [1e9], MOST.format("493,592,128", 1000000000)),
    ],
)
def test_budgets_that_no_family_has_are_refused(coefficients, budgets, message):
    with pytest.raises(ValueError, match=f"budgets {message}"):
        within_budgets(family_of(B0, coefficients), budgets)


def test_a_resolution_that_may_grow_no_more_is_the_largest_network():
    at = family_of(B0, STRATEGIES["resolution"], largest=256)
    assert at(phi_within(at, 503_337_472)).arch.resolution == 256
    with pytest.raises(ValueError, match="budgets must be at most the 503,337,472 FLOPs"):
        phi_within(at, 503_337_473)
