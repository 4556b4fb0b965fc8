"""How each kind of run looks on the terminal; what it says is in ``nas.runs.kinds``."""

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
        screen: shows the run while it goes on.
        parts: what ``nas report`` prints, from the run and its facts.
        sentence: the state of its kind in words, for ``nas report --follow``.
        so_far: what is shown below that sentence; nothing as long as there is nothing.
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
    """What a run found, and its ranking under another objective if ``facts`` have one.

    Args:
        facts: ``nas.runs.kinds.summary`` of the run, if it is there already.
    """
    run = run.snapshot()
    facts = summary(run) if facts is None else facts
    report.print_parts(console, VIEWS[run.settings.kind].parts(run, facts))
    if "reranked" in facts:
        report.print_parts(console, report.ranking_parts(facts["reranked"]))
