"""How a network is trained: on which part of the task, and by which rules.

proxy          short, from scratch, to rank networks; the default of a search
inherit        short, from pretrained weights, to rank networks; the default of a search with such weights
scratch        a whole training run on hundreds to thousands of images; the default of ``nas train``
finetune       the same from pretrained weights; the default of ``nas train`` with such weights
distill        the same for a part of a network that was fine-tuned, which is its teacher; the default of
               ``nas train RUN`` after a search with such weights
efficientnet   350 epochs, as published for EfficientNet on ImageNet
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any

from pydantic import Field

from nas.errors import InputError
from search_spaces import ArchSpec, resize
from search_spaces.limits import MOST_PIXELS
from search_spaces.rules import AtMost, OneOf, validated

CROPS = ("none", "padded", "random_resized")
POLICIES = ("none", "autoaugment", "randaugment", "trivialaugment")

METRICS = ("accuracy", "soft_accuracy", "balanced_accuracy", "macro_f1")


def tested_metric(metric: str) -> str:
    """What a network that was ranked by ``metric`` is judged by on test images."""
    return "accuracy" if metric == "soft_accuracy" else metric


PUBLISHED_EPOCHS = 350
"""EfficientNet's schedule: five epochs of warm-up, then x 0.97 every 2.4."""

FEWEST_EPOCHS, MOST_EPOCHS = 4, 200
"""Limits of the epochs that ``Recipe.suited`` chooses."""

MARGIN = 32 / 224
"""How much larger images are before cropping, relative to the resolution: training crops at random,
evaluation in the middle.

Source: tensorflow/tpu, models/official/efficientnet/preprocessing.py, ``CROP_FRACTION``.
"""


def enlarged(resolution: int) -> int:
    """The side of images before they are cropped to ``resolution``: 256 for 224."""
    return resolution + round(MARGIN * resolution)


def at_least(least: int) -> Any:
    """The rule of an integer's lower bound; its message names the type."""
    return Field(ge=least, description=f"be an integer of at least {least}")


Positive = Annotated[float, Field(gt=0), AtMost(1000)]
NotNegative = Annotated[float, Field(ge=0, description="be 0 or more"), AtMost(1000)]
Rate = Annotated[float, Field(ge=0, lt=1, description="be in [0, 1)")]
Share = Annotated[float, Field(gt=0, le=1, description="be in (0, 1]")]


