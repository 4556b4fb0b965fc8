import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT
from strategies import arch_specs, quick

from scaling_search import (
    PHIS,
    PUBLISHED_COEFFICIENTS,
    Coefficients,
    Grid,
    distinct,
    dropout,
    family,
    scale,
    within,
)
from scaling_search.compound import ROUNDINGS, STRATEGIES, late_layers, limited
from search_spaces import PRESETS, cost, round_channels

B0 = PRESETS["efficientnet-b0"]
# FACTS sec. 5: (1.2, 1.1, 1.15), resolution to the nearest 8; multiply-adds in G, parameters in M
FORMULA = {
    0.5: (0.731, 8.44), 1: (0.860, 9.11), 2: (1.811, 12.26), 3: (3.253, 16.35), 3.5: (4.181, 19.33),
    4: (6.320, 25.92), 5: (10.441, 33.73), 6: (20.101, 45.46), 7: (38.762, 68.74),
}  # fmt: skip

# The paper's tables 3 and 7, 1,000 classes: base, (depth, width, resolution), printed FLOPs in G, exact ones.
# MobileNetV2's and ResNet-50's compound rows are missing, as their coefficients are not published.
SCALED = [
    ("mobilenet-v1", (1, 1, 1), "0.6", 568_740_352),
    ("mobilenet-v1", (1, 2, 1), "2.2", 2_216_465_408),
    ("mobilenet-v1", (1, 1, 2), "2.2", 2_271_889_408),
    ("mobilenet-v1", (1.4, 1.2, 1.3), "2.3", 2_469_723_976),
    ("mobilenet-v2", (1, 1, 1), "0.3", 300_774_272),
    ("mobilenet-v2", (4, 1, 1), "1.2", 1_219_587_776),
    ("mobilenet-v2", (1, 2, 1), "1.1", 1_137_428_224),
    ("mobilenet-v2", (1, 1, 2), "1.2", 1_199_257_088),
    ("resnet-50", (1, 1, 1), "4.1", 4_089_184_256),
    ("resnet-50", (4, 1, 1), "16.2", 14_570_749_952),
    ("resnet-50", (1, 2, 1), "14.7", 16_116_613_120),
    ("resnet-50", (1, 1, 2), "16.4", 16_350_593_024),
    ("efficientnet-b0", (1, 1, 1), "0.4", 385_814_752),
    ("efficientnet-b0", (4, 1, 1), "1.8", 1_575_132_640),
    ("efficientnet-b0", (1, 2, 1), "1.8", 1_449_958_848),
    ("efficientnet-b0", (1, 1, 2), "1.9", 1_537_537_408),
    ("efficientnet-b0", (1.4, 1.2, 1.3), "1.8", 1_800_091_280),
]
PRINTED_OTHERWISE = {
    ("mobilenet-v1", (1, 1, 2)),
    ("mobilenet-v1", (1.4, 1.2, 1.3)),
    ("resnet-50", (4, 1, 1)),
    ("resnet-50", (1, 2, 1)),
    ("efficientnet-b0", (4, 1, 1)),
    ("efficientnet-b0", (1, 2, 1)),
    ("efficientnet-b0", (1, 1, 2)),
}


@pytest.mark.parametrize(("phi", "expected"), FORMULA.items())
def test_the_formula_gives_the_known_family(phi, expected):
    price = cost(scale(B0, PUBLISHED_COEFFICIENTS, phi))
    assert (round(price.flops / 1e9, 3), round(price.params / 1e6, 2)) == expected


@pytest.mark.parametrize(("name", "factors", "printed", "exact"), SCALED)
def test_the_papers_scaled_networks_cost_what_the_documents_say(name, factors, printed, exact):
    assert cost(scale(PRESETS[name], Coefficients(*factors), 1, multiple=1)).flops == exact
    assert (f"{exact / 1e9:.1f}" != printed) == ((name, factors) in PRINTED_OTHERWISE)
    row = next(
        line
        for line in (ROOT / "docs" / "scaling.md").read_text().splitlines()
        if line.startswith(f"| `{name}` | {', '.join(f'{factor:g}' for factor in factors)} |")
    )
    assert row.split(" | ")[2:4] == [printed, f"{exact:,}"]
    assert row.endswith("| no |" if (name, factors) in PRINTED_OTHERWISE else "| yes |")


