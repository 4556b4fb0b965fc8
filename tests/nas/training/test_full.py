"""Which epoch's weights a whole training run keeps, also when it is resumed."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from blocks import AVERAGED, SHORT, TINY, blocks, dataset
from safetensors.torch import load_file

from nas.data import Part
from nas.errors import InputError
from nas.spec.trial import Epoch, Outcome, Trial, kept_epoch, steps
from nas.training.checkpoint import read_checkpoint, write_checkpoint
from nas.training.full import FullTraining
from nas.training.trainer import Trainer
from nas.training.weights import read_header

RECIPE = dataclasses.replace(SHORT, epochs=5)
TRIAL = Trial(0, SHORT.shrink(TINY), 1)


def task(directory, recipe=RECIPE, **options):
    directory.mkdir(exist_ok=True)
    data = dataset()
    random = np.random.default_rng(0).permutation(data.valid.labels)  # or the last epoch would be the best
    test = Part(*blocks(seed=2, count=40))
    data = dataclasses.replace(data, valid=Part(data.valid.images, random), test=test)
    return FullTraining(data, dataclasses.replace(recipe, resolution=0), directory=directory, **options)


def judged(training):
    """The written weights' loss and accuracy on the validation part, and the accuracy on the test part."""
    trainer = Trainer(TRIAL.arch, training.data, training.recipe, 0, whole_curve=True)
    trainer.judged.load_state_dict(load_file(training.directory / "weights.safetensors"))
    return (*trainer.evaluate(trainer.valid_images), trainer.test_accuracy())


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize(
    "recipe", [RECIPE, dataclasses.replace(AVERAGED, learning_rate=0.5, ema=0.5, epochs=5)]
)
def test_the_kept_weights_are_those_of_the_best_epoch_or_of_the_last(tmp_path, keep, recipe):
    training = task(tmp_path / "r", recipe, keep=keep)
    *curve, outcome = steps(training, TRIAL, "here")
    kept = kept_epoch(curve, keep)
    assert (kept.epoch == 5) == (keep == "last")
    assert judged(training)[:2] == (pytest.approx(kept.valid_loss, rel=1e-5), kept.accuracy)
    header = read_header(tmp_path / "r")
    assert judged(training)[2] == json.loads(header["test_accuracy"])
    assert (json.loads(header["accuracy"]), header["kept_epoch"]) == (kept.accuracy, str(kept.epoch))
    assert isinstance(outcome, Outcome)
    assert (outcome.accuracy, outcome.epochs) == (kept.accuracy, 5)
    state = read_checkpoint(tmp_path / "r").state  # after the last epoch, whichever is kept
    assert state["epoch"] == 5
    end = state["average"] or state["network"]
    same = all(torch.equal(end[name], tensor) for name, tensor in load_file(
        tmp_path / "r" / "weights.safetensors").items())  # fmt: skip
    assert same == (keep == "last")


@pytest.mark.parametrize("stop", [1, 2, 4, 5])
def test_the_best_so_far_survives_an_interruption(tmp_path, stop):
    through, cut = task(tmp_path / "through"), task(tmp_path / "cut")
    whole = list(through(TRIAL))
    assert len(list(itertools.islice(cut(TRIAL), stop))) == stop
    again = list(cut(TRIAL))
    assert [epoch[:4] for epoch in again] == [epoch[:4] for epoch in whole]
    one, other = (load_file(t.directory / "weights.safetensors") for t in (through, cut))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert read_header(through.directory) == read_header(cut.directory)


def test_a_checkpoint_without_a_best_epoch_resumes_with_the_one_it_has(tmp_path):
    training = task(tmp_path / "r")
    list(itertools.islice(training(TRIAL), 3))
    path = tmp_path / "r" / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    old = {name: content[name] for name in ("curve", "state", "mean", "deviation", "test_accuracy")}
    torch.save(old, path)
    curve = list(training(TRIAL))
    kept = kept_epoch(curve[2:], "best")
    assert judged(training)[1] == kept.accuracy
    assert read_header(tmp_path / "r")["kept_epoch"] == str(kept.epoch)


def test_kept_weights_of_another_network_are_found_before_anything_is_trained(tmp_path):
    training = task(tmp_path / "r")
    list(itertools.islice(training(TRIAL), 4))
    found = read_checkpoint(tmp_path / "r")
    assert found.kept_weights is not None
    write_checkpoint(tmp_path / "r", dataclasses.replace(found, kept_weights={"stem": torch.zeros(1)}))
    running = training(TRIAL)
    assert len(list(itertools.islice(running, 4))) == 4
    with pytest.raises(InputError, match="run has a damaged checkpoint"):
        next(running)


def test_of_equal_accuracies_the_lower_loss_is_kept_and_then_the_earlier_epoch():
    curve = [Epoch(1, 1.0, 0.5, 0.8, 1.0), Epoch(2, 1.0, 0.4, 0.8, 2.0), Epoch(3, 1.0, 0.4, 0.8, 3.0)]
    assert kept_epoch(curve, "best").epoch == 2
    assert kept_epoch([*curve, Epoch(4, 1.0, 9.0, 0.9, 4.0)], "best").epoch == 4
    assert kept_epoch(curve, "last").epoch == 3
