"""Writes the files of a run that is over; all of them can be rebuilt from ``run.db``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import reports
from nas.errors import InputError
from nas.files import json_text, replace
from nas.runs.kinds import KINDS
from nas.runs.page import write_page
from nas.runs.run import Run
from nas.spec.own import is_own
from nas.spec.targets import COSTS
from search_spaces import ArchSpec


def finish(directory: Path) -> Run:
    """Writes the files of the run's kind, ``report.html``, and last ``best.json``: a run that has it is over.

    Raises:
        RunError: if one of them cannot be written, as on a full disk; ``nas resume`` then tries again.
    """
    run = Run(directory).snapshot()
    kind = KINDS[run.settings.kind]
    kind.write_tables(run)
    network, more = kind.choose(run)
    write_page(run)
    replace(directory / "best.json", json_text(best_json(run, network, more)).encode())
    return run


def best_json(run: Run, network: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """``best.json`` for the chosen ``network``; with errors and chances if the seed noise was measured."""
    keys = ["arch", *COSTS, "trial", "accuracy", "reward"]
    keys += [name for name in run.costs if name not in keys and is_own(run.settings.space)]
    if "measured" in network:
        keys += [key for key in ("accuracy_error", "p_best", "p_front") if key in network]
    return {
        **reports.plain({key: network[key] for key in keys}),
        "resolution": _resolution(network["arch"], run),
        "space": run.settings.space,
        **more,
    }


def _resolution(arch: str, run: Run) -> int | None:
    """The resolution of ``arch``, in pixels; None if it is none, in a space of the user's own.

    Raises:
        InputError: if it is no architecture, in another space.
    """
    try:
        return ArchSpec.parse(arch).resolution
    except ValueError as error:
        if is_own(run.settings.space):
            return None
        raise InputError(f"run has a wrong trials.arch ({error}): {run.directory}") from None
