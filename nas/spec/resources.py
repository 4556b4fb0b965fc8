"""Where trials run, and what each is given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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
