"""Neural architecture search and compound scaling.

    import nas
    run = nas.search("mnas", data="folder:photos", trials=50)    # as nas search, with the same options
    run = nas.open_run("runs/first")
    run.pareto()    # DataFrame

The exceptions are in ``nas.errors``. The types are in ``__init__.pyi``, which ``scripts/stub`` writes.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import types
from typing import Any

from nas.errors import InputError, NasError, RunError

__all__ = [
    "Epoch", "InputError", "Listener", "NasError", "Objective", "Run", "RunError", "Trial", "audit",
    "evaluate", "load_classifier", "open_run", "plan", "predict", "resume", "scale", "search", "train",
]  # fmt: skip

COMMANDS = ("audit", "evaluate", "plan", "predict", "resume", "scale", "search", "train")
HOMES = {
    "Listener": "nas.spec.listener",
    "Run": "nas.runs.run",
    "open_run": "nas.runs.run",
    "Objective": "nas.spec.objective",
    "Epoch": "nas.spec.trial",
    "Trial": "nas.spec.trial",
    "load_classifier": "nas.training.classifier",
}


class _Package(types.ModuleType):
    """``nas.search`` stays the function when the room ``nas/search``, a module of this name, is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in COMMANDS and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Imports the rest, and pandas with it, only on first use: ``nas --help`` stays fast."""
    if name in COMMANDS:
        return importlib.import_module("nas.api").FUNCTIONS[name]
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    if name == "__version__":
        return importlib.metadata.version("nas-scaling")
    raise AttributeError(f"module 'nas' has no attribute {name!r}")
