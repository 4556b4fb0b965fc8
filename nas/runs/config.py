"""``config.json``: what a run was asked to do, with every argument resolved, and where it ran."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from nas.errors import InputError
from nas.files import read_json, write_json
from nas.spec.machine import cpu_count
from nas.spec.settings import Audit, Settings
from search_spaces import rules


@rules.validated
class Facts:
    """What ``config.json`` says beside the settings; all of it may be missing, as in older runs.

    Args:
        command: the command line that repeats it.
        environment: versions and hardware, see ``environment``.
        cost: the classes and the resolution, in pixels, at which costs are counted.
        input_sha256: of the images or the table.
        preset: of a family that was published.
        decisions: the choices of each, by its name, where the space is the user's own code.
        priced: the costs that such a space knows of its networks.
    """

    command: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, int | None] = field(default_factory=dict)
    input_sha256: str = ""
    preset: str = ""
    decisions: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    priced: tuple[str, ...] = ()


def write_config(directory: Path, settings: Mapping[str, Any], **facts: Any) -> None:
    """Writes ``config.json``: the settings, further ``facts`` and the environment."""
    config = {**settings, **facts, "environment": environment()}
    write_json(directory / "config.json", config, shared=False)


def read_config(directory: Path) -> dict[str, Any]:
    """The ``config.json`` of a run; InputError if it is missing or damaged."""
    path = directory / "config.json"
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"run must have a readable config.json ({reason}): {directory}") from None
    if not isinstance(config, dict):
        raise InputError(f"run must have a JSON object in its config.json: {directory}")
    try:
        rules.read_json(Facts, {name: config[name] for name in Facts.__annotations__ if name in config})
    except ValueError as error:
        raise InputError(f"run must have valid facts in its config.json ({error}): {directory}") from None
    return config


def read_settings(directory: Path) -> Settings:
    """The settings in ``config.json``; errors as ``read_config``."""
    try:
        settings = Settings.from_json(read_config(directory))
        if settings.audit:
            check_audit(settings, settings.audit)
        return settings
    except ValueError as error:
        raise InputError(f"run must have valid settings in its config.json ({error}): {directory}") from None


def check_audit(settings: Settings, audit: Audit) -> None:
    """ValueError if the numbers of networks, seeds and trials disagree."""
    number = len(settings.networks)
    if not 0 < number * audit.seeds == settings.trials:
        rule = f"networks times seeds in an audit, {number} x {audit.seeds}"
        raise ValueError(f"trials must be {rule}, got {settings.trials}")
    if len(audit.reference) not in (0, number):
        raise ValueError(
            f"reference must have one accuracy for each of {number} networks, got {len(audit.reference)}"
        )


def environment() -> dict[str, Any]:
    """Versions, source commit and hardware, to help explain a result later."""
    versions = {"python": platform.python_version()}
    for name in ("nas-scaling", "torch", "ray", "numpy", "pandas", "scikit-learn"):
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
            "cpus": cpu_count(),
            "system": platform.platform(),
        },
    }


def _git_commit() -> str | None:
    """The commit of the checkout that nas runs from; None if nas was installed."""
    root = Path(__file__).parents[2]
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