@pytest.mark.parametrize("name", ["mobilenet-v1", "mobilenet-v2", "resnet-50", "resnet-152"])
def test_what_a_base_is_beside_its_stages_is_scaled_sensibly(name):
    base = PRESETS[name]
    scaled = scale(base, Coefficients(1.4, 1.2, 1.3), 1)
    assert scaled.stem_channels == round_channels(1.2 * base.stem_channels)
    assert scaled.head_channels == (round_channels(1.2 * base.head_channels) if base.head_channels else 0)
    kept = ("activation", "stem_stride", "stem_kernel", "stem_pool")
    assert [getattr(scaled, field) for field in kept] == [getattr(base, field) for field in kept]
    for before, after in zip(base.stages, scaled.stages, strict=True):
        inside = 4 if before.op == "bottleneck" else 1
        assert after.channels == inside * round_channels(1.2 * before.channels / inside)
        assert after.repeats == math.ceil(1.4 * before.repeats - 1e-9)


@given(arch_specs(), st.floats(1, 2), st.floats(1, 1.5), st.floats(1, 1.5))
@quick
def test_scale_by_phi_0_is_identity(arch, alpha, beta, gamma):
    assert scale(arch, Coefficients(alpha, beta, gamma), 0) == arch


@given(arch_specs(), st.floats(0, 3))
@quick
def test_coefficients_of_1_change_nothing_but_rounding(arch, phi):
    multiples = dataclasses.replace(arch, resolution=8 * -(-arch.resolution // 8))
    scaled = scale(multiples, Coefficients(1, 1, 1), phi)
    assert [stage.repeats for stage in scaled.stages] == [stage.repeats for stage in arch.stages]
    assert scaled.resolution == multiples.resolution


@given(arch_specs(), st.floats(0, 4), st.floats(0, 3))
@quick
def test_more_phi_is_never_less_network(arch, phi, more):
    small, large = (scale(arch, PUBLISHED_COEFFICIENTS, p) for p in (phi, phi + more))
    assert large.stem_channels >= small.stem_channels or phi == 0  # phi 0 rounds nothing
    for before, after in zip(small.stages, large.stages, strict=True):
        assert after.repeats >= before.repeats


def test_phi_1_with_the_published_depth_and_width_is_b2():
    b2 = PRESETS["efficientnet-b2"]
    assert dataclasses.replace(scale(B0, Coefficients(1.2, 1.1, 1), 1), resolution=b2.resolution) == b2


def test_one_alpha_and_beta_at_these_phis_give_every_published_depth_and_width():
    published = {"B1": (1.0, 1.1), "B2": (1.1, 1.2), "B3": (1.2, 1.4), "B4": (1.4, 1.8), "B5": (1.6, 2.2)}
    published |= {"B6": (1.8, 2.6), "B7": (2.0, 3.1)}
    for name, (width, depth) in published.items():
        assert round(1.1015 ** PHIS[name], 1) == width
        assert round(1.1745 ** PHIS[name], 1) == depth


def test_the_published_product_is_below_2():
    assert PUBLISHED_COEFFICIENTS.product == pytest.approx(1.92027)


def test_the_grid_has_108_triples_and_the_published_one_is_among_them():
    triples = Grid().triples()
    assert len(triples) == len(set(triples)) == 108
    assert PUBLISHED_COEFFICIENTS in triples
    assert len(Grid(tolerance=0.05).triples()) == 53  # (1.95, 1, 1) is exactly 0.05 away, so it is out
    assert PUBLISHED_COEFFICIENTS not in Grid(tolerance=0.05).triples()
    assert PUBLISHED_COEFFICIENTS not in Grid(step=0.1).triples()
    assert len(Grid(step=0.01, tolerance=0.01).triples()) == 1044


def test_the_grid_holds_65_networks_of_very_different_compute():
    classes = distinct(B0, Grid().triples())
    assert len(classes) == 65
    assert sum(map(len, classes.values())) == 108
    growth = [cost(arch).flops / cost(B0).flops for arch in classes]
    assert min(growth) == pytest.approx(1.89, abs=0.01)
    assert max(growth) == pytest.approx(3.25, abs=0.01)


def test_15_networks_of_the_grid_cost_twice_the_base_and_the_published_one_is_among_them():
    classes = distinct(B0, Grid().triples())
    kept = within(classes, 2 * cost(B0).flops, 0.12)
    assert len(kept) == 15
    assert all(abs(cost(arch).flops / cost(B0).flops - 2) <= 0.24 for arch in kept)
    assert kept[scale(B0, PUBLISHED_COEFFICIENTS, 1)] == [
        PUBLISHED_COEFFICIENTS,
        Coefficients(1.25, 1.1, 1.15),
    ]
    with pytest.raises(ValueError, match=r"of 65 networks none .* the nearest has 0.325 times that"):
        within(classes, 10 * cost(B0).flops, 0.12)


@pytest.mark.parametrize(
    ("low", "high", "repeats"),
    [
        (1.01, 1.25, [2, 3, 3, 4, 4, 5, 2]),
        (1.26, 1.33, None), (1.34, 1.5, None), (1.51, 1.66, None), (1.67, 1.75, None), (1.76, 1.99, None),
    ],
)  # fmt: skip
def test_alpha_is_known_only_up_to_an_interval(low, high, repeats):
    first, last = (
        [stage.repeats for stage in scale(B0, Coefficients(alpha, 1, 1), 1).stages] for alpha in (low, high)
    )
    assert first == last
    assert repeats in (None, first)
    assert sum(first) == {1.01: 23, 1.26: 24, 1.34: 26, 1.51: 29, 1.67: 31, 1.76: 32}[low]


def test_dropout_grows_as_published():
    published = {"B0": 0.2, "B1": 0.2, "B2": 0.3, "B3": 0.3, "B4": 0.4, "B5": 0.4, "B6": 0.5, "B7": 0.5}
    assert {name: dropout(phi) for name, phi in PHIS.items()} == published


def test_a_family_has_a_model_for_each_phi():
    models = family(B0, PUBLISHED_COEFFICIENTS)
    assert list(models) == ["B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7"]
    assert models["B0"] == B0
    flops = [cost(arch).flops for arch in models.values()]
    assert flops == sorted(flops)


def test_rounding_without_bias_gives_less_depth():
    ceil, rounded = (scale(B0, PUBLISHED_COEFFICIENTS, 1, rounding=name) for name in ("ceil", "round"))
    assert [stage.repeats for stage in rounded.stages] == [1, 2, 2, 4, 4, 5, 1]
    assert cost(rounded).flops < cost(ceil).flops


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Coefficients(0.9, 1, 1), "alpha must be finite and at least 1, got 0.9"),
        (lambda: Coefficients(1, float("nan"), 1), "beta must be finite and at least 1, got nan"),
        (lambda: scale(B0, PUBLISHED_COEFFICIENTS, -1), "phi must be finite and at least 0, got -1"),
        (lambda: scale(B0, PUBLISHED_COEFFICIENTS, float("inf")), "phi must be finite and at least 0"),
        (lambda: scale(B0, PUBLISHED_COEFFICIENTS, 1, rounding="up"), "rounding must be one of"),
        (lambda: scale(B0, PUBLISHED_COEFFICIENTS, 1, multiple=0), "multiple must be at least 1, got 0"),
        (lambda: Grid(step=0), "step must be positive"),
        (lambda: Grid(step=1e-9), "step must be at least 0.001, got 1e-09"),
        (lambda: Grid(alpha_max=0.5), r"alpha_max must lie in \[1, 10\], got 0.5"),
        (lambda: Grid(product=1), "product must be above 1 and finite, got 1"),
        (lambda: Grid(flops_tolerance=float("nan")), "flops_tolerance must be positive and finite, got nan"),
        (lambda: scale(B0, PUBLISHED_COEFFICIENTS, 99), r"phi must keep 1.2\^phi at most 1000, got 99"),
        (lambda: Grid(product=100).triples(), "no triple on a step of 0.05 has a product within 0.1 of 100"),
    ],
)
def test_impossible_scaling_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@given(
    st.floats(1.05, 1.5), st.floats(1.05, 1.3), st.floats(1.05, 1.3), st.floats(0.5, 7), st.integers(224, 600)
)
def test_a_limited_family_keeps_its_compute_and_its_resolution_within_the_limit(a, b, c, phi, largest):
    free = Coefficients(a, b, c)
    kept = limited(B0, free, phi, largest)
    assert kept.product**phi == pytest.approx(free.product**phi)
    assert 224 * kept.gamma**phi <= largest + 1e-6
    assert kept.alpha >= free.alpha * (1 - 1e-12)
    assert kept.beta >= free.beta * (1 - 1e-12)
    if 224 * c**phi <= largest // 8 * 8:
        assert kept == free


