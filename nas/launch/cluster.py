"""Ray, started or joined."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import ray

from nas.errors import InputError
from nas.spec.resources import Resources, fit


@contextlib.contextmanager
def cluster(resources: Resources) -> Iterator[Resources]:
    """Ray, started or joined, and the resources with nothing left open.

    Raises:
        InputError: if there is no cluster to join, or it lacks what a trial or the workers need.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address="local" if resources.address == "local" else "auto",
            include_dashboard=False if resources.address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except ConnectionError as error:
        raise InputError(f"address auto must find a running Ray cluster ({error})") from None
    try:
        yield fit(resources, ray.cluster_resources())
    finally:
        ray.shutdown()
