"""Lines of networks from a base: their text, and the networks that they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick

from scaling_search import PUBLISHED_COEFFICIENTS, STRATEGIES, Coefficients, points, scale
from scaling_search.sweep import GROWTHS, SWEEPS
from search_spaces import PRESETS, canonical, cost

B0 = PRESETS["efficientnet-b0"]
MANY = "1,2,3,4,5,6,7,8"


def swept(text, base=B0, **options):
    return points(base, text, PUBLISHED_COEFFICIENTS, **options)


def test_figure_3_has_the_exact_costs_of_its_networks():
    # FACTS.md section 5, in millions of multiply-adds
    exact = {
        "width": [386, 744, 1176, 2391, 5060, 8712],
        "depth": [386, 782, 1179, 1575, 2368, 3161],
        "resolution": [386, 718, 893, 1129, 1458, 1923, 2447],
    }
    found = swept("figure3", multiple=1)
    for line, millions in exact.items():
        assert [round(cost(point.arch).flops / 1e6) for point in found if point.line == line] == millions


def test_a_way_without_values_has_networks_of_one_to_eight_times_the_flops():
    for base in (B0, PRESETS["mobilenet-v1"], PRESETS["resnet-50"]):
        for way in ("compound", *STRATEGIES):
            growths = [cost(point.arch).flops / cost(base).flops for point in swept(way, base)]
            assert growths == pytest.approx(GROWTHS, rel=0.12), way


def test_what_stands_after_the_bar_is_held_fixed_in_every_combination():
    found = swept("width=1,2 | depth=1,2 x resolution=1,1.3")
    assert [(point.line, point.factors.beta) for point in found] == [
        (f"width | depth {depth} x resolution {resolution}", width)
        for depth in ("1", "2")
        for resolution in ("1", "1.3")
        for width in (1.0, 2.0)
    ]
    assert all(point.arch == canonical(scale(B0, point.factors, 1)) for point in found)


def test_dimensions_joined_by_a_plus_grow_together():
    found = swept("depth=1,1.4 + width=1,1.2 + resolution=1,1.3")
    assert [point.factors for point in found] == [Coefficients(1, 1, 1), Coefficients(1.4, 1.2, 1.3)]


def test_the_base_is_there_once_whatever_is_swept():
    for text in SWEEPS.values():
        archs = [point.arch for point in swept(text)]
        lines = {point.line for point in swept(text) if point.arch == canonical(B0)}
        assert canonical(B0) in archs
        assert ("base" in lines) == (len(lines) == 1 and "=4" in text)


@quick
@given(st.lists(st.sampled_from([1, 1.25, 2, 3]), min_size=1, max_size=4, unique=True))
def test_a_line_has_its_values_in_their_order(values):
    found = [point for point in swept(f"width={','.join(map(str, values))}") if point.line == "width"]
    assert [point.factors.beta for point in found] == values


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "": "sweep must name dimensions, as in width,depth,resolution, got ''",
        "width,": "sweep must name dimensions",
        "wdith": "unknown dimension 'wdith'; did you mean 'width'?",
        "wdith=2": "unknown dimension 'wdith'; did you mean 'width'?",
        "compound=2": "unknown dimension 'compound'",
        "width=": "sweep must give width factors from 1 to 1000, got 'width='",
        "width=0.5": "sweep must give width factors from 1 to 1000, got 'width=0.5'",
        "width=nan": "sweep must give width factors",
        "width=1,2 + depth=1": "grow together equally many values, got 'width=1,2 + depth=1'",
        "width,width": "sweep must name each line once, got 'width' twice",
        "width=1,2 | width=2": "sweep must vary a dimension or hold it fixed, not both",
        "width | width=2": "sweep must vary a dimension or hold it fixed, not both",
        "| depth=2": "sweep must name dimensions",
        "width |": "sweep: unknown dimension ''",
        "depth=999": "sweep must leave networks within their limits (stages must have at most 10,000 layers",
        "width=1000": "got width by (1, 1000, 1)",
        f"depth={MANY} | width={MANY} x resolution={MANY}": "sweep must have at most 200 networks",
    }.items(),
)
def test_what_is_no_sweep_is_said_in_one_line(text, message):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        swept(text)
    assert message in str(error.value)
