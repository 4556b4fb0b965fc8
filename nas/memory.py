"""Memory: what a training had at its peak, what there is, and what a training is expected to need."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nas.allocator import release_memory
from search_spaces import ArchSpec, cost

if TYPE_CHECKING:
    from nas.data import Dataset
    from nas.recipe import Recipe

PROCESS = 600_000_000
"""Bytes of a process that has trained a network, without what depends on the network or the images."""
ACTIVATION_COPIES = 4.5
"""Of each activation while weights are trained: what convolution, BN and activation keep, and gradients."""
WEIGHT_COPIES = 10
"""Of each weight: gradient, two moments, and what the optimiser and the convolutions set aside for them."""
EVALUATED_COPIES = 3.5
"""Of the largest map while a network is evaluated.

These four are fitted to measured peaks on a CPU: ``benchmarks/memory.py``, LOG.md.
"""

PROC = Path("/proc/self")
CGROUP = Path("/sys/fs/cgroup")


def reset_peak(device: str) -> None:
    """From here on ``peak`` counts; where the system cannot do that on a CPU, since the process began."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.init()  # or there is nothing to reset yet, which is an error
        torch.cuda.reset_peak_memory_stats(device)
        return
    release_memory()  # what an earlier training has freed may still be resident
    with contextlib.suppress(OSError):
        (PROC / "clear_refs").write_text("5")  # VmHWM falls to what is resident now: man 5 proc


def peak(device: str) -> int | None:
    """The most memory since ``reset_peak``, in bytes; None where the system does not say.

    On a GPU what tensors had there; on a CPU what of the whole process was resident.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, LookupError):
        return 1024 * _kilobytes(PROC / "status", "VmHWM")
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def available(device: str) -> int | None:
    """Bytes that processes could still have here, or of a whole GPU; None where the system does not say."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        free = 1024 * _kilobytes(Path("/proc/meminfo"), "MemAvailable")
    except (OSError, LookupError):
        return None
    try:  # a container's limit, where there is one
        limit, used = ((CGROUP / name).read_text() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):
        return free


def expected_peak(arch: ArchSpec, data: Dataset, recipe: Recipe) -> int:
    """Bytes that a training is expected to have at its peak, in closed form.

    Args:
        arch: the network as it is trained: what ``Recipe.shrink`` gives.
    """
    from nas.images import CHUNK, RESIDENT_ON_CPU
    from nas.training import EVAL_BATCH, NORMALISED_BY

    channels = data.train.images.shape[3]
    price = cost(arch, data.num_classes, channels)
    pixels = arch.resolution**2 * channels
    train, valid = recipe.fraction * len(data.train.labels), len(data.valid.labels)
    number = 2 if recipe.precision == "bfloat16" else 4  # bytes of an activation
    images = data.train.images.nbytes + data.valid.images.nbytes
    images += sum(min(int(count) * pixels, RESIDENT_ON_CPU) for count in (train, valid))
    loading = 4 * pixels * max(CHUNK, 1.3 * min(train, NORMALISED_BY))
    weights = 4 * (WEIGHT_COPIES + bool(recipe.ema)) * price.params
    training = number * ACTIVATION_COPIES * min(recipe.batch_size, train) * price.activations
    evaluation = number * EVALUATED_COPIES * min(EVAL_BATCH, valid) * largest_map(arch)
    return int(PROCESS + images + max(loading, weights + max(training, evaluation)))


def largest_map(arch: ArchSpec) -> int:
    """Elements of the largest output of a layer for one image."""
    size = -(-arch.resolution // arch.stem_stride)
    most = arch.stem_channels * size * size
    for layer in arch.layers():
        inside = layer.in_channels * layer.expand_ratio if layer.op == "mbconv" else layer.channels
        if layer.op == "mbconv" and layer.expand_ratio != 1:
            most = max(most, inside * size * size)
        size = -(-size // layer.stride)
        most = max(most, inside * size * size)
    return max(most, arch.head_channels * size * size)


def _kilobytes(file: Path, name: str) -> int:
    """The number behind ``name:`` in a file of /proc.

    Raises:
        LookupError: if there is none.
    """
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)
