"""Starts and resumes runs: first all input is checked, then the directory is made, then trials run."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nas.errors import InputError, NasError, RunError
from nas.files import exists, say_unlocked, write_json
from nas.launch import prepare, suited
from nas.launch.inline import run_inline
from nas.launch.measures import known_measures, open_latency
from nas.launch.measuring import measuring, tried
from nas.launch.new_run import Place, make, refuse_existing
from nas.launch.own_run import recall
from nas.launch.placement import check_resources, opened
from nas.launch.plan import memory_warning
from nas.launch.source import with_source
from nas.runs.config import read_config, read_settings, write_config
from nas.runs.family_files import write_family
from nas.runs.finish import finish
from nas.runs.kinds import KINDS, space_of
from nas.runs.run import Run
from nas.runs.spaces import noted
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.measures import NONE, Measures
from nas.spec.listener import Listener
from nas.spec.own import is_own
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.spec.source import SOURCE, source_settings
from nas.spec.trial import Evaluator
from nas.training.full import FullTraining
from nas.training.proxy import Training
from scaling_search import Coefficients, Model

if TYPE_CHECKING:
    from nas.data import Dataset


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
    settings, _, evaluator, measures = prepare.prepared(settings, Path(), listener)
    settings = tried(settings, listener)
    return start_with(evaluator, settings, place, listener, notes(settings), ends, measures)


def end_of(resources: Resources) -> float:
    """When a command that begins now should have ended, by ``time.monotonic``."""
    return math.inf if resources.max_hours is None else time.monotonic() + 3600 * resources.max_hours


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
        search = prepare.make_search(settings, space, journal, listener, measures)
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


def open_journal(directory: Path, listener: Listener) -> Journal:
    """The run's journal; says it where locks do not work. Errors as ``Journal``."""
    journal = Journal(directory)
    if not journal.locked:
        say_unlocked(listener.say)
    if words := journal.storage.words(directory):
        listener.say(words)
    return journal


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


def resume(
    directory: Path,
    listener: Listener,
    resources: Resources | None = None,
    data: str | None = None,
    *,
    trusted: bool = False,
    code: Mapping[str, str] = MappingProxyType({}),
) -> Run:
    """Finishes an interrupted run as it would have gone, and its second part too.

    Args:
        data: where its images are now, if they were moved.
        trusted: whether code that the run names, such as a controller of the user's own, may run.
        code: the fields of settings whose code was named again, and is known: what they are called now.

    Raises:
        InputError: if there is no such run, it is finished, another process is writing it, or ``data`` holds
            other images.
        RunError: if the first trials all fail.
    """
    went_on = go_on(directory, listener, resources, data=data, trusted=trusted, code=code)
    if not go_on_second(directory, listener, resources, data) and not went_on:
        settings = read_settings(directory)
        trains_one = KINDS[settings.kind].keeps_weights
        over = "its training is" if trains_one else f"all {settings.trials} trials are"
        raise InputError(f"run must be unfinished, and {over}: {directory}")
    return Run(directory)


def go_on_second(
    directory: Path, listener: Listener, resources: Resources | None = None, data: str | None = None
) -> bool:
    """Finishes the second part of a run; False if nothing was left to do. Errors as ``resume``."""
    settings = read_settings(directory)
    second = KINDS[settings.kind].second(settings)
    if second is None:
        return False
    went_on = go_on(directory / second.name, listener, resources, [second.title], data)
    if went_on:
        finish(directory)  # what it says compares both parts
    return went_on


def go_on(
    directory: Path,
    listener: Listener,
    resources: Resources | None = None,
    notes: Sequence[str] = (),
    data: str | None = None,
    *,
    trusted: bool = False,
    code: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Finishes one run and writes its files; False if nothing was left to do. Errors as ``resume``."""
    with ExitStack() as stack:
        settings = read_settings(directory)
        if data is not None:
            if settings.evaluator != "train":
                raise InputError(f"data must be left out, as this run reads no images, got {data}")
            settings = dataclasses.replace(settings, data=data)
        settings = dataclasses.replace(settings, **dict[str, Any](code))
        recall(settings, trusted=trusted)
        space = space_of(settings)
        journal = stack.enter_context(open_journal(directory, listener))
        known = prepare.looked_up_again(settings, directory, listener)
        measures = known_measures(settings, known, open_latency(settings))
        try:
            search = prepare.make_search(settings, space, journal, listener, measures, trusted=trusted)
        except NasError:
            raise
        except Exception as error:  # whatever a damaged journal makes a controller raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"run has a run.db that cannot be resumed ({reason}): {directory}") from error
        if search.done and exists(directory / "best.json"):
            return False
        if not search.done:  # otherwise the run was interrupted while its files were written
            if not search.replayed_exactly:
                listener.say(
                    "The controller computes slightly different numbers here than where the run began: "
                    "the run goes on, but not exactly as it would have there."
                )
            resources = resources or settings.resources
            search.session.ends = end_of(resources)
            trains = settings.evaluator == "train"
            check_resources(resources, trains=settings.trains)
            _, weights = prepare.read_weights(settings)
            images = images_again(settings, listener, moved=data is not None) if trains else None
            evaluator = known or prepare.make_evaluator(settings, images, weights, directory, listener)
            moved = functools.partial(go_on, resources=None, data=data)
            check_inputs(directory, settings, evaluator)
            evaluator = with_source(evaluator, settings, directory, listener, moved)
            found = stack.enter_context(opened(resources))
            evaluator = prepare.placed(evaluator, found)
            (directory / "best.json").unlink(missing_ok=True)  # of a search that ended before its time
            run(search, evaluator, found, settings, notes, workers=resources.workers)
    finish(directory)
    return True


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


def run(
    search: Search,
    evaluator: Evaluator,
    resources: Resources,
    settings: Settings,
    notes: Sequence[str],
    *,
    workers: int | None,
) -> None:
    """Runs the search to its end; RunError if it gives up because its first trials all fail.

    Args:
        resources: with the workers that there is room for now.
        workers: how many there may be; None for as many as there is room for at any time.
    """
    finished = [row for row in search.rows.values() if row.status in ("done", "failed")]
    search.listener.on_part(search.journal.directory)
    search.listener.on_start(settings, finished, search.standing)
    for note in notes:
        search.listener.say(note)
    if isinstance(evaluator, Training) and (
        warning := memory_warning(search.space, evaluator, resources, settings.seed)
    ):
        search.listener.say(warning)
    inline = resources.address == "inline" or isinstance(evaluator, FullTraining)
    evaluator = measuring(evaluator, settings, search.space)
    if inline:
        run_inline(search, evaluator)
    else:
        from nas.launch.workers import run_ray

        run_ray(search, evaluator, dataclasses.replace(resources, workers=workers))
    if search.gave_up is not None:
        raise RunError(search.gave_up)
