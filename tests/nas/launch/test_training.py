"""What ``nas train`` knows before anything is made: images, resolution, epochs, threads and time."""

import dataclasses
import json
import os
import re
import shutil
import time

import numpy as np
import pytest
import torch
from blocks import SHORT, TINY, blocks, dataset
from fakes import Heard
from pictures import write_classes

from nas.errors import InputError
from nas.launch import prepare, suited
from nas.launch.new_run import Place
from nas.launch.pace import Pace, measure, thread_counts
from nas.launch.training import Origin, at_resolution, prepare_training
from nas.runs.config import write_config
from nas.spec import machine
from nas.spec.objective import Objective
from nas.spec.recipe import EFFICIENTNET, Recipe
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.spec.task import Task
from nas.training.full import FullTraining
from nas.training.proxy import Training
from search_spaces import ArchSpec, cost

INLINE = Resources("inline", None, 1)
ARCH = "res64-silu-stem8-conv_r1_k3_s2_c8-mb3_r2_k3_s2_c16_se0.25-head64"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))


def searched(directory, data, **options):
    """A run whose best network could be trained: only what nas train reads of it."""
    settings = Settings(
        **{
            "space": "mnas",
            "trials": 1,
            "data": data,
            "evaluator": "train",
            "controller": "random",
            "objective": Objective(1e6),
            "recipe": Recipe(resolution=16),
            "seed": 7,
            "resources": INLINE,
        }
        | options
    )
    facts = {}
    if settings.evaluator == "train":
        images = prepare.find_data(settings, suited.pack_size(settings), Heard())
        facts["input_sha256"] = prepare.fingerprint(Training(images, settings.recipe))
    directory.mkdir()
    write_config(directory, settings.to_json(), **facts)
    return Origin(directory, settings, taken=True)


def to_train(data, recipe=EFFICIENTNET, **options):
    recipe = dataclasses.replace(recipe, epochs=2, batch_size=8)
    asked = "train", 1, data, "train", "grid", Objective(1.0, 0.0), recipe
    return Settings(*asked, resources=INLINE, networks=(ARCH,), **options)


def test_the_images_of_a_run_are_split_as_the_run_split_them_and_its_network_has_their_size(tmp_path):
    write_classes(tmp_path / "photos", each=12)  # 16 x 12 px
    data = f"folder:{tmp_path / 'photos'}"
    origin = searched(tmp_path / "first", data)
    chosen_by = prepare.find_data(origin.settings, 14, Heard())
    prepared = prepare_training(
        to_train(data, data_seed=7),
        Place(tmp_path / "r", "train"),
        Heard(),
        origin=origin,
        choose_threads=False,
    )
    found = prepared.task.data
    for part in ("train", "valid", "test"):
        assert list(getattr(found, part).labels) == list(getattr(chosen_by, part).labels)
    assert (prepared.arch.resolution, prepared.own) == (16, 64)  # the proxy enlarged them to 16
    assert prepared.settings.task == Task(None, 2, 3, 12, len(found.train.labels), 4, 2, 9, 9)
    assert prepared.cost == cost(prepared.arch, 2, 3)
    assert prepared.settings.recipe.epochs == 2
    assert prepared.seconds > 0
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("image_size", "kind", "resolution"),
    [
        (0, {}, 64),  # unknown
        (12, {}, 16),  # smaller than the proxy's
        (40, {}, 40),
        (400, {}, 64),  # the network's own
        (40, {"recipe": Recipe(resolution=0)}, 40),
        (4, {"recipe": Recipe(resolution=0)}, 8),  # the smallest there is
        (40, {"networks": (ARCH,), "space": "train"}, 64),  # trained before, at this size
        (40, {"evaluator": "table:t.json"}, 64),  # a table tells nothing about the images
    ],
)
def test_a_network_of_a_run_is_no_larger_than_its_images(tmp_path, image_size, kind, resolution):
    settings = Settings(
        **{
            "space": "mnas",
            "trials": 1,
            "data": "digits",
            "evaluator": "train",
            "controller": "random",
            "objective": Objective(1e6),
            "recipe": Recipe(resolution=16),
        }
        | kind
    )
    origin = Origin(tmp_path, settings, taken=True)
    network = ArchSpec.parse(ARCH)
    assert at_resolution(to_train("digits"), network, origin, image_size).resolution == resolution
    assert at_resolution(to_train("digits"), network, None, image_size).resolution == 64
    asked = to_train("digits", dataclasses.replace(EFFICIENTNET, resolution=24))
    assert at_resolution(asked, network, origin, image_size).resolution == 24


def more(photos):
    write_classes(photos, each=1, first=500)


def fewer(photos):
    next((photos / "cat").iterdir()).unlink()


def gone(photos):
    shutil.rmtree(photos)


