"""Memory on a CPU: kept between training steps, given back to the system between training runs."""

from __future__ import annotations

import ctypes
import functools

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT = 2**31 - 1  # bytes, the most that mallopt takes
PAD = 2**26


def keep_memory() -> None:
    """Makes glibc keep freed memory, because every step needs it again; without glibc, does nothing.

    Otherwise blocks above some megabytes go back to the system after each step, and it must clear their pages
    again: up to a fifth of a step's time, and several times more in a virtual machine (LOG.md).
    """
    if libc := _glibc():
        libc.mallopt(M_MMAP_THRESHOLD, KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
        libc.mallopt(M_TOP_PAD, PAD)


def release_memory() -> None:
    """Gives free memory back to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
