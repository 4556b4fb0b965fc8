"""``nas scale``, from its options to its files."""

import dataclasses
import json
import re
import signal
import time

import numpy as np
import pandas as pd
import pytest
from fakes import compare, few_images, start, wait_for_trials
from grids import B0, candidates, table

import nas.training.trainer as nas_training
import reports
from nas import open_run
from nas.runs.config import read_settings
from nas.runs.family_files import read_family
from nas.runs.scaling_direction import direction_lines, find_direction
from nas.spec.recipe import Recipe
from nas.spec.scaling import PROXY, Scaling, fairness
from scaling_search import (
    PHIS,
    PUBLISHED_COEFFICIENTS,
    STRATEGIES,
    Coefficients,
    Grid,
    distinct,
    doubling,
    models,
    published,
    scale,
    scale_to,
    within,
)
from scaling_search.direction import realisable
from search_spaces import ArchSpec, canonical, cost

SMALL = ArchSpec.parse(
    "res16-silu-stem8-mb1_r1_k3_s1_c8-mb4_r2_k3_s2_c16_se0.25-mb4_r2_k3_s1_c24_se0.25-head32"
)
TINY = ["--proxy", "resolution=8", "--proxy", "epochs=2", "--proxy", "fraction=0.3"]


def test_every_network_of_the_grid_is_trained_on_every_seed_and_a_family_comes_out(nas, tmp_path):
    data = few_images(tmp_path / "few.npz")[:2]
    arguments = ["--base", SMALL, *data, *TINY, "--multiple", 4, "--seeds", 2, "--address", "inline"]
    code, out, err = nas("scale", "--phi", 1, *arguments, "--run", "r")
    assert (code, err) == (0, "")
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        *("run.db", "run.lock", "config.json", "best.json"),
        *("pareto.csv", "grid.csv", "family.json", "family.csv", "report.html"),
    }
    classes = distinct(SMALL, Grid().triples(), multiple=4)
    expected = [str(canonical(arch)) for arch in within(classes, 2 * cost(SMALL).flops, 0.12)]
    trials = open_run("r").trials()
    assert list(trials["arch"]) == 2 * expected
    assert trials["seed"].is_unique
    assert set(trials["status"]) == {"done"}
    assert len(open_run("r").epochs()) == 2 * len(trials)
    grid = pd.read_csv("r/grid.csv")
    means = trials.groupby("arch")["accuracy"].mean()
    assert grid.set_index("arch")["accuracy"].to_dict() == pytest.approx(means.to_dict())
    assert (grid["trainings"] == 2).all()
    assert f"{len(expected)} networks, 2 training runs each" in out
    chosen = grid[grid["chosen"]].iloc[0]
    assert json.loads((tmp_path / "r" / "best.json").read_text())["arch"] == chosen["arch"]
    family, coefficients = read_family(tmp_path / "r" / "family.json")
    assert family == models(SMALL, coefficients, multiple=4, num_classes=10)
    found = find_direction(trials, open_run("r").settings)
    how = {"multiple": 4, "num_classes": 10}
    kept = realisable(SMALL, found.posterior.best, [model.phi for model in family.values()], **how)
    assert coefficients == found.coefficients == doubling(SMALL, kept, **how)
    away = {arch: ((shares - found.posterior.best) ** 2).sum() for arch, shares in found.shares.items()}
    assert chosen["arch"] == min(away, key=away.get)
    report = nas("report", "r")[1]
    for line in direction_lines(found):
        assert line in report
    assert "B7" in report
    facts = json.loads(nas("report", "r", "--json")[1])
    assert [row["arch"] for row in facts["grid"]] == list(grid["arch"])


