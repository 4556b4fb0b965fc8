"""Resumes runs that were interrupted, as they would have gone."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import InputError, NasError
from nas.files import exists, write_json
from nas.launch import prepare, suited
from nas.launch.measures import known_measures, open_latency
from nas.launch.own_run import recall
from nas.launch.placement import check_resources, opened
from nas.launch.searching import make_search, open_journal
from nas.launch.source import with_source
from nas.launch.trials import end_of, run
from nas.runs.config import read_config, read_settings
from nas.runs.finish import finish
from nas.runs.kinds import KINDS, space_of
from nas.runs.run import Run
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.measures import Measures
from nas.spec.listener import Listener
from nas.spec.resources import Resources
from nas.spec.settings import Settings

if TYPE_CHECKING:
    from nas.data import Dataset


@dataclass(frozen=True)
class Again:
    """What a run is told when it is resumed.

    Args:
        resources: where its trials run; None for as before.
        data: where its images are now, if they were moved.
        trusted: whether code that the run names, such as a controller of the user's own, may run.
        code: the fields of settings whose code was named again, and is known: what they are called now.
    """

    resources: Resources | None = None
    data: str | None = None
    trusted: bool = False
    code: Mapping[str, str] = field(default_factory=dict)


AS_BEFORE = Again()


def resume(directory: Path, listener: Listener, again: Again = AS_BEFORE) -> Run:
    """Finishes an interrupted run as it would have gone, and its second part too.

    Raises:
        InputError: if there is no such run, it is finished, another process is writing it, or its images are
            now others.
        RunError: if the first trials all fail.
    """
    went_on = go_on(directory, listener, again)
    if not go_on_second(directory, listener, again) and not went_on:
        settings = read_settings(directory)
        trains_one = KINDS[settings.kind].keeps_weights
        over = "its training is" if trains_one else f"all {settings.trials} trials are"
        raise InputError(f"run must be unfinished, and {over}: {directory}")
    return Run(directory)


def go_on_second(directory: Path, listener: Listener, again: Again = AS_BEFORE) -> bool:
    """Finishes the second part of a run; False if nothing was left to do. Errors as ``resume``."""
    settings = read_settings(directory)
    second = KINDS[settings.kind].second(settings)
    if second is None:
        return False
    asked = Again(again.resources, again.data)
    went_on = go_on(directory / second.name, listener, asked, [second.title])
    if went_on:
        finish(directory)  # what it says compares both parts
    return went_on


def go_on(directory: Path, listener: Listener, again: Again = AS_BEFORE, notes: Sequence[str] = ()) -> bool:
    """Finishes one run and writes its files; False if nothing was left to do. Errors as ``resume``."""
    with ExitStack() as stack:
        settings = named_now(read_settings(directory), again)
        recall(settings, trusted=again.trusted)
        journal = stack.enter_context(open_journal(directory, listener))
        known = prepare.looked_up_again(settings, directory, listener)
        measures = known_measures(settings, known, open_latency(settings))
        search = restored(settings, journal, listener, measures)
        if search.done and exists(directory / "best.json"):
            return False
        if not search.done:  # otherwise the run was interrupted while its files were written
            run_the_rest(search, settings, known, again, notes)
    finish(directory)
    return True


def named_now(settings: Settings, again: Again) -> Settings:
    """``settings`` with the names that images and code have now; InputError if there are no images."""
    if again.data is not None:
        if settings.evaluator != "train":
            raise InputError(f"data must be left out, as this run reads no images, got {again.data}")
        settings = dataclasses.replace(settings, data=again.data)
    return dataclasses.replace(settings, **dict[str, Any](again.code))


def restored(settings: Settings, journal: Journal, listener: Listener, measures: Measures) -> Search:
    """The search as its journal left it; InputError if that is damaged."""
    try:
        search = make_search(settings, space_of(settings), journal, listener, measures)
    except NasError:
        raise
    except Exception as error:  # whatever a damaged journal makes a controller raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"run has a run.db that cannot be resumed ({reason}): {journal.directory}"
        ) from error
    if not (search.done or search.replayed_exactly):
        listener.say(
            "The controller computes slightly different numbers here than where the run began: "
            "the run goes on, but not exactly as it would have there."
        )
    return search


def run_the_rest(
    search: Search,
    settings: Settings,
    known: prepare.EvaluatorKind | None,
    again: Again,
    notes: Sequence[str],
) -> None:
    """Runs the trials that are left. Errors as ``resume``.

    Args:
        known: the evaluator, where it was needed before.
    """
    directory, listener = search.journal.directory, search.listener
    resources = again.resources or settings.resources
    search.session.ends = end_of(resources)
    check_resources(resources, trains=settings.trains)
    _, weights = prepare.read_weights(settings)
    images = None
    if settings.evaluator == "train":
        images = images_again(settings, listener, moved=again.data is not None)
    evaluator = known or prepare.make_evaluator(settings, images, weights, directory, listener)
    check_inputs(directory, settings, evaluator)
    moved = functools.partial(go_on, again=Again(data=again.data))
    evaluator = with_source(evaluator, settings, directory, listener, moved)
    with opened(resources) as found:
        evaluator = prepare.placed(evaluator, found)
        (directory / "best.json").unlink(missing_ok=True)  # of a search that ended before its time
        run(search, evaluator, found, settings, notes, workers=resources.workers)


def images_again(settings: Settings, listener: Listener, *, moved: bool) -> Dataset:
    """The images of a run that is resumed; InputError if they cannot be used."""
    try:
        return prepare.find_data(settings, suited.pack_size(settings), listener)
    except InputError as error:
        hint = "" if moved else "; if they were moved, `data` says where they are now"
        raise InputError(f"{error}{hint}") from error


def check_inputs(directory: Path, settings: Settings, evaluator: prepare.EvaluatorKind) -> None:
    """Writes down where the inputs of a run are now; InputError if their contents are not as it began.

    A part of a run that has not begun yet takes them as they are: those of the run itself were checked.
    """
    config = read_config(directory)
    began, (now, former) = config.get("input_sha256"), prepare.fingerprints(evaluator)
    if began not in (now, former, ""):
        inputs = settings.data if settings.evaluator == "train" else settings.evaluator
        raise InputError(f"run began with other contents than {inputs} has now: {directory}")
    if (began, config["data"]) != (now, settings.data):
        write_json(directory / "config.json", config | {"data": settings.data, "input_sha256": now})
