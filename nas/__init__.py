"""Neural architecture search and compound scaling.

    from nas import open_run
    run = open_run("runs/first")
    run.pareto()    # DataFrame

The exceptions are in ``nas.errors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nas.errors import InputError, NasError, RunError

if TYPE_CHECKING:
    from nas.runs.run import Run, open_run
    from nas.spec.objective import Objective

__all__ = ["InputError", "NasError", "Objective", "Run", "RunError", "open_run"]


def __getattr__(name: str) -> Any:
    """Imports ``Run``, and with it pandas, only on first use, which keeps ``nas --help`` fast."""
    if name in ("Run", "open_run"):
        import nas.runs.run

        return getattr(nas.runs.run, name)
    if name == "Objective":
        from nas.spec.objective import Objective

        return Objective
    raise AttributeError(f"module 'nas' has no attribute {name!r}")
