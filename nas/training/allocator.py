"""Memory on a CPU: kept between training steps, given back between trainings."""

from __future__ import annotations

import ctypes
import functools

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT = 2**31 - 1  # bytes, the most that mallopt takes
PAD = 2**26


def keep_memory() -> None:
    """Has glibc keep what is freed: every step needs the same again.

    Otherwise blocks above some megabytes go back to the system each time, which must then clear their pages
    again: up to a fifth of a step, and several times more in a virtual machine (LOG.md). Where there is no
    glibc, nothing happens.
    """
    if libc := _glibc():
        libc.mallopt(M_MMAP_THRESHOLD, KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
        libc.mallopt(M_TOP_PAD, PAD)


def release_memory() -> None:
    """Gives what is free back to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
