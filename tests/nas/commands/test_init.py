"""``--init``: every command begins networks with the weights that it names, and refuses what does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import few_images
from safetensors.torch import load_file

from nas import open_run
from nas.launch import launch

TINY = "res16-relu6-stem8-mb1_r1_k3_s2_c8-mb3_r1_k3_s1_c16-head32"
WIDER = "res16-relu6-stem8-mb1_r1_k3_s2_c8-mb6_r2_k5_s1_c16-head32"
SHORT = ("--epochs", 1, "--set", "resolution=16", "--threads", 1)


@pytest.fixture
def pretrained(nas, tmp_path):
    """A run of nas train, whose weights others begin with; the options of its images."""
    images = few_images(tmp_path / "images.npz")[:2]
    code, _, err = nas("train", TINY, *images, *SHORT, "--run", "first")
    assert (code, err) == (0, "")
    return images


def weights(run):
    return load_file(f"{run}/weights.safetensors")


def test_a_training_run_begins_with_the_weights_and_says_so(nas, pretrained):
    still = ("--set", "learning_rate=1e-12", "--set", "weight_decay=0")
    code, out, err = nas("train", WIDER, *pretrained, *SHORT, *still, "--init", "first", "--run", "r")
    assert (code, err) == (0, "")
    assert "from the weights of first: " in out
    first, second = weights("first"), weights("r")
    kernel = second["layers.0.depthwise.0.weight"]
    torch.testing.assert_close(kernel, first["layers.0.depthwise.0.weight"], rtol=0, atol=1e-6)
    grown = second["layers.1.depthwise.0.weight"][:24, :, 1:4, 1:4]
    torch.testing.assert_close(grown, first["layers.1.depthwise.0.weight"], rtol=0, atol=1e-6)
    config = json.loads(Path("r/config.json").read_text())
    assert config["init"]["arch"] == TINY
    assert config["recipe"]["learning_rate"] == 1e-12
    assert config["recipe"]["head_rate"] == 5.0  # the recipe finetune


def test_colour_weights_fit_grey_images_too(nas, tmp_path):
    few = (*few_images(tmp_path / "grey.npz")[:2], *SHORT)
    code, _, err = nas("train", "efficientnet-lite0", *few, "--init", "efficientnet-lite0", "--run", "r")
    assert (code, err) == (0, "")
    assert weights("r")["stem.0.weight"].shape[1] == 1
    code, _, err = nas("evaluate", "r", "--data", "npz:grey.npz")
    assert (code, err) == (0, "")


def test_without_weights_the_recipe_is_the_one_from_scratch(nas, pretrained):
    assert open_run("first").settings.recipe.head_rate == 1.0
    assert open_run("first").settings.recipe.optimizer == "adamw"


def test_candidates_of_a_search_inherit_and_its_winner_goes_on_from_the_same_weights(nas, pretrained):
    small = (
        "--trials",
        2,
        "--confirm",
        0,
        "--address",
        "inline",
        "--proxy",
        "epochs=1",
        "--proxy",
        "width=0.25",
    )
    small += ("--proxy", "resolution=16")
    code, out, err = nas(
        "search", "--space", "mnas-lite", *pretrained, *small, "--init", "first", "--run", "s"
    )
    assert (code, err) == (0, "")
    assert "Each candidate: slices of the weights of first, 16 px, a quarter of its width" in out
    other = nas("search", "--space", "mnas-lite", *pretrained, *small, "--run", "fresh")
    assert other[0] == 0
    ours, fresh = (open_run(run).trials() for run in ("s", "fresh"))
    # The same networks, priced at the resolution at which the winner will be fine-tuned.
    assert ours["arch"].tolist() == [text.replace("res16-", "res96-") for text in fresh["arch"]]
    assert ours["seconds"].notna().all()
    assert open_run("s").settings.init.source.endswith("/first")
    code, out, _ = nas("train", "s", "--epochs", 1, "--set", "resolution=16", "--threads", 1, "--run", "w")
    assert code == 0
    assert "from the weights of first: " in out
    assert open_run("w").settings.init == open_run("s").settings.init
    code, out, _ = nas("train", "s", "--init", "none", *SHORT, "--run", "n")
    assert code == 0
    assert "from the weights" not in out


def test_networks_are_never_judged_on_images_that_their_weights_were_trained_by(nas, pretrained):
    more = {"run": ("--init", "first"), "file": ("--init", "first/weights.safetensors"), "none": ()}
    for run, init in {**more, "teacher": ("--teacher", "first")}.items():
        assert nas("train", TINY, *pretrained, *SHORT, "--seed", 5, *init, "--run", run)[0] == 0
        assert open_run(run).settings.split_seed == (5 if run == "none" else 0)
    Path("other.npz").write_bytes(Path("images.npz").read_bytes())
    other = ("--data", "npz:other.npz", *pretrained[2:])
    assert nas("train", TINY, *other, *SHORT, "--seed", 5, *more["run"], "--run", "other")[0] == 0
    assert open_run("other").settings.split_seed == 5


def test_a_resumed_run_refuses_other_weights(nas, pretrained, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(launch, "run", interrupted)
        assert nas("train", WIDER, *pretrained, *SHORT, "--init", "first", "--run", "r")[0] == 130
    assert nas("train", TINY, *pretrained, *SHORT, "--seed", 1, "--run", "other")[0] == 0
    Path("first/weights.safetensors").write_bytes(Path("other/weights.safetensors").read_bytes())
    code, _, err = nas("resume", "r")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: init must be the weights that the run began with, got others in ")


def test_a_teacher_is_taken_by_run_or_by_network_and_file_and_changes_what_is_learned(nas, pretrained):
    file = "mb.safetensors"
    Path(file).write_bytes(Path("first/weights.safetensors").read_bytes())
    for run, more in {
        "alone": (),
        "run": ("--teacher", "first"),
        "file": ("--teacher", f"{TINY}:{file}"),
    }.items():
        code, _, err = nas("train", WIDER, *pretrained, *SHORT, *more, "--run", run)
        assert (code, err) == (0, "")
    first, second, third = (open_run(run).epochs()["train_loss"][0] for run in ("alone", "run", "file"))
    assert second == third != first
    assert open_run("run").settings.teacher.arch == TINY


def test_what_cannot_be_is_one_line(nas, pretrained, tmp_path):
    grey = np.load("images.npz")
    colour = np.repeat(grey["train_x"][..., None], 3, 3)
    np.savez("colour.npz", train_x=colour, train_y=grey["train_y"])
    train = ("train", TINY, *SHORT, "--run", "no")
    wrong = {
        (*train, *pretrained, "--init", "missing.pth"): "--init must be a file of weights",
        (*train, *pretrained, "--init", ""): "--init must",
        (
            *train,
            *pretrained,
            "--init",
            "first",
            "--init-arch",
            "b9",
        ): "--init-arch is not a file, a preset or",
        (*train, *pretrained, "--teacher", "b9:first"): "--teacher is not a file, a preset or",
        ("search", "--space", "mnas", "--baseline", "b9"): "--baseline is not a file, a preset or",
        (
            "search",
            "--space",
            "mnas",
            "--baseline",
            "mnasnet-a1, mnasnet-a1",
        ): "--baseline must name every network",
        (*train, *pretrained, "--teacher", "missing"): "--teacher must be a file of weights",
        (*train, *pretrained, "--init-arch", TINY): "--init-arch must stand with --init, which names weights",
        (
            *train,
            "--data",
            "npz:colour.npz",
            "--init",
            "first",
        ): "--init must be weights for images of 3 channels",
        ("search", "--space", "nasbench-macro", "--evaluator", "table:x.json", "--init", "first"): (
            "--init must be left out where nothing is trained"
        ),
        ("audit", "--networks", 2, "--init", "images.npz", "--run", "no"): "--init must ",
    }
    for command, message in wrong.items():
        code, _, err = nas(*command)
        assert (code, err.count("\n")) == (2, 1), err
        assert err.startswith(f"nas: {message}"), err
    assert not (tmp_path / "no").exists()
