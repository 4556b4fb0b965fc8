"""Writes what is rebuilt from ``run.db`` when a run is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import RunError
from nas.files import replace
from nas.runs import training_results
from nas.runs.audit_results import write_audit
from nas.runs.config import read_settings
from nas.runs.family_files import write_family
from nas.runs.page import write_page
from nas.runs.run import Run
from nas.runs.scaling_results import compare
from scaling_search import Coefficients
from search_spaces import ArchSpec

if TYPE_CHECKING:
    pass


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """RunError if a file of the run cannot be written, as on a full disk; ``nas resume`` then tries again."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"the run's files could not be written ({error.strerror}); with room for them, go on with: "
            f"nas resume {directory}"
        ) from error


def finish(directory: Path) -> Run:
    """Writes what is rebuilt from ``run.db``: ``pareto.csv``, a family or an audit, and last ``best.json``.

    Raises:
        RunError: if one of them cannot be written.
    """
    with writing(directory):
        return write_results(directory)


def write_results(directory: Path) -> Run:
    """As of ``finish``."""
    run = Run(directory).snapshot()
    settings = read_settings(directory)
    best = run.best_trial()
    more: dict[str, Any] = training_results.finish(run) if settings.trains_one else {}
    if settings.scaling:
        compared = compare(run.trials(), settings.scaling, settings.recipe)
        compared.to_csv(directory / "grid.csv", index=False)
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
    text = json.dumps(described, indent=2, default=lambda value: value.item()) + "\n"
    replace(
        directory / "best.json", text.encode()
    )  # the last, whole or not at all: a run that has it is over
    return run
