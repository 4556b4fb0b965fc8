"""``nas report --follow``: a run while its search goes on."""

from __future__ import annotations

import json
import time
from typing import Any

import filelock
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

import reports
from nas.runs import training_results
from nas.runs.audit_results import LONG, longer
from nas.runs.config import read_settings
from nas.runs.run import Run
from nas.runs.search_results import summary
from nas.screens.report import audit_parts, lines
from nas.screens.training import curve_table
from nas.screens.training import lines as training_lines

PAUSE = 1.0
"""Seconds between two looks at the run."""
QUIET = 5
"""So many looks without a change, and it is asked whether anybody still writes the run."""


def follow_run(console: Console, run: Run, *, as_json: bool = False, pause: float = PAUSE) -> None:
    """Shows the run until its search is over: a screen that refreshes, or a line per change elsewhere.

    The search is over when all trials and confirmations are there, those of an audit's longer schedule too,
    or when no process writes the run any more: it was interrupted, or gave up.

    Args:
        as_json: a line of JSON per change.
    """
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="ellipsis") as live:
            for now in changes(run, pause):
                live.update(screen(now), refresh=True)
        return
    for now in changes(run, pause):
        line = json.dumps(state(now)) if as_json else sentence(state(now))
        console.print(Text(line), soft_wrap=True)


def changes(run: Run, pause: float) -> Any:
    """Snapshots of the run, one for each change, until its search is over."""
    before, looks, quiet = None, 0, 0  # quiet: of those, how often in a row nobody wrote
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
    """Where the search stands."""
    settings = read_settings(run.directory)
    if settings.trains_one:
        facts = training_results.summary(run)
        return {**facts, "over": facts["status"] in ("done", "failed")}
    trials, again = run.trials(), run.confirmations()
    status = {name: int(number) for name, number in trials["status"].value_counts().items()}
    done = trials[trials["status"] == "done"]
    told = len(done) + status.get("failed", 0)
    networks = int(done["repeat_of"].isna().sum())
    confirm = min(settings.confirmations, networks) * settings.confirm_seeds
    long = longer(settings) and state(Run(run.directory / LONG))
    return {
        "trials": settings.trials,
        "status": status,
        "best_reward": float(done["reward"].max()) if len(done) else None,
        "front": len(reports.pareto_front(done.drop_duplicates("arch"))),
        "confirmations": len(again),
        **({"long": long} if long else {}),
        "over": told == settings.trials and len(again) >= confirm and (not long or long["over"]),
    }


def sentence(facts: dict[str, Any]) -> str:
    """A ``state`` in words."""
    if "of_epochs" in facts:
        return training_lines(facts)[1]
    counts = ", ".join(f"{number} {status}" for status, number in facts["status"].items()) or "none yet"
    best = "" if facts["best_reward"] is None else f"; best reward {facts['best_reward']:.4f}"
    again = f"; {facts['confirmations']} confirmations" if facts["confirmations"] else ""
    long = f"; the longer schedule: {sentence(facts['long'])}" if "long" in facts else ""
    return f"{facts['trials']} trials: {counts}{best}, front {facts['front']}{again}{long}"


def screen(run: Run) -> Group:
    """The front so far, below the line of where the search stands."""
    first = Text(sentence(state(run)))
    if read_settings(run.directory).trains_one:
        return Group(first, Text(""), curve_table(training_results.summary(run)))
    if run.networks().empty:
        return Group(first)
    if run.config.get("audit"):
        return Group(first, Text(""), *audit_parts(run))
    if run.config.get("scaling"):
        return Group(first, Text(""), reports.front_table(run.pareto(), run.best_trial()["trial"]))
    facts = summary(run)
    front = reports.front_table(run.pareto(), facts["best"]["trial"])
    return Group(first, Text(""), front, Text(""), *map(Text, lines(facts)))


def is_written(run: Run) -> bool:
    """Whether a process is writing the run, or the longer schedule of an audit."""
    for directory in (run.directory, run.directory / LONG):
        lock = filelock.FileLock(directory / "run.lock")
        try:
            if directory.is_dir():
                lock.acquire(timeout=0)
                lock.release()
        except (filelock.Timeout, OSError):
            return True
    return False
