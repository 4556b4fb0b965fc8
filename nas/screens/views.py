"""How each kind of run looks on the terminal; its results are in ``nas.runs.kinds``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from nas.runs.kinds import summary
from nas.runs.run import Run
from nas.screens import report, scaling, training
from nas.screens.progress import Screen


@dataclass(frozen=True)
class View:
    """How one kind of run looks.

    Args:
        screen: shows the run while it is in progress.
        parts: what ``nas report`` prints, from the run and its facts.
        sentence: the run's state in words, for ``nas report --follow``.
        so_far: the results so far, shown below that sentence; empty if there are none yet.
    """

    screen: type[Screen]
    parts: Callable[[Run, dict[str, Any]], report.Parts]
    sentence: Callable[[dict[str, Any]], str]
    so_far: Callable[[Run], report.Parts]


VIEWS = {
    "search": View(Screen, report.search_parts, report.trial_sentence, report.search_so_far),
    "scaling": View(Screen, scaling.scaling_parts, report.trial_sentence, scaling.scaling_so_far),
    "audit": View(Screen, report.audit_parts, report.trial_sentence, report.audit_so_far),
    "training": View(
        training.TrainingScreen, training.training_parts, training.training_sentence, training.training_so_far
    ),
}


def print_report(console: Console, run: Run, facts: dict[str, Any] | None = None) -> None:
    """Prints what a run found; ``facts`` is its ``nas.runs.kinds.summary``, if it is already known."""
    run = run.snapshot()
    facts = summary(run) if facts is None else facts
    report.print_parts(console, VIEWS[run.settings.kind].parts(run, facts))
    if "reranked" in facts:
        report.print_parts(console, report.ranking_parts(facts["reranked"]))