def test_coefficients_of_resolution_alone_stop_at_the_limit():
    kept = limited(B0, STRATEGIES["resolution"], 3.0, 256)
    assert (kept.alpha, kept.beta, 224 * kept.gamma**3) == (1, 1, pytest.approx(256))
    assert limited(B0, STRATEGIES["resolution"], 0.1, 256) == STRATEGIES["resolution"]


@given(arch_specs(), st.floats(1, 2), st.floats(1, 1.5), st.floats(0, 5), st.sampled_from([8, 32]))
@quick
def test_a_resolution_that_does_not_grow_is_not_rounded(arch, alpha, beta, phi, multiple):
    assert scale(arch, Coefficients(alpha, beta, 1), phi, multiple=multiple).resolution == arch.resolution


def layers(arch):
    return [stage.repeats for stage in arch.stages]


def test_late_depth_adds_the_layers_of_b7_to_its_later_stages():
    uniform, late = (scale(B0, PUBLISHED_COEFFICIENTS, 7, late_depth=late) for late in (False, True))
    assert layers(B0) == [1, 2, 2, 3, 3, 4, 1]
    assert layers(uniform) == [4, 8, 8, 11, 11, 15, 4]
    assert layers(late) == [2, 5, 6, 11, 13, 19, 5]
    assert cost(late).flops == pytest.approx(cost(uniform).flops, rel=0.1)


