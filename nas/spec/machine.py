"""How much of the machine this process may use, given the limits of its container."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpu_count() -> int:
    """CPUs that this process may use: those in its affinity, up to its container's limit."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cpus, _cpu_quota())))


def _cpu_quota() -> float:
    """The container's CPU limit, from cgroup v2 or v1; infinite if there is none."""
    try:
        if (file := CGROUP / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            files = [CGROUP / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
            quota, period = (file.read_text() for file in files)
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError):  # "max", or no cgroup
        return math.inf
