"""``report.html`` of a run: what it says, collected; how it looks is ``reports.page``."""

from __future__ import annotations

import datetime
from pathlib import Path

from nas.files import replace
from nas.runs.kinds import KINDS
from nas.runs.run import Run
from reports.page import Page, render


def write_page(run: Run, random: Run | None = None) -> Path:
    """Writes ``report.html`` into the run's directory, whole or not at all.

    Args:
        random: a random search to compare with, in place of the run's own first trials.

    Raises:
        InputError: if no trial is done, ``config.json`` or ``family.json`` is damaged, or ``random`` is not a
            random search of the same kind.
        RunError: if it cannot be written.
    """
    path = run.directory / "report.html"
    replace(path, render(collect(run, random)).encode(), shared=True)
    return path


def collect(run: Run, random: Run | None = None) -> Page:
    """What the page of ``run`` is made of; arguments and errors as ``write_page``."""
    run = run.snapshot()
    best = run.best_trial()
    page = Page(
        name=run.directory.resolve().name,
        written=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        config=run.config,
        trials=run.trials(),
        networks=run.networks(),
        best=int(best["trial"]),
        epochs=run.epochs(),
        confirmations=run.confirmations(),
    )
    return KINDS[run.settings.kind].page(page, run, random)
