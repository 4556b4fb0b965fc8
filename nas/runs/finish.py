"""Writes what is rebuilt from ``run.db`` when a run is over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nas.errors import RunError
from nas.files import replace
from nas.runs.kinds import KINDS
from nas.runs.page import write_page
from nas.runs.run import Run
from search_spaces import ArchSpec


def finish(directory: Path) -> Run:
    """Writes the files of the run's kind, ``report.html``, and last ``best.json``: a run that has it is over.

    Raises:
        RunError: if one of them cannot be written, as on a full disk; ``nas resume`` then tries again.
    """
    run = Run(directory).snapshot()
    kind = KINDS[run.settings.kind]
    try:
        kind.write_tables(run)
        network, more = kind.choose(run)
        write_page(run)
        text = json.dumps(best_json(run, network, more), indent=2, default=lambda value: value.item()) + "\n"
        replace(directory / "best.json", text.encode())
    except OSError as error:
        raise RunError(
            f"the run's files could not be written ({error.strerror}); with room for them, go on with: "
            f"nas resume {directory}"
        ) from error
    return run


def best_json(run: Run, network: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """``best.json`` for the chosen ``network``, with how sure it is where the noise was measured."""
    keys = ("arch", "flops", "params", "activations", "trial", "accuracy", "reward")
    sure = [
        key for key in ("accuracy_error", "p_best", "p_front") if "measured" in network and key in network
    ]
    return {
        **{key: network[key] for key in (*keys, *sure)},
        "resolution": ArchSpec.parse(network["arch"]).resolution,
        "space": run.settings.space,
        **more,
    }
