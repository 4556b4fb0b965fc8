"""Memory: what a training had at its peak, what there is, and what a training is expected to need."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from nas.training.allocator import release_memory

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


def _kilobytes(file: Path, name: str) -> int:
    """The number behind ``name:`` in a file of /proc.

    Raises:
        LookupError: if there is none.
    """
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)
