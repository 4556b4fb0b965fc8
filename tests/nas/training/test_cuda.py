"""Tests that need a GPU; they are skipped if there is none."""

import dataclasses

import pytest
import torch
from blocks import SHORT, TINY, dataset

from nas.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

EXACT = dataclasses.replace(SHORT, precision="float32")


def losses(trainer, epochs=2):
    return [float(loss) for _ in range(epochs) for loss in trainer.steps()]


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_captured_and_eager_steps_give_the_same_losses(optimizer):
    recipe = dataclasses.replace(EXACT, optimizer=optimizer)
    found = []
    for captured in (True, False):
        trainer = Trainer(recipe.shrink(TINY), dataset(), recipe, 0, "cuda")
        if not captured:
            trainer.captured = None
        torch.manual_seed(0)
        found.append(losses(trainer))
    # float32 sums are in another order, over a few steps.
    assert found[0] == pytest.approx(found[1], rel=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_learns_what_a_cpu_learns(precision):
    recipe = dataclasses.replace(SHORT, precision=precision, epochs=4)
    data = dataset(count=320)
    ends = [
        list(Trainer(recipe.shrink(TINY), data, recipe, 0, device).epochs())[-1] for device in ("cpu", "cuda")
    ]
    assert ends[1].train_loss == pytest.approx(ends[0].train_loss, abs=0.15)


def test_a_training_restored_on_a_gpu_goes_on():
    recipe = dataclasses.replace(EXACT, ema=0.99, dropout=0.2, epochs=3)
    first, second = (Trainer(recipe.shrink(TINY), dataset(), recipe, 0, "cuda") for _ in range(2))
    first.next_epoch()
    second.load_state_dict(first.state_dict())
    for ours, theirs in zip(second.epochs(), first.epochs(), strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-2)
