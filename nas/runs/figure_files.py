"""Writes a run's figures: ``nas report --png FILE --svg FILE``."""

from __future__ import annotations

import errno
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import reports
from nas.errors import InputError, WriteError
from nas.files import exists, is_file, replace
from nas.runs.family_files import family_frame, read_family
from nas.runs.proxy import measured
from nas.runs.run import Run
from nas.runs.sweep_results import curves, swept
from reports.pareto import split_measures
from scaling_search import published

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_figure(run: Run, facts: Mapping[str, Any]) -> Figure:
    """The front and the progress of a search, from its ``nas.runs.kinds.summary``.

    The front is against the first cost that the search aimed at.
    """
    from reports.figures import draw_search

    cost = next((name for name in run.costs if name in run.networks()), "flops")
    front = reports.pareto_front(run.networks(), *split_measures([cost], run.maximized))
    shown = run.trials(), run.networks(), front
    return draw_search(*shown, facts["best"]["trial"], facts["baseline"], cost)


def scaling_figure(run: Run, facts: Mapping[str, Any]) -> Figure:
    """The family and the grid of a scaling run, from the same; errors as ``family_figure``."""
    return family_figure(run.directory, pd.DataFrame(facts["grid"]))


def sweep_figure(run: Run, _facts: Mapping[str, Any]) -> Figure:
    """The lines of a sweep, with their curves; RunError if no network was trained."""
    from reports.figures import draw_sweep

    found = swept(run)
    return draw_sweep(found.table, curves(found), measured(run.settings))


def family_figure(directory: Path, grid: pd.DataFrame | None = None) -> Figure:
    """The family in ``directory`` against the published one; InputError if there is no family yet."""
    from reports.figures import draw_family

    family, _ = read_family(directory / "family.json")
    return draw_family(family_frame(family), family_frame(published()), grid)


def write_figure(figure: Figure, files: Mapping[str, Path]) -> None:
    """Writes a figure; InputError if a file cannot be written."""
    from reports.figures import save

    try:
        drawn = {kind: io.BytesIO() for kind in files}
        save(figure, drawn)
        for kind, file in files.items():
            if exists(file) and not is_file(file):  # a pipe would wait for ever, a device be replaced
                raise OSError(errno.EINVAL, "Not a regular file")
            replace(file.resolve(), drawn[kind].getbuffer(), shared=True)
    except (OSError, ValueError, WriteError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        names = " and ".join(map(str, files.values()))
        raise InputError(f"figures must be files that can be written ({reason}), got {names}") from None
