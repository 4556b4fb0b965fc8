"""In what unit a cost is kept, by its name: latencies in milliseconds, memory in bytes, else a number."""

from __future__ import annotations


def is_time(name: str) -> bool:
    """Whether a cost is a time, in milliseconds."""
    return "latency" in name.lower()


def is_bytes(name: str) -> bool:
    """Whether a cost is memory, in bytes."""
    return "memory" in name.lower()
