"""Writes what is rebuilt from ``run.db`` when a run is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nas.files import json_text, replace, write_csv
from nas.runs import training_results
from nas.runs.audit_results import write_audit
from nas.runs.config import read_settings
from nas.runs.family_files import write_family
from nas.runs.page import write_page
from nas.runs.run import Run
from nas.runs.scaling_results import compare
from scaling_search import Coefficients
from search_spaces import ArchSpec


def finish(directory: Path) -> Run:
    """Writes what is rebuilt from ``run.db``: ``pareto.csv``, a family or an audit, and last ``best.json``.

    Raises:
        RunError: if one of them cannot be written.
    """
    run = Run(directory).snapshot()
    settings = read_settings(directory)
    best = run.best_trial()
    more: dict[str, Any] = training_results.finish(run) if settings.trains_one else {}
    if settings.scaling:
        compared = compare(run.trials(), settings.scaling, settings.recipe)
        write_csv(directory / "grid.csv", compared)
        chosen = compared[compared["chosen"]].iloc[0]
        coefficients = Coefficients(chosen["alpha"], chosen["beta"], chosen["gamma"])
        write_family(directory, settings.scaling.family(coefficients), coefficients)
        networks = run.networks()
        best = networks[networks["arch"] == chosen["arch"]].to_dict("records")[0]
    keys = ("arch", "flops", "params", "activations", "trial", "accuracy", "reward")
    known = [key for key in ("accuracy_error", "p_best", "p_front") if "measured" in best and key in best]
    described: dict[str, Any] = {key: best[key] for key in (*keys, *known)}
    described["resolution"] = ArchSpec.parse(best["arch"]).resolution
    described |= {"space": settings.space, **more}
    if not settings.trains_one:
        run.write_pareto()
    if settings.audit:
        write_audit(run)
    write_page(run)
    replace(directory / "best.json", json_text(described).encode())  # the last: a run that has it is over
    return run
