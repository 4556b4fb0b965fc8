"""How each kind of run looks on the terminal; its results are in ``nas.runs.kinds``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from nas.runs.kinds import KINDS, summary
from nas.runs.next_steps import ranking_steps, within_steps
from nas.runs.proxy import measured, proxy_line
from nas.runs.run import Run
from nas.runs.source import source_lines
from nas.runs.spent import spent_lines
from nas.screens import report, scaling, training
from nas.screens.progress import Screen
from nas.screens.words import Parts, Steps, print_parts


@dataclass(frozen=True)
class View:
    """How one kind of run looks.

    Args:
        screen: shows the run while it is in progress.
        parts: what ``nas report`` prints, from the run and its facts.
        sentence: the run's state in words, for ``nas report --follow``.
        framed: whether ``parts`` stand between the run's verdict and its next steps.
        so_far: what is shown below the sentence; None for ``parts``, once a network has finished.
    """

    screen: type[Screen]
    parts: Callable[[Run, dict[str, Any]], Parts]
    sentence: Callable[[dict[str, Any]], str]
    framed: bool = True
    so_far: Callable[[Run], Parts] | None = None


VIEWS = {
    "search": View(Screen, report.search_parts, report.trial_sentence),
    "scaling": View(Screen, scaling.scaling_parts, report.trial_sentence, so_far=scaling.scaling_so_far),
    "sweep": View(Screen, scaling.sweep_parts, report.audit_sentence),
    "audit": View(Screen, report.audit_parts, report.audit_sentence),
    "training": View(
        training.TrainingScreen,
        training.training_parts,
        training.training_sentence,
        framed=False,
        so_far=training.training_so_far,
    ),
}


def print_report(console: Console, run: Run, facts: dict[str, Any] | None = None) -> None:
    """Prints what a run found; ``facts`` is its ``nas.runs.kinds.summary``, if it is already known."""
    print_parts(console, report_parts(run, facts))


def parts_so_far(run: Run) -> Parts:
    """The results of a run that is in progress; empty if there are none yet."""
    view = VIEWS[run.settings.kind]
    if view.so_far:
        return view.so_far(run)
    return [] if run.networks().empty else view.parts(run, summary(run))


def report_parts(run: Run, facts: dict[str, Any] | None = None) -> Parts:
    """The verdict, what it rests on, and what to do next; ``facts`` as for ``print_report``."""
    run = run.snapshot()
    facts = summary(run) if facts is None else facts
    kind, view = KINDS[run.settings.kind], VIEWS[run.settings.kind]
    parts = view.parts(run, facts)
    if not view.framed:
        return parts
    parts = [*parts, *spent_lines(run)]
    verdict = [kind.verdict(run), *kind.notes(run), *source_lines(run)]
    steps, trained = kind.steps(run), proxy_line(run.settings)
    if within := facts.get("within"):
        verdict = [report.within_verdict(within), *verdict]
        steps = within_steps(run.settings, within)
    if ranked := facts.get("reranked"):
        verdict = [report.ranking_verdict(ranked)]
        parts = [*parts, "", *report.ranking_parts(ranked, measured(run.settings))]
        steps = ranking_steps(run.settings, ranked) or steps
    return [*verdict, *filter(None, [trained]), "", *parts, "", Steps(steps)]
