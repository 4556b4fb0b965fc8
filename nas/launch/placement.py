"""Decides the CPUs, GPUs, device and threads of a trial; nothing else does."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from nas.errors import InputError
from nas.spec.machine import cpu_count
from nas.spec.resources import Resources

DEVICES = ("auto", "cpu", "cuda")


def machine() -> dict[str, float]:
    """The CPUs and GPUs that this process may use, under Ray's names."""
    import torch

    return {"CPU": float(cpu_count()), "GPU": float(torch.cuda.device_count())}


@contextlib.contextmanager
def opened(resources: Resources) -> Iterator[Resources]:
    """Starts or joins Ray if ``resources`` need it; yields them with workers and GPUs filled in.

    Raises:
        InputError: as ``fit``, or if there is no cluster to join.
    """
    if resources.address == "inline":
        yield dataclasses.replace(resources, workers=1)
        return
    from nas.launch.cluster import cluster

    with cluster(resources.address) as available:
        yield fit(resources, available)


def counted(resources: Resources) -> Resources:
    """What ``opened`` would yield; asks a running cluster, but starts nothing on this machine.

    Raises:
        InputError: as ``opened``, or if only the cluster has GPUs: networks are timed on this machine.
    """
    if resources.address == "local":
        return fit(resources, machine())
    with opened(resources) as found:
        if resources.joins and found.gpus_per_trial and not machine()["GPU"]:
            raise InputError(
                f"address {resources.address} must find GPUs on this machine too, for nas plan to time them; "
                "got none"
            )
        return found


def fit(resources: Resources, available: dict[str, float]) -> Resources:
    """``resources`` with workers and GPUs filled in; InputError if they exceed what is ``available``.

    A cluster may grow: a number of workers that is given there counts on machines that will join.
    """
    cpus, gpus = available.get("CPU", 0.0), available.get("GPU", 0.0)
    asked = resources.gpus_per_trial
    gpus_per_trial = float(gpus > 0) if asked is None else asked
    grows = resources.joins and resources.workers is not None
    if gpus_per_trial > gpus and not grows:
        raise InputError(
            f"gpus_per_trial must be at most the {gpus:g} GPUs there are, got {gpus_per_trial:g}"
        )
    if resources.cpus_per_trial > cpus and not grows:
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
    if workers > most and not grows:
        raise InputError(
            f"workers must be at most {most} ({cpus:g} CPUs at {resources.cpus_per_trial:g}, "
            f"{gpus:g} GPUs at {gpus_per_trial:g} a trial), got {workers}"
        )
    return dataclasses.replace(resources, workers=workers, gpus_per_trial=gpus_per_trial)


def check_resources(resources: Resources, *, trains: bool) -> None:
    """InputError if this machine has too few GPUs, or the cluster, whose GPUs are counted later, is dead."""
    if resources.joins:
        from nas.launch.cluster import ask_cluster

        ask_cluster(resources.address)
    asked = resources.gpus_per_trial
    if not asked or resources.joins:
        return
    if not trains:
        raise InputError(f"gpus_per_trial must be 0 where nothing is trained, got {asked:g}")
    there = machine()["GPU"]
    if asked > there:
        raise InputError(f"gpus_per_trial must be at most the {there:g} GPUs of this machine, got {asked:g}")


def device_of(resources: Resources) -> str:
    """Where a trial trains: on the GPU it is given or, inline and by default, on any there is."""
    if resources.address == "inline" and resources.gpus_per_trial is None:
        return "cuda" if machine()["GPU"] else "cpu"
    return "cuda" if resources.gpus_per_trial else "cpu"


def gpus_of(resources: Resources, device: str) -> float:
    """How many GPUs, or what share of one, a trial on ``device`` has."""
    return 0.0 if device == "cpu" else resources.gpus_per_trial or 1.0


def threads_of(resources: Resources) -> int:
    """Torch threads of a trial: its CPUs, rounded down, but at least one."""
    return max(1, int(resources.cpus_per_trial))


def of_processes(device: str, threads: int | None, processes: int, address: str) -> Resources:
    """The resources of one training run that is shared by ``processes``.

    Args:
        threads: torch threads of each process; None divides this machine's CPUs among them.

    Raises:
        InputError: if an argument is out of range, or this machine has too few GPUs or CPUs.
        ValueError: if ``threads`` is beyond the limits of ``Resources``.
    """
    if device not in DEVICES:
        raise InputError(f"device must be one of {DEVICES}, got {device!r}")
    for field, value in (("data_parallel", processes), ("threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{field} must be at least 1, got {value}")
    if address == "inline":
        raise InputError(f"address must be local, auto or HOST:PORT, got {address!r}")
    here, cpus = address == "local", cpu_count()
    if here and device == "cuda" and processes > (there := machine()["GPU"]):
        raise InputError(f"device cuda must find {processes} GPUs on this machine, got {there:g}")
    each = threads or max(1, cpus // processes)
    if here and processes > 1 and processes * each > cpus:
        raise InputError(
            f"data_parallel must be at most {max(1, cpus // each)}, for {cpus} cores at {each} each, "
            f"got {processes}"
        )
    gpus = None if device == "auto" else float(device == "cuda")
    if processes == 1:
        return Resources("inline", None, each, gpus)
    return Resources(address, processes, each, gpus)
