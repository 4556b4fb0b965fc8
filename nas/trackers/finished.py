"""``nas report RUN --track``: tells trackers of a run that is over, by the events of one that is resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nas.errors import InputError, NasError, RunError
from nas.runs.kinds import KINDS
from nas.runs.listing import is_running
from nas.runs.run import Run
from nas.search.events import ENDED
from nas.search.journal import WRITTEN
from nas.spec.listener import Listener, Standing
from nas.spec.trial import Row
from nas.trackers.chosen import Chosen
from nas.trackers.run_tracker import read_ids
from reports import further_costs
from search_spaces import Cost


def send(run: Run, chosen: Chosen) -> list[str]:
    """Tells each tracker of ``run`` and its parts what it has not been told yet.

    Returns:
        what has been done, in sentences.

    Raises:
        InputError: if a process is writing the run.
        RunError: if a tracker fails.
    """
    if is_running(run.directory):
        raise InputError(
            f"track must wait for the end of the run, and a process is writing it: {run.directory}"
        )
    over = bool(KINDS[run.settings.kind].state(run)["over"])
    before, said = read_ids(run.directory), []
    for tracker in chosen.trackers:
        if tracker.name == "wandb" and before.get("wandb"):
            said.append(f"wandb has the run already, as {before['wandb']}, and cannot say what it lacks.")
            continue
        try:
            tell(tracker.listener, run.directory, "done" if over else "interrupted")
        except NasError:
            raise
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split()) or "no message"
            raise RunError(f"tracker {tracker.name} failed: {type(error).__name__} ({reason})") from error
        said.append(f"The run is in {tracker.name} now.")
    return said


def tell(listener: Listener, directory: Path, how: str) -> None:
    """The events of a resumed run of which nothing is left to do."""
    listener.on_made(directory)
    for part in sorted(file.parent for file in directory.rglob("run.db")):
        run = Run(part).snapshot()
        rows, again = finished_rows(run.trials()), len(run.confirmations()) + len(run.baselines())
        listener.on_part(part)
        listener.on_start(run.settings, rows, Standing(run.settings.trials, len(rows), 0, again, again))
    listener.on_end(directory, how)


def finished_rows(trials: pd.DataFrame) -> list[Row]:
    """The trials that are done or have failed, as a search keeps them."""
    names = (*Cost._fields, *WRITTEN, *further_costs(trials))
    return [_row(values, names) for values in trials.to_dict("records") if values["status"] in ENDED]


def _row(values: Mapping[Any, Any], names: Sequence[str]) -> Row:
    known: dict[str, Any] = {
        str(name): value for name, value in values.items() if name == "actions" or not pd.isna(value)
    }
    costs = {name: float(known[name]) for name in names if name in known}
    fields: dict[str, Any] = {name: known.get(name) for name in Row._fields if name != "costs"}
    return Row(**fields | {"flops": int(costs["flops"]) if "flops" in costs else None}, costs=costs)