@given(arch_specs(), st.floats(1, 2), st.floats(0, 4), st.sampled_from(sorted(ROUNDINGS)))
@quick
def test_late_depth_changes_where_layers_are_and_nothing_else(arch, alpha, phi, rounding):
    uniform, late = (
        scale(arch, Coefficients(alpha, 1.1, 1.1), phi, rounding=rounding, late_depth=late)
        for late in (False, True)
    )
    assert sum(layers(late)) == sum(layers(uniform))
    assert all(repeats >= before for repeats, before in zip(layers(late), layers(arch), strict=True))
    pairs = zip(late.stages, uniform.stages, strict=True)
    same = tuple(dataclasses.replace(stage, repeats=other.repeats) for stage, other in pairs)
    assert dataclasses.replace(late, stages=same) == uniform


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 40))
def test_each_further_layer_goes_to_one_stage_and_later_stages_grow_more(before, more):
    def added(number):
        after = [before[0] + number, *before[1:]]
        return [late - own for late, own in zip(late_layers(before, after), before, strict=True)]

    steps = [b - a for a, b in zip(added(more), added(more + 1), strict=True)]
    assert sorted(steps) == [0] * (len(before) - 1) + [1]
    equal = [2] * len(before)
    assert late_layers(equal, [2 + more, *equal[1:]]) == sorted(late_layers(equal, [2 + more, *equal[1:]]))
