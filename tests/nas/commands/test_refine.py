"""Searches around a network: ``--space around:ARCH``, and ``nas scale --refine``."""

import numpy as np
import pandas as pd
import pytest
from fakes import few_images

from nas import open_run
from nas.runs.scaling_results import compared_run
from nas.runs.spaces import decisions_of
from search_spaces import PRESETS, ArchSpec, canonical, cost
from search_spaces.around import around

B0 = PRESETS["efficientnet-b0"]
SMALL = "res16-silu-stem8-mb1_r1_k3_s1_c8-mb4_r2_k3_s2_c16_se0.25-mb4_r2_k3_s1_c24_se0.25-head32"


def predictor(path):
    """Accuracies of networks around B0: more layers in the last stages are better."""
    rng, space = np.random.default_rng(0), around(B0)
    archs = [space.decode(space.sample(rng)) for _ in range(60)]
    frame = pd.DataFrame({"arch": map(str, archs)})
    frame["accuracy"] = [0.6 + 0.01 * sum(s.repeats for s in arch.stages[-3:]) for arch in archs]
    frame.to_csv(path, index=False)
    return f"predictor:{path.name}"


def test_a_space_around_a_network_aims_at_its_flops(nas, tmp_path):
    file = predictor(tmp_path / "p.csv")
    options = ("--trials", 30, "--evaluator", file, "--run", "r")
    code, _, err = nas("search", "--space", "around:efficientnet-b0", *options)
    assert (code, err) == (0, "")
    run = open_run("r")
    assert run.settings.objective.target_flops == cost(B0).flops
    space = around(B0)
    for text in run.trials()["arch"]:
        space.encode(ArchSpec.parse(text))
    assert decisions_of(run.settings, {}) == space.decisions


def test_refining_searches_around_the_network_that_was_scaled(nas, tmp_path):
    data = few_images(tmp_path / "few.npz")[:2]
    short = ["--proxy", "resolution=8", "--proxy", "epochs=1", "--proxy", "fraction=0.3", "--multiple", 4]
    options = ["--base", SMALL, *data, *short, "--seeds", 1, "--address", "inline", "--refine"]
    code, out, err = nas("scale", "--phi", 1, *options, "--run", "r")
    assert (code, err) == (0, "")
    scaled, refined = open_run("r"), open_run("r/refined")
    scaling = scaled.settings.scaling
    center = canonical(scaling.scaled(compared_run(scaled)[2]))
    assert refined.settings.space == f"around:{center}"
    assert refined.settings.objective.target_flops == cost(center, 10).flops
    assert refined.settings.recipe.resolution == round(8 * center.resolution / 16)
    assert len(refined.trials()) == 24
    assert set(refined.baselines()["arch"]) == {str(center)}
    assert "Refined: the choice " in out
    assert "the network around which it searched at" in nas("report", "r")[1].replace("\n", " ")
    assert (tmp_path / "r" / "family.json").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    {
        ("search", "--space", "around:nothing"): "--space is not a file, a preset or an architecture",
        ("search", "--space", "around:"): "--space must be around: and a network, got 'around:'",
        ("scale", "--refine", "--sweep", "width"): "--refine must be left out with --sweep",
        ("scale", "--refine", "--coefficients", "1.2,1.1,1.15"): "--refine must be left out with --coef",
        ("scale", "--refine", "--evaluator", "table:t.csv"): "--refine needs networks that a table does not",
    }.items(),
)
def test_what_has_nothing_around_it_is_one_line(nas, tmp_path, command, message):
    code, _, err = nas(*command, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: {message}"), err
    assert not (tmp_path / "no").exists()
