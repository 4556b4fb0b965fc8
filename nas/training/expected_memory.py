"""The memory that a training run is expected to need, in closed form."""

from __future__ import annotations

from nas.data import Dataset
from nas.spec.recipe import Recipe
from search_spaces import ArchSpec, cost

PROCESS = 600_000_000
"""Bytes of a process that has trained a network, apart from what depends on the network or the images."""
ACTIVATION_COPIES = 4.5
"""Copies of each activation in training: what convolution, BN and activation keep, and gradients."""
FROZEN_COPIES = 3.0
"""Likewise where BN is part of the convolution; an upper bound of measured peaks, not a fit (LOG.md)."""
WEIGHT_COPIES = 10
"""Copies of each weight: gradient, two moments, and work space of the optimiser and the convolutions."""
EVALUATED_COPIES = 3.5
"""Copies of the largest map in evaluation.

The other four constants are fitted to measured peaks on a CPU: ``benchmarks/memory.py``, LOG.md.
"""
EVALUATED = 512
"""Images that are evaluated at a time, at most."""
EVALUATED_MAP = 2**24
"""Elements of the largest map of them, at most, on a CPU: beyond its cache, more gain nothing (LOG.md)."""


def expected_peak(arch: ArchSpec, data: Dataset, recipe: Recipe) -> int:
    """The peak, in bytes, that a training run of ``arch``, after ``Recipe.shrink``, is expected to reach."""
    from nas.training.pixels import CHUNK, RESIDENT_ON_CPU
    from nas.training.trainer import NORMALISED_BY

    channels = data.train.images.shape[3]
    price = cost(arch, data.num_classes, channels)
    pixels = arch.resolution**2 * channels
    train, valid = recipe.fraction * len(data.train.labels), len(data.valid.labels)
    number = 2 if recipe.precision == "bfloat16" else 4  # bytes of an activation
    images = data.train.images.nbytes + data.valid.images.nbytes
    images += sum(min(int(count) * pixels, RESIDENT_ON_CPU) for count in (train, valid))
    loading = 4 * pixels * max(CHUNK, 1.3 * min(train, NORMALISED_BY))
    weights = 4 * (WEIGHT_COPIES + bool(recipe.ema)) * price.params
    copies = FROZEN_COPIES if recipe.frozen_bn else ACTIVATION_COPIES
    training = number * copies * min(recipe.batch_size, train) * price.activations
    evaluation = number * EVALUATED_COPIES * min(evaluated_at_once(arch, "cpu"), valid) * largest_map(arch)
    return int(PROCESS + images + max(loading, weights + max(training, evaluation)))


def evaluated_at_once(arch: ArchSpec, device: str) -> int:
    """Images to evaluate at a time, a power of two."""
    fit = EVALUATED_MAP // largest_map(arch) if device == "cpu" else EVALUATED
    return 1 << min(max(fit, 1), EVALUATED).bit_length() - 1


def largest_map(arch: ArchSpec) -> int:
    """Elements of the largest layer output for one image."""
    size = -(-arch.resolution // arch.stem_stride)
    most = arch.stem_channels * size * size
    if arch.stem_pool:
        size = -(-size // 2)
    for layer in arch.layers():
        inside = layer.in_channels * layer.expand_ratio if layer.op == "mbconv" else layer.channels
        if layer.op == "mbconv" and layer.expand_ratio != 1:
            most = max(most, inside * size * size)
        size = -(-size // layer.stride)
        most = max(most, inside * size * size)
    return max(most, arch.head_channels * size * size)