def test_a_table_decides_and_costs_decide_between_equals(nas, tmp_path):
    networks = candidates()
    accuracies = np.full(len(networks), 0.7)
    file = table(tmp_path / "t.csv", accuracies)
    assert nas("scale", "--evaluator", file, "--run", "equal")[0] == 0
    cheapest = min(networks, key=lambda arch: cost(arch).flops)
    assert open_run("equal").best() == cheapest
    accuracies[9] = 0.8  # the published triple's network
    file = table(tmp_path / "u.csv", accuracies)
    code, out, _ = nas("scale", "--evaluator", file, "--run", "r")
    assert code == 0
    assert open_run("r").best() == scale(B0, PUBLISHED_COEFFICIENTS, 1)
    coefficients = json.loads((tmp_path / "r" / "family.json").read_text())["coefficients"]
    # of the two triples that give this network, the one with the product nearest to 2
    assert coefficients == {"alpha": 1.25, "beta": 1.1, "gamma": 1.15}
    assert "alpha from 1.00 to 1.25 is one network on this base" in out


def test_a_predictor_decides_from_any_scaled_networks(nas, tmp_path):
    networks = list(distinct(B0, Grid().triples()))
    wide = [network.stages[-1].channels for network in networks]
    frame = pd.DataFrame({"arch": map(str, networks), "accuracy": np.array(wide) / 1000})
    frame.to_csv(tmp_path / "t.csv", index=False)
    code, out, _ = nas("scale", "--evaluator", "predictor:t.csv", "--run", "r")
    assert code == 0
    assert "Predictor: Kendall tau 0.9" in out
    assert open_run("r").best() == max(candidates(), key=lambda network: network.stages[-1].channels)


def test_networks_that_noise_cannot_tell_apart_are_named(nas, tmp_path):
    data = few_images(tmp_path / "few.npz")[:2]
    arguments = ["--base", SMALL, *data, *TINY, "--multiple", 4, "--address", "inline"]
    for seeds, message in (
        (2, "cannot be told apart from the nearest of the grid (*) at 2 training runs each"),
        (1, "trained twice"),
    ):
        out = nas("scale", *arguments, "--seeds", seeds, "--run", f"r{seeds}")[1]
        assert message in out
    grid = pd.read_csv("r2/grid.csv")
    trials = open_run("r2").trials()
    noise = np.sqrt(trials.groupby("arch")["accuracy"].var().mean())
    by_images = reports.binomial_error(grid["accuracy"].to_numpy(), 60)
    assert grid["accuracy_error"].to_numpy() == pytest.approx(np.hypot(noise / np.sqrt(2), by_images))
    assert grid["tied"].sum() > 1


def test_strategies_are_compared_at_equal_flops(nas, tmp_path):
    fixed = {name: scale_to(B0, way, 2 * cost(B0).flops) for name, way in STRATEGIES.items()}
    wide = scale_to(B0, Coefficients(1, 1.3, 1.1), 2 * cost(B0).flops)
    archs = dict.fromkeys([*candidates(), *fixed.values(), wide])
    pd.DataFrame({"arch": map(str, archs), "accuracy": 0.7}).to_csv(tmp_path / "t.csv", index=False)
    arguments = ["--evaluator", "table:t.csv", "--strategy"]
    code, _, err = nas("scale", *arguments, ",".join(["compound", *STRATEGIES]), "--run", "r")
    assert (code, err) == (0, "")
    grid = pd.read_csv("r/grid.csv").set_index("arch")
    assert list(grid["growth"]) == [cost(ArchSpec.parse(arch)).flops / cost(B0).flops for arch in grid.index]
    assert grid["growth"].between(2 * 0.88, 2 * 1.12).all()
    for name, arch in fixed.items():
        assert name in grid["strategy"][str(arch)].split(", ")
    # the triple with alpha = beta = 1 gives the same network
    assert grid["strategy"][str(fixed["resolution"])] == "compound, resolution"
    assert "compound" in grid[grid["chosen"]]["strategy"].iloc[0]
    again = ["--coefficients", "1,1.3,1.1", "--force", "--run", "s"]
    assert nas("scale", *arguments, "compound,width", *again)[0] == 0
    grid = pd.read_csv("s/grid.csv").set_index("strategy")
    assert dict(grid["arch"]) == {"compound": str(wide), "width": str(fixed["width"])}


