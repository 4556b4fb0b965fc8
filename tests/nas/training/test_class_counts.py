"""Uneven classes: weights of the loss, and metrics that are means over classes."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as sklearn

from nas.data import Dataset, Part
from nas.spec.recipe import Recipe
from nas.training.class_counts import ClassCounts, class_weights, weighted_loss
from nas.training.trainer import Trainer, train
from search_spaces import ArchSpec

TINY = ArchSpec.parse("res8-silu-stem8-conv_r1_k3_s1_c8-head16")
RECIPE = Recipe(resolution=8, width=1.0, epochs=4, batch_size=16)


def uneven(common, rare):
    """Two classes that cannot be told apart by their pixels: the answer depends on their weights alone."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * common + [1] * rare)
    images = rng.integers(0, 256, (len(labels), 8, 8, 1), np.uint8)
    order = rng.permutation(len(labels))
    return Part(images[order], labels[order])


def test_weights_are_inverse_to_the_images_and_one_on_average():
    labels = torch.tensor([0] * 6 + [1] * 3 + [3])
    weights = class_weights(labels, 4)
    assert weights.tolist() == pytest.approx([10 / 18, 10 / 9, 0, 10 / 3])
    assert weights[labels].mean().item() == pytest.approx(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equal_weights_change_nothing_and_batches_add_up(smoothing):
    generator = torch.Generator().manual_seed(0)
    logits, target = torch.randn(8, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    plain = F.cross_entropy(logits, target, label_smoothing=smoothing)
    assert torch.equal(weighted_loss(logits, target, None, smoothing), plain)
    torch.testing.assert_close(weighted_loss(logits, target, torch.ones(3), smoothing), plain)
    weights = class_weights(target, 3)
    whole = weighted_loss(logits, target, weights, smoothing)
    halves = [weighted_loss(logits[i : i + 4], target[i : i + 4], weights, smoothing) for i in (0, 4)]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, whole)
    shares = F.one_hot(target, 3).float()  # as mixed images have them
    torch.testing.assert_close(weighted_loss(logits, shares, weights, smoothing), whole)


def test_a_rare_class_is_predicted_if_classes_are_weighted():
    data = Dataset("d", ("common", "rare"), uneven(190, 10), uneven(60, 60))
    shares = []
    for weighting in ("none", "balanced"):
        trainer = Trainer(TINY, data, dataclasses.replace(RECIPE, class_weights=weighting), 0)
        for _ in trainer.epochs():
            pass
        with torch.no_grad():
            logits = trainer.judged.eval()(trainer.normalise(trainer.valid_images.range(0, 120)))
        shares.append(logits.softmax(1)[:, 1].mean().item())
    assert shares[0] < 0.2 < 0.35 < shares[1] < 0.65


def test_metrics_from_counts_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 100), rng.integers(0, 5, 100)  # nothing is of the last class
    counts = ClassCounts(5, "cpu")
    for some in (slice(0, 60), slice(60, 100)):
        counts.add(torch.tensor(labels[some]), torch.tensor(predicted[some]))
    recall = sklearn.recall_score(labels, predicted, labels=range(4), average="macro")
    assert counts.measure("balanced_accuracy") == pytest.approx(recall)
    expected = sklearn.f1_score(labels, predicted, labels=range(4), average="macro")
    assert counts.measure("macro_f1") == pytest.approx(expected)


def test_a_trial_is_judged_by_the_recipes_metric():
    data = Dataset("d", ("common", "rare"), uneven(60, 4), uneven(95, 5), uneven(45, 5))
    found = {}
    for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
        recipe = dataclasses.replace(RECIPE, epochs=2, metric=metric)
        *_, last = train(TINY, data, recipe, 0, test=True)
        found[metric] = last.accuracy, last.test_accuracy, last.valid_loss
    assert len({losses[2] for losses in found.values()}) == 1  # the training is the same
    assert found["accuracy"][:2] == (0.95, 0.9)  # always the common class
    assert found["balanced_accuracy"][:2] == (0.5, 0.5)
    assert found["macro_f1"][0] == pytest.approx(190 / 195 / 2)


def test_soft_accuracy_is_the_mean_probability_of_the_right_class_and_test_images_are_judged_by_accuracy():
    data = Dataset("d", ("common", "rare"), uneven(60, 4), uneven(95, 5), uneven(45, 5))
    trainer = Trainer(TINY, data, dataclasses.replace(RECIPE, epochs=1, metric="soft_accuracy"), 0)
    (epoch,) = trainer.epochs()
    images, labels = trainer.valid_images.range(0, 100), torch.as_tensor(data.valid.labels)
    with torch.no_grad():
        probabilities = trainer.judged.eval()(trainer.normalise(images)).softmax(1)
    expected = probabilities[torch.arange(100), labels].mean().item()
    assert epoch.accuracy == pytest.approx(expected, abs=1e-6)
    assert trainer.test_accuracy() == 0.9  # always the common class
