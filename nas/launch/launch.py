"""Starts and resumes runs: everything is checked first, then the directory is made, then trials run."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import InputError, RunError
from nas.launch.inline import run_inline
from nas.launch.plan import memory_warning
from nas.launch.prepare import (
    EvaluatorKind,
    check_gpus,
    find_space,
    fingerprint,
    make_evaluator,
    make_search,
    place,
    resolve_controller,
)
from nas.runs.audit_results import LONG, longer
from nas.runs.config import read_config, read_settings, write_config
from nas.runs.family_files import write_family
from nas.runs.finish import finish
from nas.runs.run import Run
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.training.proxy import Training
from scaling_search import Coefficients, Model

if TYPE_CHECKING:
    from nas.screens.progress import Screen


def start(settings: Settings, directory: Path, screen: Screen) -> Run:
    """A new search, a scaling run or an audit, in a directory that does not exist yet.

    Raises:
        InputError: if something asked for cannot be had; then nothing has been made.
        RunError: if the first trials all fail.
    """
    space = find_space(settings)
    settings = resolve_controller(settings)
    refuse_existing(directory)
    check_gpus(settings.resources, trains=settings.evaluator == "train")
    evaluator = make_evaluator(settings, space, directory, screen)
    with ExitStack() as stack:
        placed, resources = place(evaluator, settings.resources, stack)
        price = {
            "num_classes": space.num_classes,
            "resolution": space.decode([0] * len(space.decisions)).resolution,
        }
        facts = {"cost": price, "input_sha256": fingerprint(evaluator)}
        journal = stack.enter_context(begin(directory, settings, facts))
        run(make_search(settings, space, journal, screen), placed, resources, screen, settings)
    finished = finish(directory)
    return resume(directory, screen) if longer(settings) else finished


def begin(directory: Path, settings: Settings, facts: Mapping[str, Any]) -> Journal:
    """The directory of a new run and its journal.

    Raises:
        InputError: if they cannot be made, as on a full disk; then nothing is left of them.
    """
    with new_directory(directory):
        if long := longer(settings):  # made first, so that it is there wherever this run has a run.db
            make_directory(directory / LONG)
            write_config(directory / LONG, long.to_json(), **facts)
            with Journal(directory / LONG, create=True):
                pass
        write_config(directory, settings.to_json(), **facts)
        return Journal(directory, create=True)


@contextmanager
def new_directory(directory: Path) -> Iterator[None]:
    """Makes a run's directory, to write its first files in; if they cannot be written, nothing is left.

    Raises:
        InputError: if it or they cannot be made, as on a full disk.
    """
    make_directory(directory)
    try:
        yield
    except (OSError, sqlite3.OperationalError, RunError) as error:
        shutil.rmtree(directory, ignore_errors=True)
        cause = error.__cause__ or error
        raise InputError(
            f"--run must be a directory with room for a run ({getattr(cause, 'strerror', None) or cause}), "
            f"got {directory}"
        ) from None


def start_family(
    directory: Path, family: Mapping[str, Model], coefficients: Coefficients, asked: Mapping[str, Any]
) -> None:
    """A scaling run without anything to train: its files, in a directory that does not exist yet.

    Args:
        asked: for ``config.json``.

    Raises:
        InputError: if the directory exists or cannot be made.
    """
    refuse_existing(directory)
    with new_directory(directory):
        write_config(directory, asked)
        write_family(directory, family, coefficients)


def refuse_existing(directory: Path) -> None:
    """InputError if there is something that a new run could overwrite."""
    if directory.exists():
        raise InputError(f"--run must be a directory that does not exist yet, got {directory}")


def make_directory(directory: Path) -> None:
    """InputError if the run's directory cannot be made."""
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"--run must be a directory that can be made ({error.strerror}), got {directory}"
        ) from None


def resume(directory: Path, screen: Screen, resources: Resources | None = None) -> Run:
    """Goes on with an interrupted search, exactly as it would have gone; an audit, with its longer schedule.

    Raises:
        InputError: if there is no such run, it is finished, or another process is writing it.
        RunError: if the first trials all fail.
    """
    settings = read_settings(directory)
    went_on = go_on(directory, screen, resources)
    if went_on:
        finish(directory)
    if longer(settings):
        screen.notes = ["The longer schedule"]
        went_on_long = go_on(directory / LONG, screen, resources)
        if went_on_long:
            finish(directory / LONG)
            finish(directory)
        went_on |= went_on_long
    if not went_on:
        over = "its training is" if settings.trains_one else f"all {settings.trials} trials are"
        raise InputError(f"RUN must be unfinished, and {over}: {directory}")
    return Run(directory)


def go_on(directory: Path, screen: Screen, resources: Resources | None) -> bool:
    """Trains what is left of one run; False if nothing is. Errors as of ``resume``."""
    with ExitStack() as stack:
        settings = read_settings(directory)
        space = find_space(settings)
        journal = stack.enter_context(Journal(directory))
        try:
            search = make_search(settings, space, journal, screen)
        except (sqlite3.DatabaseError, ValueError, LookupError) as error:
            raise InputError(f"RUN has a run.db that cannot be resumed ({error}): {directory}") from error
        if search.done:
            return not (directory / "best.json").exists()  # perhaps it ended while that was written
        if not search.replayed_exactly:
            screen.say(
                "The controller's arithmetic differs here from where the run began: it goes on, not exactly."
            )
        resources = resources or settings.resources
        check_gpus(resources, trains=settings.evaluator == "train")
        evaluator = make_evaluator(settings, space, directory, screen)
        if read_config(directory).get("input_sha256") != fingerprint(evaluator):
            raise InputError(
                f"RUN began with other contents of {settings.data} or {settings.evaluator}: {directory}"
            )
        run(search, *place(evaluator, resources, stack), screen, settings)
    return True


def run(
    search: Search, evaluator: EvaluatorKind, resources: Resources, screen: Screen, settings: Settings
) -> None:
    """Runs the search to its end."""
    screen.start(search, audits=settings.audit is not None)
    if isinstance(evaluator, Training):
        warning = memory_warning(search.space, evaluator, resources, settings.seed)
        if warning:
            screen.say(warning)
    if resources.address == "inline" or settings.trains_one:
        run_inline(search, evaluator)
    else:
        from nas.launch.ray_tune import run_ray

        run_ray(search, evaluator, resources)
    if search.gave_up is not None:
        raise RunError(search.gave_up)
