"""Families: formula, published table, family.json, and why they differ."""

import copy
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import arch_specs, quick

from scaling_search import (
    PHIS,
    PUBLISHED_COEFFICIENTS,
    STRATEGIES,
    Coefficients,
    from_json,
    implied_phis,
    member,
    models,
    one_network,
    published,
    rounding_shares,
    scale,
    scale_to,
    side_by_side,
    to_json,
    why,
)
from search_spaces import PRESETS, cost

B0 = PRESETS["efficientnet-b0"]


def test_the_published_family_is_the_official_table_and_not_the_formula():
    family = published()
    assert list(family) == ["B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "L2"]
    for name, model in family.items():
        assert model.arch == PRESETS[f"efficientnet-{name.lower()}"]
    assert [family[name].dropout for name in PHIS] == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5]
    formula = models(B0, PUBLISHED_COEFFICIENTS)
    assert [name for name in PHIS if formula[name].arch == family[name].arch] == ["B0"]


@given(arch_specs(), st.floats(1, 1.5), st.floats(1, 1.3), st.floats(1, 1.3))
@quick
def test_a_family_survives_json(arch, alpha, beta, gamma):
    coefficients = Coefficients(alpha, beta, gamma)
    family = models(arch, coefficients, {"B0": 0.0, "B1": 0.5, "B2": 1.7})
    assert from_json(json.loads(json.dumps(to_json(family, coefficients)))) == (family, coefficients)


def test_the_published_family_survives_json():
    data = json.loads(json.dumps(to_json(published(), PUBLISHED_COEFFICIENTS)))
    assert from_json(data) == (published(), PUBLISHED_COEFFICIENTS)
    assert data["coefficients"] == {"alpha": 1.2, "beta": 1.1, "gamma": 1.15}
    keys = ["arch", "flops", "params", "activations", "resolution", "phi", "depth", "width", "dropout"]
    assert list(data["B4"]) == keys


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data.pop("coefficients"), "must be a JSON object of models and 'coefficients'"),
        (lambda data: data.update(coefficients={"alpha": 1}), "coefficients must be alpha, beta and gamma"),
        (lambda data: data["coefficients"].update(alpha=0.5), "alpha must be finite and at least 1, got 0.5"),
        (
            lambda data: data["coefficients"].update(alpha="1"),
            "coefficients's alpha must be a number, got '1'",
        ),
        (lambda data: data.update(B3=7), "B3 must be a JSON object, got 7"),
        (lambda data: data["B3"].update(flops=1), "B3's flops must be its network's 1,827,141,392, got 1"),
        (lambda data: data["B3"].update(arch="B3"), "an architecture must read like"),
        (lambda data: data["B3"].update(depth=None), "B3's depth must be a number, got None"),
        (lambda data: data["B3"].pop("dropout"), "B3's dropout must be a number, got None"),
    ],
)
def test_a_damaged_family_is_refused(damage, message):
    data = copy.deepcopy(to_json(published(), PUBLISHED_COEFFICIENTS))
    damage(data)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        from_json(data)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("growth", [1.5, 2, 3.3, 8])
def test_scale_to_finds_the_network_nearest_to_the_wanted_flops(strategy, growth):
    target = growth * cost(B0).flops
    found = cost(scale_to(B0, STRATEGIES[strategy], target)).flops
    every = (cost(scale(B0, STRATEGIES[strategy], i / 500)).flops for i in range(2500))
    assert abs(found - target) <= min(abs(flops - target) for flops in every)


def test_every_strategy_doubles_the_compute_by_its_product():
    for coefficients in STRATEGIES.values():
        assert coefficients.product == pytest.approx(2)


def test_activations_grow_least_with_width_and_most_with_resolution():
    price = {name: cost(scale_to(B0, way, 4 * cost(B0).flops)) for name, way in STRATEGIES.items()}
    assert price["dWr"].activations < price["dwr"].activations < price["resolution"].activations
    assert price["width"].activations < price["dWr"].activations


def test_scale_to_refuses_what_cannot_be_reached():
    with pytest.raises(ValueError, match="one of the coefficients must be above 1"):
        scale_to(B0, Coefficients(1, 1, 1), 2 * cost(B0).flops)
    with pytest.raises(ValueError, match="flops must be at least the base's 385,814,752, got 1"):
        scale_to(B0, PUBLISHED_COEFFICIENTS, 1)


def test_any_alpha_from_1_to_1_25_gives_one_network_on_b0():
    edges = one_network(B0, PUBLISHED_COEFFICIENTS)
    assert edges["alpha"] == pytest.approx((1, 1.25), abs=2e-4)
    assert edges["gamma"] == pytest.approx((252 / 224, 260 / 224), abs=2e-4)  # what rounds to 256 px
    assert one_network(B0, Coefficients(1.5, 1.1, 1))["alpha"] == pytest.approx((4 / 3, 1.5), abs=2e-4)


