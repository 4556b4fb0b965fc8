"""Short texts that all processes of a cluster can read, kept by Ray's head."""

from __future__ import annotations

import nas.launch.cluster  # noqa: F401 - sets the variables that Ray reads on import

# isort: split
from ray.experimental import internal_kv

NAMESPACE = b"nas"


def put(name: str, text: str) -> None:
    """Keeps a text where all processes of the cluster can read it."""
    internal_kv._internal_kv_put(name.encode(), text.encode(), namespace=NAMESPACE)


def get(name: str) -> str:
    """The text of ``name``; empty if there is none."""
    return (internal_kv._internal_kv_get(name.encode(), namespace=NAMESPACE) or b"").decode()


def names(prefix: str) -> list[str]:
    """All names that begin so."""
    return [name.decode() for name in internal_kv._internal_kv_list(prefix.encode(), namespace=NAMESPACE)]


def forget(name: str) -> None:
    """Deletes a text."""
    internal_kv._internal_kv_del(name.encode(), namespace=NAMESPACE)
