"""The kinds of run, and how they differ. ``nas.screens.views`` says how each looks on the terminal.

Another kind needs a case in ``Settings.kind``, an entry in ``KINDS`` here, and one in ``VIEWS`` there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas.errors import InputError
from nas.runs import (
    audit_results,
    figure_files,
    next_steps,
    scaling_check,
    scaling_results,
    search_results,
    search_words,
    sweep_results,
    training_results,
)
from nas.runs.next_steps import Steps
from nas.runs.run import Run
from nas.runs.search_results import Ranking
from nas.runs.second_part import SecondPart
from nas.runs.spaces import known_space
from nas.runs.spent import spent_facts
from nas.spec.settings import Settings
from reports.page import Page
from search_spaces import SPACES, SearchSpace, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Kind:
    """One kind of run.

    Args:
        space: the networks to train.
        facts: what ``nas report --json`` prints; it may be given a random search to compare with.
        state: the progress, for ``nas report --follow``; ``over`` says whether the run has ended.
        write_tables: writes the files that ``nas report`` updates while the run is in progress.
        choose: writes the files that only a finished run has; returns the chosen network, as a row of
            ``Run.networks``, and further entries of ``best.json``.
        verdict: what the run found so far, in one sentence, without a raised error if nothing has finished.
        notes: further lines that belong to the verdict.
        steps: what to do next.
        page: adds the parts of the page that only this kind has; may be given a random search as well.
        figure: what ``nas report --png`` draws, given the facts; None for nothing.
        second: the second part of the run, if it has one.
        given: whether the networks are given and trained in turn; otherwise a controller proposes them.
        ranked: whether the networks are ranked by reward.
        keeps_weights: whether one network is trained to the end, and its checkpoint and weights are kept.
    """

    space: Callable[[Settings], SearchSpace]
    facts: Callable[[Run, Run | None], dict[str, Any]]
    state: Callable[[Run], dict[str, Any]]
    write_tables: Callable[[Run], None]
    choose: Callable[[Run], tuple[dict[str, Any], dict[str, Any]]]
    verdict: Callable[[Run], str]
    steps: Callable[[Run], Steps]
    page: Callable[[Page, Run, Run | None], Page]
    notes: Callable[[Run], list[str]] = lambda _run: []
    figure: Callable[[Run, Mapping[str, Any]], Figure] | None = None
    second: Callable[[Settings], SecondPart | None] = lambda _settings: None
    given: bool = True
    ranked: bool = True
    keeps_weights: bool = False


def given_space(settings: Settings) -> SearchSpace:
    """The networks of ``settings``, with as many classes as the space they come from."""
    known = settings.space in SPACES or settings.space_text
    classes = known_space(settings.space, settings.space_text).num_classes if known else 1000
    return listed(settings.space, settings.networks, classes)


def space_of(settings: Settings) -> SearchSpace:
    """The networks to train, sized and priced for the task; InputError if there is no such space."""
    try:
        space, task = KINDS[settings.kind].space(settings), settings.task
    except ValueError as error:  # such as an empty grid
        raise InputError(f"run must have networks to train ({error})") from None
    if task is None or settings.scaling:
        return space
    if task.resolution is None:
        return dataclasses.replace(space, num_classes=task.classes, in_channels=task.channels)
    return space.at(task.resolution, task.classes)


KINDS = {
    "search": Kind(
        space=lambda settings: known_space(settings.space, settings.space_text),
        facts=search_results.search_facts,
        state=search_results.trial_state,
        write_tables=Run.write_pareto,
        choose=search_results.best_network,
        verdict=search_words.search_verdict,
        steps=search_words.search_steps,
        page=search_results.search_page,
        notes=search_words.search_notes,
        figure=figure_files.search_figure,
        given=False,
    ),
    "scaling": Kind(
        space=lambda settings: scaling_results.scaling_of(settings).space(),
        facts=scaling_results.scaling_facts,
        state=scaling_check.scaling_state,
        write_tables=Run.write_pareto,
        choose=scaling_results.write_family_of_best,
        verdict=scaling_results.scaling_verdict,
        steps=scaling_results.scaling_next,
        page=scaling_results.scaling_page,
        figure=figure_files.scaling_figure,
        second=scaling_check.checked_part,
    ),
    "sweep": Kind(
        space=lambda settings: scaling_results.scaling_of(settings).space(),
        facts=sweep_results.sweep_facts,
        state=search_results.trial_state,
        write_tables=sweep_results.write_sweep,
        choose=search_results.best_network,
        verdict=sweep_results.sweep_verdict,
        steps=sweep_results.sweep_next,
        page=sweep_results.sweep_page,
        figure=figure_files.sweep_figure,
        ranked=False,
    ),
    "audit": Kind(
        space=given_space,
        facts=audit_results.audit_facts,
        state=audit_results.audit_state,
        write_tables=audit_results.write_audit,
        choose=search_results.best_network,
        verdict=audit_results.audit_verdict,
        steps=audit_results.audit_next,
        page=audit_results.audit_page,
        second=audit_results.longer,
        ranked=False,
    ),
    "training": Kind(
        space=given_space,
        facts=training_results.training_facts,
        state=training_results.training_state,
        write_tables=training_results.write_training_tables,
        choose=training_results.trained_network,
        verdict=next_steps.training_line,
        steps=next_steps.training_steps,
        page=training_results.training_page,
        notes=lambda run: training_results.int8_lines(training_results.int8_facts(run)),
        keeps_weights=True,
    ),
}


def summary(
    run: Run,
    random: Run | None = None,
    ranking: Ranking | None = None,
    budgets: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """The facts of a run and, with ``ranking``, its best networks under that objective.

    Args:
        random: a random search to compare with, instead of the run's own first trials.
        budgets: of costs, by name, within which the most accurate network is named.

    Raises:
        InputError: if no trial is done, or ``random`` is not a random search of the same kind.
    """
    run = run.snapshot()
    kind = KINDS[run.settings.kind]
    facts = kind.facts(run, random)
    if not kind.keeps_weights:  # one network is trained: nothing is shared out among workers
        facts |= spent_facts(run)
    if budgets:
        facts |= {"within": search_results.within_facts(run, budgets)}
    return {**facts, "reranked": search_results.reranked(run, ranking)} if ranking else facts
