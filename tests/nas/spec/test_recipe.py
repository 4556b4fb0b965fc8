import dataclasses
import math

import numpy as np
import pytest
import torch
from blocks import TINY, dataset, untimed
from hypothesis import given
from hypothesis import strategies as st
from strategies import quick

from nas.spec.recipe import EFFICIENTNET, PUBLISHED_EPOCHS, Recipe
from nas.training.trainer import Trainer
from search_spaces import PRESETS

schedules = st.builds(
    Recipe,
    schedule=st.sampled_from(["cosine", "exponential"]),
    warmup=st.sampled_from([0.0, 5 / 350, 0.1, 0.5]),
    learning_rate=st.floats(1e-4, 1),
    epochs=st.integers(1, 400),
    batch_size=st.integers(2, 4096),
    learning_rate_batch=st.sampled_from([0, 256]),
)


def test_the_published_peak_grows_with_the_batch():
    """0.016 for 256 images, 0.256 for the paper's 4096. Source: FACTS sec. 3."""
    peaks = {size: dataclasses.replace(EFFICIENTNET, batch_size=size).peak() for size in (256, 2048, 4096)}
    assert peaks == pytest.approx({256: 0.016, 2048: 0.128, 4096: 0.256})


@pytest.mark.parametrize("per_epoch", [1, 10, 312, 5004])
def test_the_published_schedule_is_tensorflows(per_epoch):
    """Warm-up over 5 epochs, and x 0.97 every 2.4, counted from the first step. Source: FACTS sec. 3."""
    steps, peak = PUBLISHED_EPOCHS * per_epoch, EFFICIENTNET.peak()

    def rate(step):
        return EFFICIENTNET.rate(step, steps) / peak

    assert rate(0) == 0
    assert rate(per_epoch) == pytest.approx(0.2)
    assert rate(5 * per_epoch - 1) == pytest.approx((5 * per_epoch - 1) / (5 * per_epoch))
    assert rate(5 * per_epoch) == pytest.approx(0.97**2)
    assert rate(steps - 1) == pytest.approx(0.97**145)
    assert rate(steps - 1) == pytest.approx(0.0121, abs=5e-5)
    # 12 epochs are exactly 5 decays.
    for epoch in range(12, PUBLISHED_EPOCHS, 12):
        assert rate(epoch * per_epoch) == pytest.approx(0.97 ** (5 * epoch // 12)), epoch
        assert rate(epoch * per_epoch - 1) == pytest.approx(0.97 ** (5 * epoch // 12 - 1)), epoch


@quick
@given(schedules, st.integers(1, 50))
def test_the_rate_rises_in_the_warmup_and_then_falls(recipe, per_epoch):
    steps = recipe.epochs * per_epoch
    rates = [recipe.rate(step, steps) for step in range(0, steps, max(1, steps // 500))]
    rising = [rate for i, rate in enumerate(rates) if i * max(1, steps // 500) < recipe.warmup * steps]
    falling = rates[len(rising) :]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert min(rates) >= 0
    assert max(rates) <= recipe.peak()


@quick
@given(schedules, st.integers(1, 20), st.integers(2, 10))
def test_another_number_of_epochs_stretches_the_schedule(recipe, per_epoch, factor):
    steps = recipe.epochs * per_epoch
    for step in range(0, steps, max(1, steps // 50)):
        longer = recipe.rate(factor * step, factor * steps)
        if recipe.schedule == "exponential":
            assert longer == pytest.approx(recipe.rate(step, steps))
        else:  # the warm-up counts steps from 1
            assert longer == pytest.approx(
                recipe.rate(step, steps), abs=recipe.peak() / (recipe.warmup * steps + 1)
            )


def test_the_short_schedule_ends_at_nothing():
    assert Recipe().rate(999, 1000) == pytest.approx(0, abs=1e-5)


def test_efficientnets_recipe_makes_the_published_network():
    """Drop rates 0.2 i / n on residual layers, dropout 0.2, BN momentum 0.99 as in TensorFlow."""
    arch = dataclasses.replace(PRESETS["efficientnet-b0"], resolution=16)
    recipe = dataclasses.replace(EFFICIENTNET, resolution=0)
    network = Trainer(recipe.shrink(arch), dataset(count=8), recipe, 0).network
    rates = [layer.drop_rate for layer in network.layers]
    assert rates == pytest.approx([0.2 * i / 16 * layer.residual for i, layer in enumerate(network.layers)])
    assert network.dropout.p == 0.2
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.01, 1e-3)}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_cross_entropy_to_smoothed_labels(smoothing):
    """(1 - s) on the label and s / K on each of K classes, as in TensorFlow."""
    recipe = Recipe(
        resolution=16, width=1.0, epochs=1, batch_size=1000, zero_start=False, label_smoothing=smoothing
    )
    trainer = Trainer(recipe.shrink(TINY), dataset(), recipe, 0)
    trainer.network.train()
    with torch.no_grad():
        logits = trainer.network(trainer.normalise(trainer.train_images.range(0, 1000))).double().numpy()
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = (1 - smoothing) * np.eye(4)[trainer.train_images.labels] + smoothing / 4
    trainer = Trainer(recipe.shrink(TINY), dataset(), recipe, 0)
    assert trainer.next_epoch().train_loss == pytest.approx(-(target * logs).sum(1).mean(), rel=1e-4)


def test_an_augmented_training_learns():
    recipe = Recipe(
        resolution=16,
        width=1.0,
        epochs=2,
        batch_size=32,
        crop="random_resized",
        policy="randaugment",
        mixup=0.2,
        cutmix=1.0,
    )
    epochs = list(Trainer(recipe.shrink(TINY), dataset(), recipe, 0).epochs())
    assert epochs[1].train_loss < epochs[0].train_loss
    again = Trainer(recipe.shrink(TINY), dataset(), recipe, 0).epochs()
    assert [untimed(epoch) for epoch in again] == [untimed(epoch) for epoch in epochs]
    assert math.isfinite(epochs[-1].valid_loss)
