"""Weights that do not know the images are fine-tuned on them first; candidates inherit from the result."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import few_images
from pictures import encoded, noise
from safetensors.torch import load_file

from nas import open_run
from nas.spec import recipe
from nas.training import trainer

TINY = "res16-relu6-stem8-mb1_r1_k3_s2_c8-mb3_r1_k3_s1_c16-head32"
PROXY = [word for pair in ("epochs=1", "width=0.25", "resolution=16") for word in ("--proxy", pair)]
SEARCH = ("search", "--space", "mnas-lite", "--trials", 3, "--confirm", 0, "--address", "inline", *PROXY)


@pytest.fixture
def images(nas, tmp_path, monkeypatch):
    """Options of images of three classes; ``first`` has weights for ten others."""
    short = dataclasses.replace(recipe.FINETUNE, epochs=3, least_resolution=16)
    monkeypatch.setattr(recipe, "FINETUNE", short)
    known = few_images(tmp_path / "known.npz")[:2]
    train = ("--epochs", 1, "--set", "resolution=16", "--threads", 1)
    assert nas("train", TINY, *known, *train, "--run", "first")[0] == 0
    arrays = dict(np.load("known.npz"))
    others = {name: values % 3 if name.endswith("_y") else values for name, values in arrays.items()}
    np.savez("others.npz", **others)
    return ("--data", "npz:others.npz", "--init", "first")


def test_candidates_inherit_from_weights_that_were_fine_tuned_on_the_images(nas, images):
    code, out, err = nas(*SEARCH, *images, "--run", "s")
    assert (code, err) == (0, "")
    assert "First first itself is fine-tuned on these images, for 3 epochs" in out
    assert "first itself, fine-tuned on these images: " in nas("report", "s")[1].replace("\n", " ")
    assert "slices of the weights of first, fine-tuned on these images, 16 px" in out
    tuned = load_file("s/source/weights.safetensors")
    assert len(tuned["classifier.weight"]) == 3
    assert not torch.equal(tuned["stem.0.weight"], load_file("first/weights.safetensors")["stem.0.weight"])
    assert nas(*SEARCH, *images, "--no-tune", "--run", "plain")[0] == 0
    assert not Path("plain/source").exists()
    ours, plain = (open_run(run).trials() for run in ("s", "plain"))
    assert ours["arch"][0] == plain["arch"][0]
    code, out, _ = nas("train", "s", "--epochs", 1, "--set", "resolution=16", "--threads", 1, "--run", "w")
    assert code == 0
    assert "from the weights of first, fine-tuned on these images: " in out
    assert open_run("w").settings.init.source.endswith("/s/source")
    assert open_run("w").settings.teacher is None  # the source has fewer FLOPs


def test_a_winner_that_is_a_part_of_the_source_learns_from_its_outputs_too(nas, images):
    large = "res16-relu6-stem64-mb6_r4_k5_s1_c64-head64"
    short = ("--epochs", 1, "--set", "resolution=16", "--threads", 1)
    assert nas("train", large, "--data", "npz:known.npz", *short, "--run", "large")[0] == 0
    assert nas(*SEARCH, *images[:2], "--init", "large", "--run", "s")[0] == 0
    code, out, err = nas("train", "s", *short, "--run", "w")
    assert (code, err) == (0, "")
    assert "learns from the outputs of large, fine-tuned on these images; --teacher none" in " ".join(
        out.split()
    )
    settings = open_run("w").settings
    assert settings.teacher.source.endswith("/s/source")
    assert not settings.recipe.frozen_bn
    for run, asked in {"labels": ("--teacher", "none"), "recipe": ("--recipe", "finetune")}.items():
        assert nas("train", "s", *short, *asked, "--run", run)[0] == 0
        settings = open_run(run).settings
        assert settings.teacher is None
        assert settings.recipe.frozen_bn
    assert load_file("w/weights.safetensors").keys() == load_file("labels/weights.safetensors").keys()


def test_a_candidate_begins_with_slices_of_the_tuned_weights(nas, images, monkeypatch):
    seen = []
    own = trainer.Trainer

    class Seen(own):
        def __init__(self, *arguments, init=None, **options):
            seen.append(init)
            super().__init__(*arguments, init=init, **options)

    monkeypatch.setattr(trainer, "Trainer", Seen)
    assert nas(*SEARCH, *images, "--run", "s")[0] == 0
    source, *candidates = seen
    assert len(candidates) == 3
    assert len(source.tensors["classifier.weight"]) == 10
    tuned = load_file("s/source/weights.safetensors")
    for init in candidates:
        torch.testing.assert_close(init.tensors["classifier.weight"], tuned["classifier.weight"])


@pytest.mark.parametrize("when", [1, 4])
def test_a_search_that_was_interrupted_while_it_tuned_or_later_goes_on(nas, images, monkeypatch, when):
    assert nas(*SEARCH, *images, "--run", "whole")[0] == 0
    own, epochs = trainer.Trainer.next_epoch, []

    def interrupted(self):
        epochs.append(self.epoch)
        if len(epochs) == when + 1:
            raise KeyboardInterrupt
        return own(self)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "next_epoch", interrupted)
        assert nas(*SEARCH, *images, "--run", "s")[0] == 130
    assert nas("resume", "s")[0] == 0
    first, second = (open_run(run).trials() for run in ("whole", "s"))
    assert first["accuracy"].tolist() == second["accuracy"].tolist()
    assert nas("resume", "s")[0] == 2


def test_an_audits_two_schedules_inherit_from_one_source(nas, images):
    few = ("--networks", 2, "--seeds", 1, "--address", "inline", "--long", "epochs=2")
    code, out, err = nas("audit", "--space", "mnas-lite", *few, *PROXY, *images, "--run", "a")
    assert (code, err) == (0, "")
    assert out.count("itself is fine-tuned on these images") == 1
    assert Path("a/source/weights.safetensors").exists()
    assert not Path("a/long/source").exists()
    assert len(open_run("a/long").trials()) == 2


def test_parts_of_a_run_may_keep_the_images_of_a_folder_at_other_sizes(nas, tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        recipe, "FINETUNE", dataclasses.replace(recipe.FINETUNE, epochs=1, least_resolution=24)
    )
    for number in range(5):
        folder = tmp_path / ("known" if number < 2 else "photos") / f"class{number}"
        folder.mkdir(parents=True)
        for image in range(40):
            (folder / f"{image}.png").write_bytes(encoded(noise(1000 * number + image, 24, 24)))
    train = ("--epochs", 1, "--set", "resolution=16", "--threads", 1)
    assert nas("train", TINY, "--data", "folder:known", *train, "--run", "first")[0] == 0
    few = ("--networks", 2, "--seeds", 1, "--address", "inline", "--long", "resolution=20")
    data = ("--data", "folder:photos", "--init", "first")
    code, _, err = nas("audit", "--space", "mnas-lite", *few, *PROXY, *data, "--run", "a")
    assert (code, err) == (0, "")
    own, source, long = (open_run(part).config["input_sha256"] for part in ("a", "a/source", "a/long"))
    assert own == source != long


def test_weights_that_know_the_classes_are_taken_as_they_are(nas, images):
    data = ("--data", "npz:known.npz", "--init", "first")
    assert nas(*SEARCH, *data, "--run", "s")[0] == 0
    assert not Path("s/source").exists()
    assert open_run("s").settings.tuned is None


def test_a_plan_counts_the_time_of_tuning(nas, images):
    asked = [*SEARCH[1:], *images]
    plain = nas("plan", *asked, "--no-tune")[1]
    tuned = nas("plan", *asked)[1]
    assert "Fine-tuning the weights (" in tuned
    assert "Fine-tuning the weights (" not in plain
