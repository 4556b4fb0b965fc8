"""Starts or joins Ray."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import ray

from nas.errors import InputError
from nas.spec.machine import cpu_count


@contextlib.contextmanager
def cluster(address: str) -> Iterator[dict[str, float]]:
    """Yields the CPUs and GPUs of Ray, started (``local``) or joined (``auto``; InputError if none runs)."""
    local = address == "local"
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address="local" if local else "auto",
            num_cpus=cpu_count() if local else None,
            include_dashboard=False if local else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except ConnectionError as error:
        raise InputError(f"address auto must find a running Ray cluster ({error})") from None
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
