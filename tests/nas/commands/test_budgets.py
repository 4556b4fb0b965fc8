"""Families by budget and by ``--late-depth``, from the options of ``nas scale`` to its files."""

import functools
import json

import numpy as np
import pytest
from grids import B0, candidates, table

from nas import open_run
from nas.runs.family_files import read_family
from nas.spec.scaling import Scaling
from scaling_search import PUBLISHED_COEFFICIENTS, Grid, member, scale, within_budgets
from search_spaces import ArchSpec, canonical, cost

KNOWN = ["--coefficients", "1.2,1.1,1.15"]


def test_budgets_give_the_base_and_the_largest_model_within_each(nas, tmp_path):
    code, out, err = nas("scale", *KNOWN, "--budgets", "600M,1.6G,4e9", "--run", "r")
    assert (code, err) == (0, "")
    family, coefficients = read_family(tmp_path / "r" / "family.json")
    assert coefficients == PUBLISHED_COEFFICIENTS
    assert family == within_budgets(functools.partial(member, B0, coefficients), [6e8, 1.6e9, 4e9])
    assert "is the same network as" not in out
    phis = ",".join(str(model.phi) for model in family.values())
    assert nas("scale", *KNOWN, "--phis", phis, "--run", "again")[0] == 0
    assert read_family(tmp_path / "again" / "family.json")[0] == family


def test_multiples_the_highest_resolution_and_late_depth_hold_for_budgets(nas, tmp_path):
    shape = ["--multiple", 32, "--max-resolution", 300, "--late-depth", "--rounding", "round"]
    assert nas("scale", *KNOWN, "--budgets", "1G,2G,8G", *shape, "--run", "r")[0] == 0
    family, coefficients = read_family(tmp_path / "r" / "family.json")
    at = functools.partial(
        member, B0, coefficients, rounding="round", multiple=32, late_depth=True, largest=300
    )
    assert family == within_budgets(at, [1e9, 2e9, 8e9])
    assert [model.arch.resolution for model in family.values()] == [224, 256, 288, 288]


def test_a_budget_that_only_the_network_before_fits_is_said(nas, tmp_path):
    out = nas("scale", *KNOWN, "--budgets", "400M,410M,1G", "--run", "r")[1]
    family, _ = read_family(tmp_path / "r" / "family.json")
    assert [model.phi for model in family.values()][:3] == [0, 0, 0]
    for small, large in (("B0", "B1"), ("B1", "B2")):
        assert f"{large} is the same network as {small}: no size grows between them." in out
    assert "B3 is the same" not in out
    assert "B1 is the same network as B0" in nas("report", "r")[1]


def test_the_grid_gives_a_family_by_budget_and_the_run_keeps_what_was_asked(nas, tmp_path):
    accuracies = np.full(len(candidates()), 0.7)
    accuracies[9] = 0.8  # the published triple's network
    file = table(tmp_path / "t.csv", accuracies)
    code, _, err = nas("scale", "--evaluator", file, "--budgets", "800M,2G", "--run", "r")
    assert (code, err) == (0, "")
    family, coefficients = read_family(tmp_path / "r" / "family.json")
    assert open_run("r").settings.scaling.budgets == (8e8, 2e9)
    assert family == within_budgets(functools.partial(member, B0, coefficients), [8e8, 2e9])
    assert json.loads((tmp_path / "r" / "config.json").read_text())["scaling"]["budgets"] == [8e8, 2e9]


def test_late_depth_shapes_the_networks_that_are_compared_too():
    late = Scaling(str(B0), late_depth=True)
    for candidate in late.candidates:
        for triple in candidate.triples:
            assert canonical(scale(B0, triple, 1, late_depth=True)) == candidate.arch
    deeper = [candidate.arch for candidate in late.candidates if candidate.triples[0].alpha > 1]
    assert deeper
    assert {arch.stages[0].repeats for arch in deeper} == {1}


def test_images_of_an_odd_size_have_a_grid_and_a_family_within_it():
    base = ArchSpec.parse("res100-silu-stem16-mb1_r2_k3_s1_c16-mb6_r2_k3_s2_c32-mb6_r3_k5_s2_c64-head128")
    scaling = Scaling(str(base), largest=100, grid=Grid(step=0.1, flops_tolerance=0.4))
    assert {arch.resolution for arch in scaling.classes} == {100}
    assert {model.arch.resolution for model in scaling.family(PUBLISHED_COEFFICIENTS).values()} == {100}
    narrow = Grid(alpha_max=1.2, beta_max=1.2)
    with pytest.raises(ValueError, match="grid must have a network of at most 100 pixels, got 104 and more"):
        Scaling(str(base), largest=100, grid=narrow).candidates  # noqa: B018


def test_explain_shows_what_either_rounding_of_layers_makes_of_the_growth(nas):
    out = nas("scale", *KNOWN, "--phis", "0,1", "--explain", "--run", "r")[1]
    ceil, rounded = (
        cost(scale(B0, PUBLISHED_COEFFICIENTS, 1, rounding=rounding)).flops / cost(B0).flops
        for rounding in ("ceil", "round")
    )
    (line,) = (line for line in out.splitlines() if "1.20 -> 1.48" in line)
    assert line.split()[-2:] == [f"{ceil:.2f}", f"{rounded:.2f}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["100M"], "--budgets must be at least the base's FLOPs of 385,814,752, got 100,000,000"),
        (["1G,1G"], "--budgets must rise, got 1000000000, 1000000000"),
        (["1G,many"], "--budgets must be a number like 400M, 0.4G or 4e8, got 'many'"),
        (["1G,"], "--budgets must be a number like 400M, 0.4G or 4e8, got ''"),
        ([""], "--budgets must not be empty"),
        (["nan"], "--budgets must be finite, like 400M,1G,4G, got 'nan'"),
        (["1e300"], "--budgets must be at most the "),
        (["1G", "--phis", "0,1"], "--budgets must stand without --phis, got '1G'"),
    ],
)
@pytest.mark.parametrize("way", [[], KNOWN], ids=["grid", "coefficients"])
def test_budgets_that_cannot_be_met_are_one_line_and_exit_code_2(nas, tmp_path, way, arguments, message):
    code, out, err = nas("scale", *way, "--budgets", *arguments, "--run", "r")
    assert (code, out) == (2, "")
    assert err.startswith(f"nas: {message}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option", [["--budgets", "1G"], ["--late-depth"], ["--max-resolution", 300], ["--multiple", 32]]
)
def test_a_published_family_takes_no_option_that_shapes_others(nas, option):
    code, _, err = nas("scale", "--preset", "efficientnet", *option, "--run", "r")
    assert (code, err) == (2, f"nas: --preset must stand without {option[0]}, got 'efficientnet'\n")


def test_the_limit_of_the_resolution_is_said_where_a_budget_reaches_it(nas):
    shape = [*KNOWN, "--max-resolution", 300, "--budgets"]
    assert "No network has more than 300 px" in nas("scale", *shape, "4G", "--run", "r")[1]
    assert "No network has more than 300 px" not in nas("scale", *shape, "600M", "--run", "s")[1]
    alone = ["--strategy", "resolution", "--max-resolution", 300, "--phis", "0,1,2", "--run", "t"]
    out = nas("scale", *alone)[1]
    assert "No network has more than 300 px (--max-resolution; by default what the images have).\n" in out
    assert "B2 is the same network as B1" in out
