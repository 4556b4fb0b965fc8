"""Starts and resumes runs: first all input is checked, then the directory is made, then trials run."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nas.errors import InputError, RunError
from nas.launch import prepare
from nas.launch.inline import run_inline
from nas.launch.placement import check_gpus, opened
from nas.launch.plan import memory_warning
from nas.runs.audit_results import LONG, longer
from nas.runs.config import read_config, read_settings, write_config
from nas.runs.family_files import write_family
from nas.runs.finish import finish
from nas.runs.kinds import KINDS, space_of
from nas.runs.run import Run
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.spec.listener import Listener
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.spec.trial import Evaluator
from nas.training.full import FullTraining
from nas.training.proxy import Training
from scaling_search import Coefficients, Model


def start(
    settings: Settings,
    directory: Path,
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
    refuse_existing(directory)
    check_gpus(settings.resources, trains=settings.evaluator == "train")
    settings, space, evaluator = prepare.prepared(settings, directory, listener)
    with ExitStack() as stack:
        resources = stack.enter_context(opened(settings.resources))
        evaluator = prepare.placed(evaluator, resources)
        price = {"num_classes": space.num_classes, "resolution": space.resolution}
        facts = {"cost": price, "input_sha256": prepare.fingerprint(evaluator)}
        journal = stack.enter_context(begin(directory, settings, facts))
        search = prepare.make_search(settings, space, journal, listener)
        run(search, evaluator, resources, settings, notes(settings))
    finish(directory)
    go_on_longer(directory, listener)
    return Run(directory)


def begin(directory: Path, settings: Settings, facts: Mapping[str, Any]) -> Journal:
    """Makes the directory of a new run, and its journal. Errors as ``new_directory``."""
    with new_directory(directory):
        if long := longer(settings):  # made first, so that no run has a run.db without it
            (directory / LONG).mkdir()
            write_config(directory / LONG, long.to_json(), **facts)
            with Journal(directory / LONG, create=True):
                pass
        write_config(directory, settings.to_json(), **facts)
        return Journal(directory, create=True)


@contextmanager
def new_directory(directory: Path) -> Iterator[None]:
    """Makes a run's directory; removes it again if the first files cannot be written in the context.

    Raises:
        InputError: if the directory or a file cannot be made, for instance on a full disk.
    """
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        message = f"directory must be a directory that can be made ({error.strerror}), got {directory}"
        raise InputError(message) from None
    try:
        yield
    except (OSError, sqlite3.OperationalError, RunError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        cause = error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(
            f"directory must be a directory with room for a run ({reason}), got {directory}"
        ) from None


def start_family(
    directory: Path, family: Mapping[str, Model], coefficients: Coefficients, asked: Mapping[str, Any]
) -> None:
    """Writes the files of a scaling run that trains nothing; ``asked`` is for ``config.json``.

    Raises:
        InputError: if the directory exists or cannot be made.
    """
    refuse_existing(directory)
    with new_directory(directory):
        write_config(directory, asked)
        write_family(directory, family, coefficients)


def refuse_existing(directory: Path) -> None:
    """InputError if ``directory`` exists: a new run must not overwrite it."""
    if directory.exists():
        raise InputError(f"directory must be a directory that does not exist yet, got {directory}")


def resume(directory: Path, listener: Listener, resources: Resources | None = None) -> Run:
    """Finishes an interrupted run as it would have gone, and an audit's longer schedule too.

    Raises:
        InputError: if there is no such run, it is finished, or another process is writing it.
        RunError: if the first trials all fail.
    """
    went_on = go_on(directory, listener, resources)
    if not go_on_longer(directory, listener, resources) and not went_on:
        settings = read_settings(directory)
        trains_one = KINDS[settings.kind].keeps_weights
        over = "its training is" if trains_one else f"all {settings.trials} trials are"
        raise InputError(f"run must be unfinished, and {over}: {directory}")
    return Run(directory)


def go_on_longer(directory: Path, listener: Listener, resources: Resources | None = None) -> bool:
    """Finishes an audit's longer schedule; False if nothing was left to do. Errors as ``resume``."""
    if longer(read_settings(directory)) is None:
        return False
    went_on = go_on(directory / LONG, listener, resources, ["The longer schedule"])
    if went_on:
        finish(directory)  # the audit compares both schedules
    return went_on


def go_on(
    directory: Path, listener: Listener, resources: Resources | None, notes: Sequence[str] = ()
) -> bool:
    """Finishes one run and writes its files; False if nothing was left to do. Errors as ``resume``."""
    with ExitStack() as stack:
        settings = read_settings(directory)
        space = space_of(settings)
        journal = stack.enter_context(Journal(directory))
        try:
            search = prepare.make_search(settings, space, journal, listener)
        except (sqlite3.DatabaseError, ValueError, LookupError) as error:
            raise InputError(f"run has a run.db that cannot be resumed ({error}): {directory}") from error
        if search.done and (directory / "best.json").exists():
            return False
        if not search.done:  # otherwise the run was interrupted while its files were written
            if not search.replayed_exactly:
                listener.say(
                    "The controller computes slightly different numbers here than where the run began: "
                    "the run goes on, but not exactly as it would have there."
                )
            resources = resources or settings.resources
            trains = settings.evaluator == "train"
            check_gpus(resources, trains=trains)
            data = prepare.find_data(settings, prepare.pack_size(settings), listener) if trains else None
            evaluator = prepare.make_evaluator(settings, data, directory, listener)
            if read_config(directory).get("input_sha256") != prepare.fingerprint(evaluator):
                raise InputError(
                    f"run began with other contents of {settings.data} or {settings.evaluator}: {directory}"
                )
            resources = stack.enter_context(opened(resources))
            run(search, prepare.placed(evaluator, resources), resources, settings, notes)
    finish(directory)
    return True


def run(
    search: Search, evaluator: Evaluator, resources: Resources, settings: Settings, notes: Sequence[str]
) -> None:
    """Runs the search to its end; RunError if it gives up because its first trials all fail."""
    finished = [row for row in search.rows.values() if row.status in ("done", "failed")]
    search.listener.on_start(settings, finished, search.standing)
    for note in notes:
        search.listener.say(note)
    if isinstance(evaluator, Training) and (
        warning := memory_warning(search.space, evaluator, resources, settings.seed)
    ):
        search.listener.say(warning)
    if resources.address == "inline" or isinstance(evaluator, FullTraining):
        run_inline(search, evaluator)
    else:
        from nas.launch.ray_tune import run_ray

        run_ray(search, evaluator, resources)
    if search.gave_up is not None:
        raise RunError(search.gave_up)
