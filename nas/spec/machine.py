"""What this process may use of the machine, within a container's limits too."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpu_count() -> int:
    """CPUs that this process may use: those of its affinity, and no more than its container is given."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cpus, _cpu_quota())))


def _cpu_quota() -> float:
    """The limit of a container, cgroup v2 or v1; infinite without one."""
    try:
        if (file := CGROUP / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            quota, period = (
                (CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError):  # "max", or no cgroup
        return math.inf