@validated
class Recipe:
    """The rules of a training run. The defaults are the proxy's, chosen by ``nas audit`` (LOG.md).

    Args:
        resolution: side of the images, in pixels; 0 takes the network's own.
        least_resolution: where ``resolution`` is 0, a whole training run takes that of the images, if that is
            below the network's own, but at least this, in pixels; 0 always takes the network's own.
        width: factor on every channel count of the network.
        divisor: channel counts are then rounded to its multiples. With a small one, the FLOPs of scaled
            networks keep their proportions.
        epochs: passes over the training images; 0 for as many as ``seen`` asks for.
        seen: images to train on in all, if ``epochs`` is 0; one that is passed n times counts n times.
        fraction: share of the training images that is used, from the first on.
        batch_size: images per step.
        optimizer: ``adamw``, or ``rmsprop`` as in TensorFlow.
        learning_rate: the schedule's peak, for ``learning_rate_batch`` images per step.
        learning_rate_batch: the peak is proportional to ``batch_size`` / this; 0 for a fixed peak.
        head_rate: factor on the learning rate of the classifier, which begins fresh among pretrained weights.
        weight_decay: decoupled and on weights of two or more dimensions for ``adamw``; for ``rmsprop`` added
            to the gradient of all but BN's, as published.
        schedule: after the warm-up ``cosine`` falls to zero; ``exponential`` multiplies by 0.97 some 145
            times, which for 350 epochs is every 2.4. Another number of epochs stretches it.
        warmup: share of the training run in which the learning rate rises.
        bn_momentum: of BN's running statistics, as torch defines it.
        frozen_bn: with pretrained weights, BN keeps the statistics that it begins with.
        zero_start: the classifier and the last BN of residual branches begin at zero, so that a deep network
            begins as a shallow one (Goyal et al. 2017, arXiv:1706.02677, sec. 5.1). Otherwise EfficientNet's
            initialisation.
        class_weights: ``balanced`` weighs each image by one over the number of its class, with a mean of 1.
        label_smoothing: share of the target that is spread over all classes.
        teacher_share: of a teacher's outputs in the loss; the rest is that of the labels.
        temperature: that softens both outputs, as in distillation.
        ema: decay of the averaged weights that are evaluated, 0 for none; at most (1 + step) / (10 + step).
        dropout: rate before the classifier.
        stochastic_depth: rate at which the last residual branch is dropped; it grows from 0 at the first.
        crop: ``padded`` by an eighth, or ``random_resized`` to 10 to 100 % of the area.
        flip: mirror half of the images.
        policy: EfficientNet's AutoAugment, RandAugment (2, 10) or TrivialAugment.
        mixup: alpha of the beta distribution, 0 for none.
        cutmix: likewise; with both, each batch draws one.
        precision: ``bfloat16`` uses autocast; ``auto`` does so where it is faster.
        metric: what a trial's accuracy is: the share of right answers; their mean probability, which moves
            less from seed to seed and so ranks better (LOG.md); or a mean over classes.

    Source of ``EFFICIENTNET``: tensorflow/tpu, models/official/efficientnet/main.py, utils.py.
    """

    resolution: Annotated[
        int, Field(ge=0, description="be an integer of at least 8"), AtMost(MOST_PIXELS)
    ] = 32
    least_resolution: Annotated[int, at_least(0), AtMost(MOST_PIXELS)] = 0
    width: Positive = 0.25
    divisor: Annotated[int, at_least(1), AtMost(1024)] = 8
    epochs: Annotated[int, Field(ge=0, description="be an integer of at least 1"), AtMost(1_000_000)] = 6
    seen: Annotated[int, at_least(0), AtMost(10**12)] = 0
    fraction: Share = 1.0
    batch_size: Annotated[int, at_least(2), AtMost(1_000_000)] = 64
    optimizer: Annotated[str, OneOf(("adamw", "rmsprop"))] = "adamw"
    learning_rate: Annotated[float, Field(gt=0), AtMost(1e30)] = 0.01
    learning_rate_batch: Annotated[int, at_least(0), AtMost(1_000_000)] = 0
    head_rate: Positive = 1.0
    weight_decay: NotNegative = 0.05
    schedule: Annotated[str, OneOf(("cosine", "exponential"))] = "cosine"
    warmup: Rate = 0.1
    bn_momentum: Share = 0.1
    frozen_bn: bool = False
    zero_start: bool = True
    label_smoothing: Rate = 0.0
    teacher_share: Share = 0.7
    temperature: Positive = 2.0
    ema: Rate = 0.0
    dropout: Rate = 0.0
    stochastic_depth: Rate = 0.0
    crop: Annotated[str, OneOf(CROPS)] = "none"
    flip: bool = False
    policy: Annotated[str, OneOf(POLICIES)] = "none"
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0
    precision: Annotated[str, OneOf(("auto", "float32", "bfloat16"))] = "auto"
    class_weights: Annotated[str, OneOf(("none", "balanced"))] = "none"
    metric: Annotated[str, OneOf(METRICS)] = "accuracy"

    def __post_init__(self) -> None:
        if 0 < self.resolution < 8:
            raise ValueError(f"resolution must be an integer of at least 8, got {self.resolution}")
        if not self.epochs and not self.seen:
            raise ValueError("epochs must be an integer of at least 1, got 0")

    def suited(self, images: int) -> Recipe:
        """The recipe for ``images`` training images: with the epochs that they need, if it has none."""
        if self.epochs:
            return self
        passes = round(self.seen / max(1.0, self.fraction * images))
        return dataclasses.replace(self, epochs=min(max(passes, FEWEST_EPOCHS), MOST_EPOCHS))

    def shrink(self, arch: ArchSpec, reference: int | None = None) -> ArchSpec:
        """The network that is trained in place of ``arch``.

        Args:
            reference: the resolution, in pixels, that becomes ``self.resolution``; others become larger or
                smaller in proportion. None takes that of ``arch``.

        Raises:
            InputError: if the network would be larger than an ``ArchSpec`` may be.
        """
        own = arch.resolution
        resolution = round(self.resolution * own / (reference or own)) if self.resolution else own
        if (self.width, self.divisor) == (1.0, 8) and resolution == own:
            return arch
        try:
            return resize(arch, self.width, resolution=max(1, resolution), divisor=self.divisor)
        except ValueError as error:
            which = f"width {self.width:g} and resolution {resolution}"
            raise InputError(
                f"width must leave networks within their limits ({error}), got {which}"
            ) from None

    def peak(self) -> float:
        """The highest learning rate of the schedule, for this batch size."""
        scale = self.batch_size / self.learning_rate_batch if self.learning_rate_batch else 1.0
        return self.learning_rate * scale

    def rate(self, step: int, steps: int) -> float:
        """The learning rate at ``step``, counted from 0, of ``steps``."""
        rising = self.warmup * steps
        if self.schedule == "cosine":
            if step < rising:
                return self.peak() * (step + 1) / (rising + 1)
            return self.peak() * (0.5 + 0.5 * math.cos(math.pi * (step - rising) / (steps - rising)))
        if step < rising:
            return self.peak() * step / rising
        # The decay counts from the first step, so after the warm-up the rate begins at 0.97^2 of the peak.
        # In integers: with rounded quotients the 75th decay, in epoch 180, would come a step late.
        return float(self.peak() * 0.97 ** (step * PUBLISHED_EPOCHS * 10 // (steps * 24)))


EFFICIENTNET = Recipe(
    resolution=0,
    width=1.0,
    epochs=PUBLISHED_EPOCHS,
    batch_size=256,
    optimizer="rmsprop",
    learning_rate=0.016,
    learning_rate_batch=256,
    weight_decay=1e-5,
    schedule="exponential",
    warmup=5 / PUBLISHED_EPOCHS,
    bn_momentum=0.01,
    zero_start=False,
    label_smoothing=0.1,
    ema=0.9999,
    dropout=0.2,
    stochastic_depth=0.2,
    crop="random_resized",
    flip=True,
    policy="autoaugment",
)
FINETUNE = Recipe(
    resolution=0,
    least_resolution=96,
    width=1.0,
    epochs=0,
    seen=28_000,
    batch_size=32,
    learning_rate=5e-4,
    head_rate=5.0,
    frozen_bn=True,
    crop="padded",
    flip=True,
    label_smoothing=0.1,
)
DISTILL = dataclasses.replace(FINETUNE, frozen_bn=False, learning_rate=1e-3, head_rate=1.0)
SCRATCH = Recipe(
    resolution=0,
    least_resolution=32,
    width=1.0,
    epochs=0,
    seen=200_000,
    learning_rate=3e-3,
    crop="padded",
    flip=True,
    label_smoothing=0.1,
)
INHERIT = Recipe(resolution=48, width=1.0, epochs=2, learning_rate=1e-3, flip=True, metric="soft_accuracy")
RECIPES = {
    "proxy": Recipe(),
    "inherit": INHERIT,
    "scratch": SCRATCH,
    "finetune": FINETUNE,
    "distill": DISTILL,
    "efficientnet": EFFICIENTNET,
}
_PRETRAINED = {"proxy": "inherit", "scratch": "finetune"}


def default_recipe(name: str, *, pretrained: bool) -> str:
    """``proxy`` or ``scratch``; with pretrained weights the name of the recipe that takes its place."""
    return _PRETRAINED[name] if pretrained else name