@given(st.floats(1, 2), st.floats(1, 1.5), st.floats(1, 1.5), st.sampled_from([0.5, 1, 2]))
@quick
def test_a_network_is_the_same_inside_its_intervals_and_another_outside(alpha, beta, gamma, phi):
    triple = Coefficients(alpha, beta, gamma)
    network = scale(B0, triple, phi)
    for name, (low, high) in one_network(B0, triple, phi).items():
        assert low <= getattr(triple, name) <= high

        def at(value, name=name):
            return scale(B0, dataclasses.replace(triple, **{name: value}), phi)

        assert at(low) == at(high) == network
        assert low == 1 or at(max(1, low - 2e-4)) != network
        assert at(high + 2e-4) != network


# FACTS sec. 5: which phi each published coefficient implies
IMPLIED = {
    "B1": ((0.27, 0.77), (-1, 0.51), 0.49), "B2": ((0.77, 1.22), (0.51, 1.47), 1.07),
    "B3": ((1.65, 2.04), (1.47, 2.34), 2.09), "B4": ((3.07, 3.37), (3.15, 3.90), 3.78),
    "B5": ((4.20, 4.45), (4.60, 5.25), 5.09), "B6": ((5.13, 5.35), (5.87, 6.45), 6.14),
    "B7": ((6.12, 6.29), (7.01, 7.53), 7.05), "B8": ((6.95, 7.10), (8.03, 8.51), 7.86),
}  # fmt: skip


def test_the_phi_that_each_published_coefficient_implies():
    for implied in implied_phis():
        depth, width, resolution = IMPLIED[implied.model]
        assert implied.depth == pytest.approx(depth, abs=0.006)
        assert implied.width[1] == pytest.approx(width[1], abs=0.006)
        assert implied.width[0] == pytest.approx(width[0], abs=0.006) or implied.width[0] < 0
        assert implied.resolution == pytest.approx(resolution, abs=0.006)
        assert (implied.common is not None) == (implied.model in ("B1", "B2", "B3", "B4"))


def test_why_is_b4_at_380_px():
    (b4,) = (implied for implied in implied_phis() if implied.model == "B4")
    assert why(b4) == (
        "B4 at 380 px: the formula at phi 3.5 gives 365 px, and 380 is what phi 3.78 gives; its depth 1.8 "
        "and width 1.4 mean phi 3.15 to 3.37. The resolution was set by hand."
    )


def test_rounding_moves_compute_to_depth():
    shares = {share.model: share for share in rounding_shares(models(B0, PUBLISHED_COEFFICIENTS), 1.15)}
    b2 = shares["B2"]
    assert b2.depth == pytest.approx((1.2, 1.476), abs=1e-3)
    assert b2.width == pytest.approx((1.21, 1.148), abs=1e-3)
    assert b2.resolution == pytest.approx((1.3225, 1.3046), abs=1e-3)
    assert b2.all == pytest.approx((1.92027, 2.2287), abs=1e-4)
    assert shares["B0"].all == (1, 1)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("largest", [None, 256])
def test_growth_by_either_rounding_of_layers_is_that_of_the_families(late, largest):
    way = {"late_depth": late, "largest": largest}
    families = {
        rounding: {
            name: member(B0, PUBLISHED_COEFFICIENTS, phi, rounding=rounding, **way)
            for name, phi in PHIS.items()
        }
        for rounding in ("ceil", "round")
    }
    growths = {
        rounding: [cost(model.arch).flops / cost(B0).flops for model in family.values()]
        for rounding, family in families.items()
    }
    for family in families.values():
        shares = rounding_shares(family, 1.15, late_depth=late)
        assert [share.ceil for share in shares] == growths["ceil"]
        assert [share.round for share in shares] == growths["round"]


def test_formula_published_and_yours_stand_side_by_side():
    yours = models(PRESETS["mnasnet-a1"], Coefficients(1.1, 1.2, 1.1), {"B0": 0.0, "B4": 3.5})
    sides = {(side.model, side.family): side for side in side_by_side(yours)}
    assert sides["B4", "published"].resolution == 380
    assert sides["B4", "formula"].resolution == 368
    assert sides["B4", "yours"].resolution == yours["B4"].arch.resolution
    assert sides["B0", "yours"].flops == cost(PRESETS["mnasnet-a1"]).flops
    assert sides["B4", "yours"].growth == cost(yours["B4"].arch).flops / cost(yours["B0"].arch).flops
    assert ("B5", "yours") not in sides