def test_the_family_is_the_first_strategys_even_where_another_is_better(nas, tmp_path):
    deep = scale_to(B0, STRATEGIES["depth"], 2 * cost(B0).flops)
    frame = pd.DataFrame({"arch": map(str, [*candidates(), deep]), "accuracy": 0.7})
    frame.loc[frame["arch"] == str(deep), "accuracy"] = 0.6
    frame.drop_duplicates("arch").to_csv(tmp_path / "t.csv", index=False)
    assert nas("scale", "--strategy", "depth,compound", "--evaluator", "table:t.csv", "--run", "r")[0] == 0
    assert json.loads((tmp_path / "r" / "best.json").read_text())["arch"] == str(deep)
    assert read_family(tmp_path / "r" / "family.json")[1] == STRATEGIES["depth"]


def test_each_network_is_trained_at_its_own_resolution(nas, tmp_path, monkeypatch):
    sizes = []
    build = nas_training.initial_network
    seen = lambda arch, *rest: sizes.append(arch.resolution) or build(arch, *rest)  # noqa: E731
    monkeypatch.setattr(nas_training, "initial_network", seen)
    data = few_images(tmp_path / "few.npz")[:2]
    arguments = ["--base", SMALL, *data, *TINY, "--multiple", 4, "--seeds", 1, "--address", "inline"]
    assert nas("scale", *arguments, "--run", "r")[0] == 0
    resolutions = [ArchSpec.parse(arch).resolution for arch in open_run("r").trials()["arch"]]
    assert sizes == [8 * resolution // SMALL.resolution for resolution in resolutions]
    assert len(set(sizes)) > 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_fixed_strategy_needs_no_training(nas, tmp_path, strategy):
    assert nas("scale", "--strategy", strategy, "--run", "r")[0] == 0
    family, coefficients = read_family(tmp_path / "r" / "family.json")
    assert coefficients == STRATEGIES[strategy]
    assert family == models(B0, STRATEGIES[strategy])


def test_coefficients_give_the_family_at_once(nas, tmp_path):
    code, out, err = nas("scale", "--phi", 1, "--coefficients", "1.2,1.1,1.15", "--run", "r")
    assert (code, err) == (0, "")
    data = json.loads((tmp_path / "r" / "family.json").read_text())
    assert list(data) == [*PHIS, "coefficients"]
    assert data["B0"]["arch"] == str(B0)
    for name, phi in PHIS.items():
        arch = scale(B0, PUBLISHED_COEFFICIENTS, phi)
        shown = json.loads(nas("show", f"r:{name}", "--json")[1])
        assert shown == {key: data[name][key] for key in shown}
        assert shown["arch"] == str(arch)
        assert data[name]["phi"] == phi
        assert (data[name]["depth"], data[name]["width"]) == pytest.approx((1.2**phi, 1.1**phi))
    frame = pd.read_csv("r/family.csv")
    assert list(frame["flops"]) == [data[name]["flops"] for name in PHIS]
    assert frame["growth"].iloc[2] == pytest.approx(2.2287, abs=1e-4)
    assert "100.47" in out
    assert "B7" in nas("report", "r")[1]


def test_the_preset_is_the_published_table(nas, tmp_path):
    assert nas("scale", "--preset", "efficientnet", "--run", "r")[0] == 0
    family, coefficients = read_family(tmp_path / "r" / "family.json")
    assert (family, coefficients) == (published(), PUBLISHED_COEFFICIENTS)


def test_json_is_the_family_and_nothing_else(nas, tmp_path):
    code, out, err = nas("scale", "--coefficients", "1.2,1.1,1.15", "--run", "r", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((tmp_path / "r" / "family.json").read_text())


def test_phis_are_settable(nas, tmp_path):
    assert nas("scale", "--coefficients", "1.2,1.1,1.15", "--phis", "0,0.3,4", "--run", "r")[0] == 0
    family, _ = read_family(tmp_path / "r" / "family.json")
    assert {name: model.phi for name, model in family.items()} == {"B0": 0, "B1": 0.3, "B2": 4}


def test_explain_answers_why_b4_is_at_380_px(nas):
    out = nas("scale", "--preset", "efficientnet", "--explain", "--run", "r")[1]
    assert "B4 at 380 px: the formula at phi 3.5 gives 365 px" in out
    assert "1.20 -> 1.48" in out


def test_a_family_is_shown_and_scaled_again(nas, tmp_path):
    nas("scale", "--coefficients", "1.2,1.1,1.15", "--run", "r")
    for text, name in (("r", "B0"), ("r/family.json", "B0"), ("r:B3", "B3"), ("r/family.json:B3", "B3")):
        code, out, _ = nas("show", text)
        assert code == 0
        assert f"{name} of the family B0, B1" in out
    assert nas("scale", "--base", "r:B1", "--coefficients", "1.2,1.1,1.15", "--run", "s")[0] == 0
    base = scale(B0, PUBLISHED_COEFFICIENTS, 0.5)
    assert read_family(tmp_path / "s" / "family.json")[0] == models(base, PUBLISHED_COEFFICIENTS)


def test_a_run_as_base_gives_its_best_network_its_data_and_its_recipe(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    search = ["--space", "mnas", *short, "--address", "inline", "--trials", 2, "--confirm", 0, "--seed", 3]
    search += ["--exponent", -0.2, "--proxy", "width=0.1"]
    assert nas("search", *search, "--run", "first")[0] == 0
    arguments = ["--grid", "flops_tolerance=0.05", "--seeds", 1, "--address", "inline", "--run", "r"]
    code, out, err = nas("scale", "--phi", 1, "--base", "first", *arguments)
    assert (code, err) == (0, "")
    best = open_run("first").best()
    before, settings = read_settings(tmp_path / "first"), read_settings(tmp_path / "r")
    assert settings.scaling.arch == best
    assert (settings.data, settings.seed) == (before.data, 3)
    assert (settings.recipe.epochs, settings.recipe.width, settings.recipe.divisor) == (2, 0.1, 2)
    assert settings.objective.exponent == -0.2
    assert settings.objective.target_flops == 2 * cost(best, 10).flops
    assert read_family(tmp_path / "r" / "family.json")[0]["B0"].arch == best
    assert "the best network of first" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--phi", "-1"], "--phi must be positive and finite, got -1.0"),
        (["--phi", "0"], "--phi must be positive and finite, got 0.0"),
        (["--phi", "nan"], "--phi must be positive and finite, got nan"),
        (["--phi", "inf"], "--phi must be positive and finite, got inf"),
        (["--phi", "one"], "got 'one'"),
        (["--phi", "1e9"], "--phi must keep 1.4^phi at most 1000, got 1e+09"),
        (["--coefficients", "0.9,1.1,1.2"], "--coefficients: alpha must be finite and at least 1, got 0.9"),
        (["--coefficients", "1.2,1.1"], "--coefficients must be three numbers like 1.2,1.1,1.15, got "),
        (["--coefficients", "2,2,2"], "--coefficients must have a product alpha * beta^2 * gamma^2 within"),
        (["--coefficients", "2,2,2", "--force", "--phis", "0,50"], "--phis: phi must keep 2^phi at most"),
        (["--grid", "step=0.7"], "--grid is empty: no triple on a step of 0.7"),
        (["--grid", "flops_tolerance=1e-6"], "--grid is empty: of 65 networks none has FLOPs within"),
        (["--grid", "step=-1"], "--grid: step must be positive and finite, got -1.0"),
        (["--grid", "steps=1"], "--grid: unknown setting 'steps'; did you mean 'step'?"),
        (["--base", "nowhere"], "--base is not a file, a preset or an architecture: unknown preset"),
        (["--base", "broken.json"], "--base must be a JSON file with an architecture"),
        (["--base", "family.json"], "--base must be a readable family (B0's phi must be a number"),
        (["--base", "foreign"], "there is none in foreign"),
        (
            ["--base", "res8-silu-stem8-mb1_r1_k3_s1_c8-head8", "--strategy", "width,resolution"],
            "--base is too coarse to scale by width: the nearest network has ",
        ),
        (
            ["--strategy", "width,resolution", "--max-resolution", "300"],
            "--max-resolution must be at least 312 to scale by resolution, got 300",
        ),
        (["--strategy", "deep"], "--strategy: unknown strategy 'deep'; did you mean 'depth'?"),
        (["--strategy", "depth,depth"], "--strategy must name one or more, each once"),
        (["--preset", "resnet"], "--preset: unknown preset 'resnet'"),
        (["--preset", "efficientnet", "--coefficients", "1,1,1"], "--preset must stand without"),
        (["--phis", "1,2"], "--phis must be numbers that rise from 0"),
        (["--rounding", "up"], "--rounding must be one of ('ceil', 'round'), got 'up'"),
        (["--multiple", "0"], "--multiple must be at least 1, got 0"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--scheduler", "median"], "--scheduler must be one of ('fifo', 'asha'), got 'median'"),
        (["--scheduler", "asha", "--address", "inline"], "--scheduler asha is Ray Tune's"),
        (["--evaluator", "table:none.csv"], "--evaluator FILE must exist, got "),
        (["--data", "npz:none.npz"], "--data: "),
        (["--proxy", "epochs=0"], "--proxy: epochs must be"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2_and_makes_nothing(nas, tmp_path, arguments, message):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "family.json").write_text('{"B0": {"arch": "x"}, "coefficients": {}}')
    (tmp_path / "foreign").mkdir()
    before = sorted(tmp_path.iterdir())
    code, out, err = nas("scale", *arguments, "--run", "r")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("way", [[], ["--coefficients", "1.2,1.1,1.15"], ["--preset", "efficientnet"]])
def test_an_existing_directory_is_refused_and_left_alone(nas, tmp_path, way):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.txt").write_text("mine")
    code, out, err = nas("scale", *way, "--run", "r")
    assert (code, out) == (2, "")
    assert err == "nas: --run must be a directory that does not exist yet, got r\n"
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["thesis.txt"]


def test_a_strategy_whose_every_training_fails_ends_with_exit_code_1(nas, tmp_path):
    networks = [scale(B0, PUBLISHED_COEFFICIENTS, 1)]
    frame = pd.DataFrame({"arch": map(str, networks), "accuracy": [0.7]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["--strategy", "depth,compound", "--evaluator", "table:t.csv", "--run", "r"]
    code, _, err = nas("scale", *arguments)
    assert code == 1
    assert err.count("\n") == 1


def test_a_proxy_that_trains_equal_networks_unequally_is_named():
    scaling = Scaling(str(B0))
    growth = scaling.trained_growth(Recipe()).values()
    assert max(growth) / min(growth) > 2
    warning = fairness(scaling, Recipe())
    assert f"the proxy trains them at {min(growth):.2f} to {max(growth):.2f} times the base's" in warning
    better = dataclasses.replace(Recipe(), resolution=int(re.search(r"resolution=(\d+)", warning)[1]))
    fairer = scaling.trained_growth(better).values()
    assert max(fairer) / min(fairer) < max(growth) / min(growth)
    assert fairness(scaling, PROXY) is None
    itself = Recipe(resolution=224, width=1.0)
    expected = [cost(arch, 1).flops / cost(B0, 1).flops for arch in candidates()]
    assert list(scaling.trained_growth(itself).values()) == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_scaling_run_resumes_to_the_same_table_and_family(tmp_path, nas, kind):
    data = few_images(tmp_path / "few.npz")[:2]
    arguments = ["scale", "--base", SMALL, *data, *TINY, "--multiple", 4, "--seeds", 4, "--address", "inline"]
    assert nas(*arguments, "--run", "whole")[0] == 0
    process = start(tmp_path, *arguments, "--run", "broken")
    wait_for_trials(tmp_path / "broken", 3, process)
    process.send_signal(kind)
    out, err = process.communicate(timeout=60)
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert "Go on with: nas resume broken" in out
    assert not (tmp_path / "broken" / "family.json").exists()
    time.sleep(0.1)
    code, out, err = nas("resume", "broken")
    assert (code, err) == (0, "")
    assert "Chosen: alpha " in out
    compare(tmp_path / "whole", tmp_path / "broken")
    for name in ("family.json", "family.csv", "grid.csv"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "broken" / name).read_text()
