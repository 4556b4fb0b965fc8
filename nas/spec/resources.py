"""Where trials run, and the CPUs and GPUs of each."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from search_spaces.rules import AtMost, Number, validated

ADDRESSES = r"^(local|auto|inline|[A-Za-z0-9_.-]+:[0-9]{1,5}|\[[0-9a-fA-F:.]+\]:[0-9]{1,5})$"
WHERE = "be local, auto, inline or HOST:PORT of a cluster's head"
GPUS = "be a share of one GPU or a whole number"


@validated
class Resources:
    """Where trials run, and the CPUs and GPUs of each.

    Args:
        address: ``local`` starts Ray on this machine, ``auto`` joins the cluster that runs on it, HOST:PORT
            one by its head, and ``inline`` trains in this process.
        workers: concurrent trials, or for ``nas train`` the processes that share one training run; None takes
            as many as fit.
        cpus_per_trial: rounded down, but at least one, the number of a trial's torch threads.
        gpus_per_trial: with a fraction, trials share a GPU; None gives each a whole GPU if there are any.
        cache_size: limit of all packed images on a machine, in bytes.
        max_retries: how often a trial runs again if its worker dies or hangs, before it has failed.
        trial_timeout: seconds after which a trial has failed; None ends only trials that seem to hang.
        max_hours: that the command may take: a search begins no trial after which it would take longer.
    """

    address: Annotated[str, Field(pattern=ADDRESSES, description=WHERE)] = "local"
    workers: Annotated[int | None, Field(ge=1), AtMost(100_000)] = None
    cpus_per_trial: Annotated[Number, Field(gt=0), AtMost(100_000)] = 1.0
    gpus_per_trial: Annotated[float | None, Field(ge=0, description=GPUS), AtMost(100_000)] = None
    cache_size: Annotated[int, Field(ge=1, description="be at least 1 byte"), AtMost(10**18)] = 50 * 10**9
    max_retries: Annotated[int, Field(ge=0), AtMost(1000)] = 3
    trial_timeout: Annotated[float | None, Field(gt=0), AtMost(10**9)] = None
    max_hours: Annotated[float | None, Field(gt=0, lt=math.inf), AtMost(10**6)] = None

    @property
    def seat(self) -> str:
        """What a worker needs, in words."""
        return f"{self.cpus_per_trial:g} CPUs and {self.gpus_per_trial or 0:g} GPUs"

    @property
    def joins(self) -> bool:
        """Whether trials run on a cluster that is there already."""
        return self.address not in ("local", "inline")

    def __post_init__(self) -> None:
        gpus = self.gpus_per_trial
        if gpus is not None and gpus > 1 and gpus != int(gpus):
            raise ValueError(f"gpus_per_trial must {GPUS}, got {gpus}")
        if self.address == "inline" and self.workers not in (None, 1):
            raise ValueError(f"workers must be 1 with `address` inline, got {self.workers}")
        if self.address == "inline" and self.trial_timeout is not None:
            raise ValueError(
                f"trial_timeout must be left out with `address` inline, got {self.trial_timeout:g}"
            )
