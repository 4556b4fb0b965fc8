"""What a run was asked to do: every argument resolved, as ``config.json`` keeps it."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.errors import InputError
from nas.objective import Objective
from nas.recipe import Recipe
from nas.scaling import Scaling

ADDRESSES = ("local", "auto", "inline")
SCHEDULERS = ("fifo", "asha")
TRAIN = "train"
"""The ``space`` of a run of ``nas train``."""


@dataclass(frozen=True)
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

    address: str = "local"
    workers: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float | None = None
    cache_size: int = 50 * 10**9

    def __post_init__(self) -> None:
        if self.address not in ADDRESSES:
            raise ValueError(f"address must be one of {ADDRESSES}, got {self.address!r}")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if not 0 < self.cpus_per_trial < float("inf"):
            raise ValueError(f"cpus_per_trial must be positive, got {self.cpus_per_trial}")
        gpus = self.gpus_per_trial
        if gpus is not None and not (0 <= gpus <= 1 or gpus == int(gpus)):
            raise ValueError(f"gpus_per_trial must be a share of one GPU or a whole number, got {gpus}")
        if self.cache_size < 1:
            raise ValueError(f"cache_size must be at least 1 byte, got {self.cache_size}")
        if self.address == "inline" and self.workers not in (None, 1):
            raise ValueError(f"workers must be 1 with --address inline, got {self.workers}")


def fit(resources: Resources, available: dict[str, float]) -> Resources:
    """What is left open filled in; InputError if more is asked for than is available."""
    cpus, gpus = available.get("CPU", 0.0), available.get("GPU", 0.0)
    gpus_per_trial = resources.gpus_per_trial
    if gpus_per_trial is None:
        gpus_per_trial = 1.0 if gpus else 0.0
    if gpus_per_trial > gpus:
        raise InputError(
            f"--gpus-per-trial must be at most the {gpus:g} GPUs there are, got {gpus_per_trial:g}"
        )
    if resources.cpus_per_trial > cpus:
        raise InputError(
            f"--cpus-per-trial must be at most the {cpus:g} CPUs there are, got {resources.cpus_per_trial:g}"
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
            f"--workers must be at most {most} ({cpus:g} CPUs at {resources.cpus_per_trial:g}, "
            f"{gpus:g} GPUs at {gpus_per_trial:g} a trial), got {workers}"
        )
    return dataclasses.replace(resources, workers=workers, gpus_per_trial=gpus_per_trial)


@dataclass(frozen=True)
class Audit:
    """What ``nas audit`` was asked, besides the networks and the schedule that all of them are trained by.

    Args:
        seeds: trainings of each network.
        long: the longer schedule; None for none.
        reference: known accuracies of the networks, in their order; none or one each.
        source: the file that they are from.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    seeds: int = 3
    long: Recipe | None = None
    reference: tuple[float, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Audit:
        """The inverse of ``dataclasses.asdict``."""
        long = Recipe(**data["long"]) if data["long"] else None
        return cls(**{**data, "long": long, "reference": tuple(data["reference"])})


@dataclass(frozen=True)
class Settings:
    """All that decides how a search goes; the same settings, on one worker, give the same trials.

    Args:
        confirmations: networks to train again at the end, each on ``confirm_seeds`` fresh seeds.
        scheduler: ``fifo`` trains every trial to its end, ``asha`` stops those that are behind.
        networks: architectures, as text, that are then the space, each tried in turn.
        scaling: of a scaling run; its candidates are then the space, likewise.
        audit: of an audit, whose networks are ``networks``.
        data_seed: draws the parts of the images; None takes ``seed``, which draws all else.

    Raises:
        ValueError: with the rule and the value, if a field is out of range.
    """

    space: str
    trials: int
    data: str
    evaluator: str
    controller: str
    objective: Objective
    recipe: Recipe
    seed: int = 0
    confirmations: int = 0
    confirm_seeds: int = 1
    controller_settings: Mapping[str, str | int | float] = field(default_factory=dict)
    resources: Resources = Resources()
    scheduler: str = "fifo"
    networks: tuple[str, ...] = ()
    scaling: Scaling | None = None
    audit: Audit | None = None
    data_seed: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("trials", 1), ("confirmations", 0), ("confirm_seeds", 1), ("seed", 0)):
            if getattr(self, name) < least:
                option = {"confirmations": "confirm"}.get(name, name)
                raise ValueError(f"{option} must be at least {least}, got {getattr(self, name)}")
        if self.scheduler not in SCHEDULERS:
            raise ValueError(f"scheduler must be one of {SCHEDULERS}, got {self.scheduler!r}")
        if self.scheduler == "asha" and self.resources.address == "inline":
            raise ValueError("scheduler asha is Ray Tune's and needs --address local or auto, got inline")

    @property
    def trains_one(self) -> bool:
        """Whether one network is trained, and its weights are kept: ``nas train``."""
        return self.space == TRAIN and self.listed

    @property
    def listed(self) -> bool:
        """Whether given networks are trained, and nothing is searched."""
        return bool(self.networks) or self.scaling is not None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """The inverse of ``to_json``; further keys are left alone.

        Raises:
            KeyError, TypeError, ValueError: if a field is missing, unknown or out of range.
        """
        # fields that older runs lack
        added = ("scheduler", "scaling", "confirm_seeds", "networks", "audit", "data_seed")
        data = {"recipe": data.get("proxy"), **data}  # its name in them
        values = {
            f.name: data[f.name] for f in dataclasses.fields(cls) if f.name in data or f.name not in added
        }
        values["objective"] = Objective(**values["objective"])
        values["recipe"] = Recipe(**values["recipe"])
        values["resources"] = Resources(**values["resources"])
        values["networks"] = tuple(values.get("networks", ()))
        if values.get("scaling"):
            values["scaling"] = Scaling.from_json(values["scaling"])
        if values.get("audit"):
            values["audit"] = Audit.from_json(values["audit"])
        return cls(**values)


def write_config(directory: Path, settings: Mapping[str, Any], **facts: Any) -> None:
    """Writes ``config.json``: the settings, ``facts`` about the run, and where it runs."""
    config = {**settings, **facts, "command": sys.argv, "environment": environment()}
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def read_config(directory: Path) -> dict[str, Any]:
    """The ``config.json`` of a run.

    Raises:
        InputError: if it is missing or damaged.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"RUN must have a readable config.json ({error}): {directory}") from None
    if not isinstance(config, dict):
        raise InputError(f"RUN must have a JSON object in its config.json: {directory}")
    return config


def read_settings(directory: Path) -> Settings:
    """The settings in ``config.json``.

    Raises:
        InputError: if it is missing or damaged.
    """
    try:
        return Settings.from_json(read_config(directory))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"RUN must have valid settings in its config.json ({error!r}): {directory}"
        ) from None


def environment() -> dict[str, Any]:
    """Versions, source commit and hardware, for whoever wants to know why a number came out."""
    names = ("nas-scaling", "torch", "ray", "numpy", "pandas", "scikit-learn")
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "versions": versions,
        "git_commit": _git_commit(),
        "hardware": {
            "machine": platform.machine(),
            "processor": _processor(),
            "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "system": platform.platform(),
        },
    }


def _git_commit() -> str | None:
    """Of the checkout that nas runs from; None if it was installed."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
