"""``report.html``: collects its contents from a run; ``reports.page`` says how they look."""

from __future__ import annotations

import datetime
from pathlib import Path

from nas.errors import encoded
from nas.files import replace
from nas.runs.kinds import KINDS
from nas.runs.proxy import measured, proxy_line
from nas.runs.run import Run
from nas.runs.source import source_lines
from nas.runs.spent import spent_lines
from reports.page import Page, render


def write_page(run: Run, random: Run | None = None) -> Path:
    """Writes ``report.html`` into the run's directory; arguments as for ``nas.runs.kinds.summary``.

    Raises:
        InputError: as ``nas.runs.kinds.summary``, or if ``config.json`` or ``family.json`` is damaged.
        RunError: if it cannot be written.
    """
    path = run.directory / "report.html"
    replace(path, encoded(render(collect(run, random))), shared=True)
    return path


def collect(run: Run, random: Run | None = None) -> Page:
    """The contents of the page; arguments and errors as for ``write_page``."""
    run = run.snapshot()
    kind = KINDS[run.settings.kind]
    page = Page(
        name=run.directory.resolve().name,
        written=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        config=run.config,
        trials=run.trials(),
        networks=run.networks(),
        best=int(run.best_trial()["trial"]),
        epochs=run.epochs(),
        confirmations=run.confirmations(),
        verdict=without_marks(kind.verdict(run)),
        notes=tuple(filter(None, [*kind.notes(run), *source_lines(run), proxy_line(run.settings)])),
        steps=tuple(kind.steps(run)),
        measured=measured(run.settings),
        aims=run.costs,
        maximize=run.maximized,
        rewarded=not run.settings.objective.seeks_front,
        spent=tuple(spent_lines(run)),
    )
    return kind.page(page, run, random)


def without_marks(line: str) -> str:
    """A line without the marks of the terminal's tables, ``(*)`` and ``(=)``."""
    return line.replace(" (*)", "").replace(" (=)", "")
