"""Figures of a run as files: ``nas report --png FILE --svg FILE``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nas.errors import InputError
from nas.runs.family_files import family_frame, read_family
from nas.runs.run import Run
from scaling_search import published

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figures(run: Run, files: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
    """Draws a search's front and progress, or a scaling run's family and grid, into ``files``.

    Args:
        facts: ``nas.runs.search_results.summary`` of the run.

    Raises:
        InputError: if a file cannot be written, or a scaling run has no family yet.
    """
    from reports.figures import draw_search

    if "grid" in facts:
        write_family_figures(run.directory, files, pd.DataFrame(facts["grid"]))
        return
    best = facts["best"]["trial"]
    write(draw_search(run.trials(), run.networks(), run.pareto(), best, facts["baseline"]), files)


def write_family_figures(
    directory: Path, files: Mapping[str, Path], grid: pd.DataFrame | None = None
) -> None:
    """Draws the family in ``directory`` against the published one.

    Raises:
        InputError: as ``write_figures``.
    """
    from reports.figures import draw_family

    family, _ = read_family(directory / "family.json")
    write(draw_family(family_frame(family), family_frame(published()), grid), files)


def write(figure: Figure, files: Mapping[str, Path]) -> None:
    """Writes a figure; InputError if a file cannot be written."""
    from reports.figures import save

    try:
        save(figure, files)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        names = " and ".join(map(str, files.values()))
        raise InputError(f"figures must be files that can be written ({reason}), got {names}") from None
