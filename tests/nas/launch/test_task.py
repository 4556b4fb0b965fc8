"""A run's networks are sized and priced for the images there are, and judged on its test part."""

import dataclasses
import json

import numpy as np
import pytest
from pictures import encoded, noise, write_classes

from nas import open_run
from nas.data import load_data
from nas.launch.suited import with_plain_rival
from nas.spec.init import Init
from nas.spec.objective import Objective
from nas.spec.recipe import INHERIT, Recipe
from nas.spec.settings import Settings
from nas.training.trainer import Trainer
from search_spaces import PRESETS, PUBLISHED, ArchSpec, cost

QUICK = ["--address", "inline", "--confirm", "0", "--proxy", "epochs=1", "--proxy", "batch_size=16"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Three classes of 48-pixel images."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    for number, name in enumerate(("a", "b", "c")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(110):
            (tmp_path / "photos" / name / f"{i}.png").write_bytes(encoded(noise(1000 * number + i, 48, 60)))
    return tmp_path


@pytest.fixture
def run(nas):
    """Runs a command that succeeds; what it prints."""

    def called(*arguments):
        code, out, err = nas(*arguments)
        assert (code, err) == (0, "")
        return out

    return called


@pytest.fixture
def search(photos, run):
    """A search of two trials on the photos."""
    options = ["--space", "mnas", "--trials", 2, "--data", "folder:photos", *QUICK]
    return lambda *more: run("search", *options, *more)


def test_networks_have_the_images_resolution_and_costs_their_classes(photos, run, search):
    said = search("--run", "r")
    trials = open_run("r").trials()
    for arch, flops, params in zip(trials["arch"], trials["flops"], trials["params"], strict=True):
        spec = ArchSpec.parse(arch)
        assert spec.resolution == 48
        assert (flops, params) == cost(spec, 3)[:2]
    assert "Each candidate: 32 px, a quarter of its width, 1 epoch of 231 images, judged on 66." in said
    assert "FLOPs and parameters are counted at 48 px, with 3 classes." in said
    assert json.loads((photos / "r" / "config.json").read_text())["task"] == {
        "resolution": 48, "classes": 3, "channels": 3, "image_size": 48,
        "train": 231, "valid": 66, "test": 33, "smallest": 77, "largest": 77,
    }  # fmt: skip


def test_a_larger_proxy_enlarges_the_networks_and_large_images_leave_them_alone(photos, run, search):
    search("--run", "r", "--proxy", "resolution=64")
    assert open_run("r").best().resolution == 64
    run("search", "--space", "mnas", "--trials", 1, *QUICK, "--proxy", "fraction=0.1", "--run", "digits")
    assert open_run("digits").best().resolution == 224
    (flops,) = open_run("digits").trials()["flops"]
    assert flops == cost(open_run("digits").best(), 10).flops


def test_pretrained_networks_cost_what_their_training_in_the_end_does(photos, run):
    proxy = ("--proxy", "width=0.25", "--proxy", "fraction=0.3")
    asked = ("--space", "mnas-lite", "--init", "efficientnet-lite0", "--data", "folder:photos", "--trials", 1)
    run("search", *asked, *QUICK, *proxy, "--no-tune", "--baseline", "none", "--run", "r")
    run("train", "r", "--epochs", 1, "--run", "t", "--set", "batch_size=16", "--threads", 1)
    assert open_run("r").best() == open_run("t").best()
    assert open_run("r").best().resolution == 96


def test_inherited_networks_are_compared_with_the_source_made_as_cheap_plainly(photos, run):
    asked = ("--space", "mnas-lite", "--init", "efficientnet-lite0", "--data", "folder:photos", "--trials", 1)
    quick = [*QUICK, "--confirm", 1, "--confirm-seeds", 1, "--proxy", "width=0.25", "--proxy", "fraction=0.3"]
    said = run("search", *asked, *quick, "--no-tune", "--target-flops", "36M", "--run", "r")
    known = open_run("r").baselines().set_index("name")
    (rival,) = set(known.index) - {"efficientnet-lite0", "mnasnet-a1", "mobilenet-v2"}
    assert rival.startswith("efficientnet-lite0 x0.")
    assert known["flops"][rival] == pytest.approx(36e6, rel=0.05)
    plain, whole = (ArchSpec.parse(known["arch"][name]) for name in (rival, "efficientnet-lite0"))
    assert plain.resolution == whole.resolution == 96
    assert [s.repeats for s in plain.stages] == [s.repeats for s in whole.stages]
    told = [line for line in said.splitlines() if line.startswith("The choice ")]
    assert [name in line for line, name in zip(told, (f"{rival} at ", "efficientnet-lite0 at "), strict=True)]


@pytest.mark.parametrize(
    "changed",
    [
        {"init": None},
        {"objective": Objective(100e6)},  # the source has fewer FLOPs
        {"baselines": {}},
        {"baselines": {"mobilenet-v2": str(PRESETS["mobilenet-v2"])}},  # the user's own choice
        {"space": "nasbench-macro"},
    ],
)
def test_otherwise_there_is_no_plain_rival(changed):
    published = {name: str(PRESETS[name]) for name in PUBLISHED["mnas-lite"]}
    init = Init("efficientnet-lite0", str(PRESETS["efficientnet-lite0"]))
    settings = Settings(
        *("mnas-lite", 1, "digits", "train", "dyna", Objective(36e6), INHERIT), init=init, baselines=published
    )
    assert [*with_plain_rival(settings, 96, 10).baselines][1:] == [*published]
    settings = dataclasses.replace(settings, **changed)
    assert with_plain_rival(settings, 96, 10) is settings


def test_only_confirmations_see_the_test_part_and_the_report_says_what_they_saw(photos, run, search):
    said = search("--confirm", 1, "--confirm-seeds", 2, "--run", "r")
    opened = open_run("r")
    again, best = opened.confirmations(), opened.best_trial()
    assert len(again) == 2
    data = load_data("folder:photos", size=32)
    recipe = Recipe(epochs=1, batch_size=16)
    trainer = Trainer(recipe.shrink(opened.best()), data, recipe, int(again["seed"][0]))
    list(trainer.epochs())
    assert trainer.test_accuracy() == again["test_accuracy"][0]
    facts = json.loads(run("report", "r", "--json"))["test"]
    assert (facts["images"], facts["trainings"]) == (33, 2)
    assert facts["accuracy"] == pytest.approx(again["test_accuracy"].mean())
    assert facts["error"] >= np.sqrt(facts["accuracy"] * (1 - facts["accuracy"]) / 33) * 0.9
    assert json.loads((photos / "r" / "best.json").read_text())["test"] == facts
    assert (
        f"On 33 test images, by which nothing was chosen, it has an accuracy of {facts['accuracy']:.4f}"
        in said
    )
    by_images = np.sqrt(best["accuracy"] * (1 - best["accuracy"]) / 66)
    assert best["accuracy_error"] >= 0.9 * by_images


def test_few_test_images_judge_nothing(photos, run, search):
    write_classes(photos / "few", each=20)
    said = run(
        *("search", "--space", "mnas", "--trials", 1, "--data", "folder:few", *QUICK),
        *("--confirm", 1, "--confirm-seeds", 1, "--run", "r"),
    )
    assert "by which nothing was chosen" not in said
    assert "test" not in json.loads(run("report", "r", "--json"))


def test_a_family_stops_at_the_resolution_of_the_images_unless_asked(photos, run, search):
    search("--run", "r")
    options = ["--base", "r", "--coefficients", "1.2,1.1,1.15", "--run"]
    said = run("scale", *options, "kept")
    family = json.loads((photos / "kept" / "family.json").read_text())
    assert {family[f"B{i}"]["resolution"] for i in range(8)} == {48}
    assert "No network has more than 48 px" in said
    for model in (family["B0"], family["B3"]):
        assert model["flops"] == cost(ArchSpec.parse(model["arch"]), 3).flops
    run("scale", *options, "asked", "--max-resolution", 64)
    grown = json.loads((photos / "asked" / "family.json").read_text())
    assert max(grown[f"B{i}"]["resolution"] for i in range(8)) == 64


def test_warnings_name_what_the_proxy_hides_and_a_target_out_of_reach(photos, run, search):
    said = search("--run", "r")
    assert "Of 32 px, the networks' strides leave 1 pixel" in said
    assert "far from the target of 400M: --target-flops 18.4M is to 48 px what 400M is to 224" in said
    assert "far from" not in search("--run", "near", "--target-flops", "18M")
    few = search("--run", "small", "--proxy", "resolution=16")
    assert "The images have about 48 px, and candidates see them at 16 px" in few
    assert "leave 1 pixel" not in search("--run", "large", "--proxy", "resolution=64")
