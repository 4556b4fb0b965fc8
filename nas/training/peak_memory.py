"""Memory: the peak of a training run, and how much is available."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

from nas.spec.machine import CGROUP
from nas.training.allocator import release_memory

PROC = Path("/proc/self")


def reset_peak(device: str) -> None:
    """Makes ``peak`` count from now; on a CPU, if the system cannot, it counts from the process's start."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.init()  # or there is nothing to reset yet, which is an error
        torch.cuda.reset_peak_memory_stats(device)
        return
    release_memory()  # what an earlier training run freed may still be resident
    with contextlib.suppress(OSError):
        (PROC / "clear_refs").write_text("5")  # VmHWM falls to what is resident now: man 5 proc


def peak(device: str) -> int:
    """The most memory used since ``reset_peak``, in bytes.

    On a GPU this is the memory of tensors; on a CPU, the resident memory of the whole process.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, LookupError):
        return 1024 * _kilobytes(PROC / "status", "VmHWM")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def available(device: str) -> int | None:
    """Bytes that processes can still use, or all bytes of a GPU; None if the system does not tell."""
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
    """The number after ``name:`` in a file of /proc.

    Raises:
        LookupError: if there is none.
    """
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)
