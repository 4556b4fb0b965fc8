"""Starts runs: first all input is checked, then the directory is made, then trials run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nas.launch import prepare
from nas.launch.measuring import tried
from nas.launch.new_run import Place, make, refuse_existing
from nas.launch.placement import check_resources, opened
from nas.launch.resume import go_on, go_on_second
from nas.launch.searching import make_search, open_journal
from nas.launch.source import with_source
from nas.launch.trials import end_of, run
from nas.runs.config import write_config
from nas.runs.family_files import write_family
from nas.runs.finish import finish
from nas.runs.kinds import KINDS, space_of
from nas.runs.run import Run
from nas.runs.spaces import noted
from nas.search.journal import Journal
from nas.search.measures import NONE, Measures
from nas.spec.listener import Listener
from nas.spec.own import is_own
from nas.spec.settings import Settings
from nas.spec.source import SOURCE, source_settings
from nas.training.full import FullTraining
from scaling_search import Coefficients, Model


def start(
    settings: Settings,
    place: Place,
    listener: Listener,
    notes: Callable[[Settings], Sequence[str]] = lambda _: (),
) -> Run:
    """Makes and finishes a new run, in a directory that does not exist yet.

    Args:
        notes: gives lines for the listener when trials begin, from the settings for the images there are.

    Raises:
        InputError: if the settings cannot be met; then nothing has been made.
        RunError: if the first trials all fail.
    """
    ends = end_of(settings.resources)
    refuse_existing(place.directory)
    check_resources(settings.resources, trains=settings.trains)
    settings, _, evaluator, measures = prepare.prepared(settings, listener)
    settings = tried(settings, listener)
    return start_with(evaluator, settings, place, listener, notes(settings), ends, measures)


def start_with(
    evaluator: prepare.EvaluatorKind,
    settings: Settings,
    place: Place,
    listener: Listener,
    notes: Sequence[str],
    ends: float = math.inf,
    measures: Measures = NONE,
) -> Run:
    """As ``start``, once everything has been checked and ``evaluator`` made."""
    space = space_of(settings)
    with ExitStack() as stack:
        resources = stack.enter_context(opened(settings.resources))
        evaluator = prepare.placed(evaluator, resources)
        price = {"num_classes": space.num_classes, "resolution": space.resolution} if space.has_archs else {}
        facts = {
            "cost": price,
            **(noted(space) if is_own(settings.space) else {}),
            "input_sha256": prepare.fingerprint(evaluator),
            "command": list(place.command),
        }
        directory = make(place, lambda unfinished: write_all(unfinished, settings, facts))
        listener.on_made(directory)
        if isinstance(evaluator, FullTraining):
            evaluator = dataclasses.replace(evaluator, directory=directory)
        journal = stack.enter_context(open_journal(directory, listener))
        evaluator = with_source(evaluator, settings, directory, listener, go_on)
        search = make_search(settings, space, journal, listener, measures)
        search.session.ends = ends
        run(search, evaluator, resources, settings, notes, workers=settings.resources.workers)
    finish(directory)
    go_on_second(directory, listener)
    return Run(directory)


def write_all(directory: Path, settings: Settings, facts: Mapping[str, Any]) -> None:
    """Writes the first files of a run, of its source and of its second part."""
    write(directory, settings, facts)
    facts = {**facts, "input_sha256": ""}  # parts may keep the same images at another size
    if source := source_settings(settings):
        (directory / SOURCE).mkdir()
        write(directory / SOURCE, source, facts)
    if second := KINDS[settings.kind].second(settings):
        (directory / second.name).mkdir()
        write(directory / second.name, second.settings, facts)


def write(directory: Path, settings: Settings, facts: Mapping[str, Any]) -> None:
    """Writes the first files of one run."""
    write_config(directory, settings.to_json(), **facts)
    with Journal(directory, create=True, measures=settings.objective.measures):
        pass


def start_family(
    place: Place, family: Mapping[str, Model], coefficients: Coefficients, asked: Mapping[str, Any]
) -> Path:
    """Makes a scaling run that trains nothing; ``asked`` is for ``config.json``.

    Raises:
        InputError: if the directory exists or cannot be made.
    """

    def write_files(directory: Path) -> None:
        write_config(directory, asked, command=list(place.command))
        write_family(directory, family, coefficients)

    refuse_existing(place.directory)
    return make(place, write_files)
