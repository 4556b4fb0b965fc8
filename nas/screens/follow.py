"""``nas report --follow``: a run while it is in progress."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from nas.files import hold
from nas.runs.kinds import KINDS
from nas.runs.run import Run
from nas.screens.terminal import is_unread
from nas.screens.views import VIEWS, parts_so_far

PAUSE = 1.0
"""Seconds between two looks at the run."""
QUIET = 5
"""After this many looks without a change, check whether a process still writes the run."""


def follow_run(console: Console, run: Run, *, as_json: bool = False, pause: float = PAUSE) -> None:
    """Shows the run until it is over: on a terminal a screen that refreshes, elsewhere a line per change.

    It is over when its state says so, or when no process writes it any more: it was interrupted or failed.
    ``as_json`` prints lines of JSON, on a terminal too; ``pause`` is in seconds.
    """
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="ellipsis") as live:
            for now in changes(run, pause):
                live.update(screen(now), refresh=True)
        return
    for now in changes(run, pause):
        line = json.dumps(state(now)) if as_json else sentence(now)
        console.print(line, soft_wrap=as_json)
        if is_unread():
            return


def changes(run: Run, pause: float) -> Any:
    """Snapshots of the run, one for each change of its state, until it is over."""
    before, looks, quiet = None, 0, 0  # looks: since a change; quiet: checks in a row without a writer
    while True:
        now = run.snapshot()
        facts = state(now)
        if facts != before:
            before, looks, quiet = facts, 0, 0
            yield now
        if facts["over"]:
            return
        looks += 1
        if looks % QUIET == 0:
            quiet = 0 if is_written(run) else quiet + 1
            if quiet > 1 and state(run.snapshot()) == before:
                return
        time.sleep(pause)


def state(run: Run) -> dict[str, Any]:
    """The run's progress, from its kind."""
    return KINDS[run.settings.kind].state(run)


def sentence(run: Run) -> str:
    """The run's progress in words."""
    return VIEWS[run.settings.kind].sentence(state(run))


def screen(run: Run) -> Group:
    """The run's progress in words, and below it the results so far."""
    parts = parts_so_far(run)
    lines = [sentence(run), *([""] if parts else []), *parts]
    return Group(*lines)


def is_written(run: Run) -> bool:
    """Whether a process is writing the run, or its second part."""
    part = KINDS[run.settings.kind].second(run.settings)
    second = part.run(run) if part else None
    return any(_is_locked(one.directory / "run.lock") for one in (run, second) if one is not None)


def _is_locked(path: Path) -> bool:
    """Whether a process holds a lock, or that cannot be told. Only reads it: it may be another user's."""
    try:
        with path.open("rb") as file:
            return hold(file.fileno(), shared=True) is not True
    except FileNotFoundError:
        return False
    except OSError:
        return True
