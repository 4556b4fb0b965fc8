"""Where trials run, and what each is given."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic import Field

from nas.errors import InputError
from search_spaces.rules import Number, OneOf, validated

ADDRESSES = ("local", "auto", "inline")
GPUS = "be a share of one GPU or a whole number"


@validated
class Resources:
    """Where trials run, and what each is given.

    Args:
        address: ``local`` starts Ray on this machine, ``auto`` joins the running cluster, ``inline``
            trains in this process.
        workers: trials at a time, of ``nas train`` the processes that share its one training; None takes as
            many as fit.
        cpus_per_trial: a trial's torch threads are its whole CPUs, at least one.
        gpus_per_trial: fractions share a GPU; None takes a whole one each where there are any.
        cache_size: of all packed images on a machine, in bytes.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    address: Annotated[str, OneOf(ADDRESSES)] = "local"
    workers: Annotated[int | None, Field(ge=1)] = None
    cpus_per_trial: Annotated[Number, Field(gt=0)] = 1.0
    gpus_per_trial: Annotated[float | None, Field(ge=0, description=GPUS)] = None
    cache_size: Annotated[int, Field(ge=1, description="be at least 1 byte")] = 50 * 10**9

    def __post_init__(self) -> None:
        gpus = self.gpus_per_trial
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError(f"gpus_per_trial must {GPUS}, got {gpus}")
        if self.address == "inline" and self.workers not in (None, 1):
            raise ValueError(f"workers must be 1 with `address` inline, got {self.workers}")


def fit(resources: Resources, available: dict[str, float]) -> Resources:
    """What is left open filled in; InputError if more is asked for than is available."""
    cpus, gpus = available.get("CPU", 0.0), available.get("GPU", 0.0)
    gpus_per_trial = resources.gpus_per_trial
    if gpus_per_trial is None:
        gpus_per_trial = 1.0 if gpus else 0.0
    if gpus_per_trial > gpus:
        raise InputError(
            f"gpus_per_trial must be at most the {gpus:g} GPUs there are, got {gpus_per_trial:g}"
        )
    if resources.cpus_per_trial > cpus:
        raise InputError(
            f"cpus_per_trial must be at most the {cpus:g} CPUs there are, got {resources.cpus_per_trial:g}"
        )
    fitting = cpus / resources.cpus_per_trial
    if gpus_per_trial:
        # A share must fit on one GPU: two GPUs hold four trials of 0.4, not five.
        sharing = int(1 / gpus_per_trial + 1e-9) * gpus if gpus_per_trial < 1 else gpus / gpus_per_trial
        fitting = min(fitting, sharing)
    most = max(1, int(fitting + 1e-9))
    workers = resources.workers or most
    if workers > most and resources.address == "local":  # a cluster may grow
        raise InputError(
            f"workers must be at most {most} ({cpus:g} CPUs at {resources.cpus_per_trial:g}, "
            f"{gpus:g} GPUs at {gpus_per_trial:g} a trial), got {workers}"
        )
    return dataclasses.replace(resources, workers=workers, gpus_per_trial=gpus_per_trial)
