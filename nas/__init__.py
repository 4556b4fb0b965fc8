"""Neural architecture search and compound scaling.

    from nas import open_run
    run = open_run("runs/first")
    run.pareto()    # DataFrame

The exceptions are in ``nas.errors``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

from nas.errors import InputError, NasError, RunError

if TYPE_CHECKING:
    from nas.runs.run import Run, open_run
    from nas.spec.objective import Objective
    from nas.training.classifier import load_classifier

__all__ = ["InputError", "NasError", "Objective", "Run", "RunError", "load_classifier", "open_run"]

HOMES = {
    "Run": "nas.runs.run",
    "open_run": "nas.runs.run",
    "Objective": "nas.spec.objective",
    "load_classifier": "nas.training.classifier",
}


def __getattr__(name: str) -> Any:
    """Imports the rest, and pandas with it, only on first use: ``nas --help`` stays fast."""
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    if name == "__version__":
        return importlib.metadata.version("nas-scaling")
    raise AttributeError(f"module 'nas' has no attribute {name!r}")
