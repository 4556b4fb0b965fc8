"""A task that a tiny network learns in a few steps, and short recipes for it."""

import dataclasses

import numpy as np

from nas.data import Dataset, Part
from nas.spec.recipe import Recipe
from search_spaces import ArchSpec

TINY = ArchSpec.parse("res64-silu-stem8-conv_r1_k3_s2_c8-mb3_r2_k3_s2_c16_se0.25-head64")  # stride 8
SHORT = Recipe(resolution=16, width=1.0, epochs=2, batch_size=32, learning_rate=0.01)
AVERAGED = dataclasses.replace(SHORT, ema=0.99, dropout=0.2, stochastic_depth=0.2, flip=True, epochs=3)


def blocks(count=160, size=16, channels=1, classes=4, seed=0):
    """Noise with one bright quadrant, which is the class: learned in a few steps."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 100, (count, size, size, channels), np.uint8)
    half = size // 2
    for image, label in zip(images, labels, strict=True):
        image[half * (label // 2) :][:half, half * (label % 2) :][:, :half] += 120
    return images, labels.astype(np.int64)


def dataset(**options):
    return Dataset("blocks", tuple("abcd"), Part(*blocks(**options)), Part(*blocks(**options | {"seed": 1})))


def untimed(epoch):
    """An epoch without its time and memory."""
    return epoch._replace(seconds=0.0, images_per_second=None, peak_memory=None)
