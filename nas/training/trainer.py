"""Trains one network: deterministically, at the hardware's speed, restorable after every epoch.

Shapes: N images, B per batch, C channels, H = W pixels, K classes.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas.data import Dataset
from nas.spec.recipe import Recipe, tested_metric
from nas.spec.seeds import epoch_seed
from nas.spec.trial import Epoch
from nas.training import peak_memory
from nas.training.allocator import keep_memory
from nas.training.augment import augment
from nas.training.bn_statistics import re_estimate
from nas.training.class_counts import ClassCounts, class_weights, weighted_loss
from nas.training.cuda_graph import CapturedStep
from nas.training.expected_memory import evaluated_at_once
from nas.training.initial import adapted, initial_network
from nas.training.layouts import per_channel
from nas.training.optimizers import WeightAverage, make_optimizer, set_rate
from nas.training.pixels import Normaliser, Pixels, fit, normaliser
from nas.training.precision import autocast, uses_bfloat16
from nas.training.pulse import PULSE
from nas.training.teacher import Teacher, distillation_loss
from search_spaces import ArchSpec
from search_spaces.network import freeze_statistics

if TYPE_CHECKING:
    from nas.training.pretrained import Pretrained

CURVE_IMAGES = 512  # enough for a curve (standard error 0.02), and cheap
NORMALISED_BY = 4096  # images
ESTIMATED_BY = 512  # images


def train(
    arch: ArchSpec,
    data: Dataset,
    recipe: Recipe,
    seed: int,
    device: str = "cpu",
    reference: int | None = None,
    *,
    init: Pretrained | None = None,
    test: bool = False,
) -> Iterator[Epoch]:
    """Trains ``arch`` by ``recipe``, and yields each epoch.

    The last epoch's accuracy, on the whole validation part, is the trial's. Earlier ones are points of the
    learning curve, measured on the first ``CURVE_IMAGES`` validation images.

    Args:
        arch: the full network; ``recipe.shrink`` resizes it.
        seed: for all that is random. Equal arguments give equal results on a CPU.
        device: as torch names it.
        reference: see ``Recipe.shrink``.
        init: the weights to begin with; None trains from scratch.
        test: measure the accuracy on the test part, if there is one, after the last epoch.

    Raises:
        ArithmeticError: if the loss is no longer finite.
    """
    trainer = Trainer(recipe.shrink(arch, reference), data, recipe, seed, device, init=init)
    for epoch in trainer.epochs():
        last = test and epoch.epoch == recipe.epochs
        yield epoch._replace(test_accuracy=trainer.test_accuracy()) if last else epoch


class Trainer:
    """A training run in progress.

    All randomness of an epoch follows from ``seed`` and the epoch's number, so a trainer that is restored
    from ``state_dict`` goes on exactly as it would have.

    Args:
        arch: the network to train, not resized.
        device: as torch names it.
        init: the weights to begin with, and how their images were normalised; None for fresh ones.
        teacher: a trained network of the same classes whose outputs are learned too; None for labels alone.
        whole_curve: evaluate on all validation images after each epoch, not only after the last.

    Attributes:
        network: the one that is trained.
        average: the moving average of its weights, or None; see ``judged``.
        epoch: how many have finished.
        at_once: images that are evaluated at a time.
        on_step: called after every step.
    """

    def __init__(
        self,
        arch: ArchSpec,
        data: Dataset,
        recipe: Recipe,
        seed: int,
        device: str = "cpu",
        *,
        init: Pretrained | None = None,
        teacher: Pretrained | None = None,
        whole_curve: bool = False,
    ) -> None:
        keep_memory()
        self.arch, self.data, self.recipe, self.seed, self.device = arch, data, recipe, seed, device
        self.whole_curve = whole_curve
        self.epoch = 0
        self.seconds = 0.0
        peak_memory.reset_peak(device)
        self.on_step: Callable[[], None] = lambda: None
        count = max(2, round(recipe.fraction * len(data.train.labels)))  # BN needs two images
        cropped = recipe.crop == "random_resized"
        self.train_images = Pixels(
            data.train, device, arch.resolution, count, "margin" if cropped else "whole"
        )
        self.valid_images = Pixels(data.valid, device, arch.resolution, view="centre" if cropped else "whole")
        if init is None:
            self.normalise = normaliser(self.train_images.range(0, NORMALISED_BY))
        else:
            channels = data.train.images.shape[3]
            mean, deviation = (per_channel(values, channels) for values in (init.mean, init.deviation))
            self.normalise = Normaliser.of(mean, deviation, device)
            init = adapted(init, channels, self._first_images(), device)
        self.network = initial_network(arch, data, recipe, seed, device, init)
        if init is not None:
            if dataclasses.replace(init.arch, resolution=arch.resolution) != arch:
                re_estimate(self.network, self._first_images())
            if recipe.frozen_bn:
                freeze_statistics(self.network)
        self.average = WeightAverage(copy.deepcopy(self.network), recipe.ema) if recipe.ema else None
        self.optimizer = make_optimizer(self.network, recipe, device)
        labels, balanced = self.train_images.labels, recipe.class_weights == "balanced"
        self.class_weights = class_weights(labels, data.num_classes) if balanced else None  # [K]
        self.teacher = Teacher(teacher, device) if teacher else None
        self.batch_size = min(recipe.batch_size, count)
        self.steps_per_epoch = count // self.batch_size  # an incomplete batch is left out
        self.at_once = evaluated_at_once(arch, device)
        self.bfloat16 = uses_bfloat16(recipe.precision, device)
        cuda = torch.device(device).type == "cuda"
        self.captured = CapturedStep(self.network, self.optimizer) if cuda else None

    @property
    def judged(self) -> nn.Module:
        """The network that is evaluated and kept."""
        return self.average.network if self.average else self.network

    def _first_images(self) -> Iterator[Tensor]:
        """Batches of training images `[B, C, H, W]`, normalised, to estimate BN's statistics from."""
        for start in range(0, min(ESTIMATED_BY, len(self.train_images)), self.recipe.batch_size):
            images = self.train_images.range(start, start + self.recipe.batch_size)
            yield self.normalise(fit(images, self.arch.resolution, "whole"))

    def epochs(self) -> Iterator[Epoch]:
        """The epochs that are left; raises as ``next_epoch``."""
        while self.epoch < self.recipe.epochs:
            yield self.next_epoch()

    def next_epoch(self) -> Epoch:
        """Trains one more epoch and evaluates the network.

        Raises:
            ArithmeticError: if the loss is no longer finite.
        """
        started = time.perf_counter()
        train_loss = self._train_epoch()
        images_per_second = self.steps_per_epoch * self.batch_size / (time.perf_counter() - started)
        self.epoch += 1
        if not math.isfinite(train_loss):
            raise ArithmeticError(f"loss is {train_loss} in epoch {self.epoch}")
        whole = self.whole_curve or self.epoch == self.recipe.epochs
        valid_loss, accuracy = self.evaluate(self.valid_images, None if whole else CURVE_IMAGES)
        if not math.isfinite(valid_loss):
            raise ArithmeticError(f"validation loss is {valid_loss} in epoch {self.epoch}")
        self.seconds += time.perf_counter() - started
        return Epoch(
            *(self.epoch, train_loss, valid_loss, accuracy, self.seconds),
            images_per_second=images_per_second,
            peak_memory=peak_memory.peak(self.device),
        )

    def test_accuracy(self) -> float | None:
        """Accuracy of ``judged`` on the test part; None if there is none.

        It is that of the recipe's ``metric``, or top-1 accuracy where that is the soft one.
        """
        if self.data.test is None:
            return None
        pixels = Pixels(self.data.test, self.device, self.arch.resolution, view=self.valid_images.view)
        return self.evaluate(pixels, metric=tested_metric(self.recipe.metric))[1]

    def state_dict(self) -> dict[str, Any]:
        """Everything that ``load_state_dict`` needs to go on: tensors and numbers, by name."""
        return {
            "epoch": self.epoch,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.network.state_dict() if self.average else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the state that ``state_dict`` gave for a trainer with the same arguments."""
        self.epoch, self.seconds = state["epoch"], state["seconds"]
        self.network.load_state_dict(state["network"])
        # Keep this optimiser's groups: their options depend on the device, and steps set the rates.
        own = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**own, "state": state["optimizer"]["state"]})
        if self.average:
            self.average.network.load_state_dict(state["average"])

    def _train_epoch(self) -> float:
        """Trains one epoch; its mean loss."""
        with _seeded(self.seed, self.epoch, self.device):
            losses = sum(self.steps(), torch.zeros((), device=self.device))
        return losses.item() / self.steps_per_epoch

    def steps(self) -> Iterator[Tensor]:
        """Makes the updates of one epoch and yields each loss; draws from torch's default generators."""
        self.network.train()
        steps = self.steps_per_epoch
        order = torch.randperm(len(self.train_images))[: steps * self.batch_size]
        for i, (images, labels) in enumerate(self._batches(order)):
            step = self.epoch * steps + i
            set_rate(self.optimizer, self.recipe.rate(step, self.recipe.epochs * steps))
            images, target = augment(images, labels, self.recipe, self.arch.resolution, self.data.num_classes)
            loss = self.captured(self._step, images, target) if self.captured else self._step(images, target)
            if self.average:
                self.average.update(self.network, step + 1)
            PULSE.beat()
            self.on_step()
            yield loss

    def _batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels in ``order`` `[M]`, batch by batch."""
        return self.train_images.batches(order, self.batch_size)

    def _step(self, images: Tensor, target: Tensor) -> Tensor:
        """Makes one update on images `[B, C, H, W]`; its loss."""
        with autocast(self.device, bfloat16=self.bfloat16):
            logits = self.network(self.normalise(images))
            theirs = self.teacher(images) if self.teacher else None
        loss = weighted_loss(logits.float(), target, self.class_weights, self.recipe.label_smoothing)
        if theirs is not None:
            recipe = self.recipe
            soft = distillation_loss(logits.float(), theirs.float(), recipe.temperature)
            loss = loss.lerp(soft, recipe.teacher_share)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(
        self, pixels: Pixels, count: int | None = None, metric: str | None = None
    ) -> tuple[float, float]:
        """Mean cross-entropy and accuracy of ``judged`` on the first ``count`` images, or on all.

        The accuracy is that of ``metric``, by default the recipe's.
        """
        metric = metric or self.recipe.metric
        network = self.judged
        network.eval()
        labels = pixels.labels[:count]
        loss = torch.zeros((), device=self.device)
        right = torch.zeros((), dtype=torch.float64, device=self.device)
        by_class = metric in ("balanced_accuracy", "macro_f1")
        counts = ClassCounts(self.data.num_classes, self.device) if by_class else None
        for start in range(0, len(labels), self.at_once):
            y = labels[start : start + self.at_once]
            with autocast(self.device, bfloat16=self.bfloat16):
                logits = network(self.normalise(pixels.range(start, start + len(y)))).float()
            PULSE.beat()
            loss += F.cross_entropy(logits, y, reduction="sum")
            predicted = logits.argmax(1)
            if counts:
                counts.add(y, predicted)
            elif metric == "soft_accuracy":
                right += logits.softmax(1).gather(1, y[:, None]).sum()
            else:
                right += (predicted == y).sum()
        images = torch.full_like(right, len(labels))
        sums = self._of_all(torch.stack([loss.double(), right, images]))
        if counts:
            counts.counts = self._of_all(counts.counts)
        total_loss, total_right, total = sums.tolist()
        return total_loss / total, counts.measure(metric) if counts else total_right / total

    def _of_all(self, sums: Tensor) -> Tensor:
        """The sums over all processes that train the network: here, over this one."""
        return sums


@contextlib.contextmanager
def _seeded(seed: int, epoch: int, device: str) -> Iterator[None]:
    """Seeds torch's default generators for one epoch, and restores them after it."""
    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(epoch_seed(seed, epoch))
        yield
