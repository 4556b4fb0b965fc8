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

__all__ = ["InputError", "NasError", "Objective", "Run", "RunError", "open_run"]


def __getattr__(name: str) -> Any:
    """Imports the rest, and pandas with it, only on first use: ``nas --help`` stays fast."""
    if name in ("Run", "open_run", "Objective"):
        home = "nas.spec.objective" if name == "Objective" else "nas.runs.run"
        return getattr(importlib.import_module(home), name)
    if name == "__version__":
        return importlib.metadata.version("nas-scaling")
    raise AttributeError(f"module 'nas' has no attribute {name!r}")