@pytest.mark.parametrize("change", [more, fewer, gone])
def test_images_that_are_gone_or_others_are_refused_before_anything_is_made(tmp_path, change):
    write_classes(tmp_path / "photos", each=12)
    data = f"folder:{tmp_path / 'photos'}"
    origin = searched(tmp_path / "first", data)
    change(tmp_path / "photos")
    rule = "there" if change is gone else "the same, or it may be tested on images that it was chosen by"
    with pytest.raises(
        InputError, match=re.escape(f"data of {tmp_path / 'first'} must still be {rule}; ")
    ) as error:
        prepare_training(to_train(data, data_seed=7), Place(tmp_path / "r", "train"), Heard(), origin=origin)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "r").exists()
    if change is not gone:  # named, they are taken as they are
        named = origin._replace(taken=False)
        prepare_training(
            to_train(data), Place(tmp_path / "r", "train"), Heard(), origin=named, choose_threads=False
        )


def test_the_epochs_are_as_many_as_fit_into_the_time():
    training = FullTraining(dataset(), SHORT)
    pace = Pace(1, setup=1.0, steps=5, step=0.1, evaluation=0.001, saving=0.02)
    each = pace.epoch(training)
    assert each == pytest.approx(0.5 + 160 * 0.001 + 0.02)
    for epochs in (1, 7, 350):
        assert pace.fitting(training, pace.whole(training, epochs) + 0.01) == epochs
        assert pace.whole(training, epochs) == pytest.approx(2.0 + epochs * each)
    assert pace.fitting(training, pace.whole(training, 1) - 0.01) == 0
    assert pace.fitting(training, -1.0) == 0


def test_a_time_without_an_epoch_is_refused(tmp_path):
    np.savez(tmp_path / "blocks.npz", **dict(zip(("train_x", "train_y"), blocks(), strict=True)))
    settings = to_train(f"npz:{tmp_path / 'blocks.npz'}")
    with pytest.raises(InputError, match="time must be enough for one epoch, which takes about "):
        prepare_training(settings, Place(tmp_path / "r", "train"), Heard(), until=time.monotonic() + 0.01)
    until = time.monotonic() + 600
    prepared = prepare_training(
        settings, Place(tmp_path / "r", "train"), Heard(), until=until, choose_threads=False
    )
    assert prepared.settings.recipe.epochs > 2
    assert prepared.seconds == pytest.approx(600, rel=0.2)
    assert prepared.task.recipe == prepared.settings.recipe


def test_threads_are_those_that_a_container_allows(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    for allowed, counts in ((1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, allowed=allowed: range(allowed))
        assert thread_counts() == counts
    (tmp_path / "cpu.max").write_text("300000 100000\n")
    assert thread_counts() == [1, 2, 3]


def test_the_fastest_number_of_threads_is_taken_and_the_smaller_of_equals(monkeypatch):
    now = {}
    monkeypatch.setattr(
        "nas.launch.pace._seconds", lambda _trainer, _images, steps: now[torch.get_num_threads()] * steps
    )
    before = torch.get_num_threads()
    try:
        for speeds, chosen in (
            ({1: 1.0, 2: 0.6, 4: 0.4}, 4),
            ({1: 1.0, 2: 0.98, 4: 0.97}, 1),
            ({1: 1.0, 2: 3.7, 4: 0.1}, 1),  # a busy machine: more are not tried
            ({1: 1.0, 2: 99.0, 4: 0.1}, 1),
            ({1: 1.0, 2: 0.6, 4: 0.9}, 2),
        ):
            now.update(speeds)
            assert measure(TINY, FullTraining(dataset(), SHORT), [1, 2, 4]).threads == chosen
    finally:
        torch.set_num_threads(before)


def test_timing_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    measure(TINY, FullTraining(dataset(), SHORT), [1])
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("change", ["touched", "version 0.1"])
def test_the_same_images_are_known_by_their_contents(tmp_path, change):
    write_classes(tmp_path / "photos", each=12)
    data = f"folder:{tmp_path / 'photos'}"
    origin = searched(tmp_path / "first", data)
    if change == "touched":
        for file in (tmp_path / "photos").rglob("*.png"):
            os.utime(file, (1, 1))
    else:
        images = prepare.find_data(origin.settings, 16, Heard())
        former = prepare.fingerprint(Training(images, origin.settings.recipe), former=True)
        config = json.loads((tmp_path / "first" / "config.json").read_text())
        (tmp_path / "first" / "config.json").write_text(json.dumps(config | {"input_sha256": former}))
    place = Place(tmp_path / "r", "train")
    prepared = prepare_training(
        to_train(data, data_seed=7), place, Heard(), origin=origin, choose_threads=False
    )
    assert prepared.settings.data == data
