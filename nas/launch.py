"""Starts and resumes runs: everything is checked first, then the directory is made, then trials run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import controllers
from nas import trained
from nas.audit import LONG, longer, write_audit
from nas.config import Resources, Settings, read_config, read_settings, write_config
from nas.errors import InputError, RunError, unknown
from nas.evaluators import Predictor, Table, Training, pack_size
from nas.executors import run_inline
from nas.families import write_family
from nas.full_training import FullTraining
from nas.journal import Journal
from nas.page import write_page
from nas.plan import memory_warning
from nas.run import Run
from nas.scaling import compare
from nas.search import Search
from scaling_search import Coefficients, Model
from search_spaces import SPACES, ArchSpec, SearchSpace, cost, listed

if TYPE_CHECKING:
    from nas.data import Dataset
    from nas.screen import Screen

EvaluatorKind = Training | Table | Predictor


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
        make_directory(directory)
        price = {
            "num_classes": space.num_classes,
            "resolution": space.decode([0] * len(space.decisions)).resolution,
        }
        facts = {"cost": price, "input_sha256": fingerprint(evaluator)}
        if long := longer(settings):  # made first, so that it is there wherever this run has a run.db
            make_directory(directory / LONG)
            write_config(directory / LONG, long.to_json(), **facts)
            with Journal(directory / LONG, create=True):
                pass
        write_config(directory, settings.to_json(), **facts)
        journal = stack.enter_context(Journal(directory, create=True))
        run(make_search(settings, space, journal, screen), placed, resources, screen, settings)
    finished = finish(directory)
    return resume(directory, screen) if long else finished


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
    make_directory(directory)
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


def find_space(settings: Settings) -> SearchSpace:
    """The space to search: a known one, or a list of networks; InputError if there is none."""
    if settings.scaling:
        return settings.scaling.space()
    if settings.networks:
        classes = SPACES[settings.space].num_classes if settings.space in SPACES else 1000
        return listed(settings.space, settings.networks, classes)
    return known_space(settings.space)


def known_space(name: str) -> SearchSpace:
    """One of ``SPACES``; InputError if there is none of that name."""
    if name not in SPACES:
        raise InputError(f"--space: {unknown('space', name, SPACES)}")
    return SPACES[name]


def resolve_controller(settings: Settings) -> Settings:
    """``settings`` with every setting of the controller; InputError if one, or the controller, is unknown."""
    if settings.listed:
        return settings
    name = settings.controller
    if name not in controllers.CONTROLLERS:
        raise InputError(f"--controller: {unknown('controller', name, controllers.CONTROLLERS)}")
    try:
        kind = controllers.CONTROLLERS[name].settings
        given: Any = controllers.parse_settings(kind, settings.controller_settings)
    except ValueError as error:
        raise InputError(f"--set: {error}") from None
    return dataclasses.replace(settings, controller_settings=dataclasses.asdict(given))


def make_controller(settings: Settings, space: SearchSpace) -> controllers.Controller:
    """The controller of ``settings``, told what is known before any training: objective and prices."""
    if settings.listed:
        return controllers.GridSearch(space)
    return controllers.make(
        settings.controller,
        space,
        seed=settings.seed,
        objective=settings.objective,
        price=lambda actions: cost(space.decode(actions), space.num_classes),
        settings=settings.controller_settings,
    )


def make_search(settings: Settings, space: SearchSpace, journal: Journal, screen: Screen) -> Search:
    """The search of ``settings``, with whatever its journal already has."""
    return Search(
        space,
        make_controller(settings, space),
        settings.objective,
        journal,
        trials=settings.trials,
        seed=settings.seed,
        confirmations=settings.confirmations,
        confirm_seeds=settings.confirm_seeds,
        train_again=settings.listed,
        on_epoch=screen.on_epoch,
        on_finish=screen.on_finish,
    )


def make_evaluator(settings: Settings, space: SearchSpace, directory: Path, screen: Screen) -> EvaluatorKind:
    """Where accuracies come from; InputError if its file or data cannot be used."""
    kind, _, file = settings.evaluator.partition(":")
    if kind == "table" and file:
        return Table(Path(file), space)
    if kind == "predictor" and file:
        predictor = Predictor(Path(file), space)
        screen.say(
            f"Predictor: Kendall tau {predictor.kendall_tau:.3f} on {predictor.rows} networks (5 folds)"
        )
        return predictor
    if settings.evaluator != "train":
        raise InputError(
            f"--evaluator must be train, table:FILE or predictor:FILE, got {settings.evaluator!r}"
        )
    data = find_data(settings, space, screen)
    if settings.trains_one:
        return FullTraining(
            data, settings.recipe, directory=directory, on_restore=screen.on_restore, on_step=screen.on_step
        )
    reference = settings.scaling.arch.resolution if settings.scaling else None
    return Training(data, settings.recipe, reference=reference)


def find_data(settings: Settings, space: SearchSpace, screen: Screen) -> Dataset:
    """The images to train on; InputError if they cannot be used."""
    from nas.data import load_data
    from nas.data.cache import Cache

    try:
        return load_data(
            settings.data,
            size=pack_size(settings, space),
            seed=settings.seed if settings.data_seed is None else settings.data_seed,
            cache=Cache(limit=settings.resources.cache_size),
            say=screen.say,
            progress=screen.packing,
        )
    except ValueError as error:
        raise InputError(f"--data: {error}") from None


def place(
    evaluator: EvaluatorKind, resources: Resources, stack: ExitStack
) -> tuple[EvaluatorKind, Resources]:
    """The evaluator on its device, and the resources that are really there; starts or joins Ray."""
    if resources.address != "inline":
        from nas.ray_tune import cluster

        resources = stack.enter_context(cluster(resources))
    if isinstance(evaluator, Training):
        evaluator = placed(evaluator, resources)
    if isinstance(evaluator, FullTraining):
        evaluator = dataclasses.replace(evaluator, workers=resources.workers or 1)
    return evaluator, resources


def placed(task: Training, resources: Resources) -> Training:
    """``task`` on the device, and with the threads, that ``resources`` give a trial."""
    threads = max(1, int(resources.cpus_per_trial))
    return dataclasses.replace(task, device=find_device(resources), threads=threads)


def find_device(resources: Resources) -> str:
    """Where a trial trains: on the GPU that it is given or, inline, on one that is there."""
    if resources.address != "inline":
        return "cuda" if resources.gpus_per_trial else "cpu"
    import torch

    return "cuda" if resources.gpus_per_trial != 0 and torch.cuda.is_available() else "cpu"


def check_gpus(resources: Resources, *, trains: bool) -> None:
    """InputError if this machine lacks the GPUs asked for; a cluster's are counted when it is joined."""
    if not resources.gpus_per_trial or resources.address == "auto":
        return
    if not trains:
        raise InputError(
            f"--gpus-per-trial must be 0 where nothing is trained, got {resources.gpus_per_trial:g}"
        )
    import torch

    if resources.gpus_per_trial > torch.cuda.device_count():
        raise InputError(
            f"--gpus-per-trial must be at most the {torch.cuda.device_count()} GPUs of this machine, "
            f"got {resources.gpus_per_trial:g}"
        )


def run(
    search: Search, evaluator: EvaluatorKind, resources: Resources, screen: Screen, settings: Settings
) -> None:
    """Runs the search to its end."""
    screen.start(search)
    if isinstance(evaluator, Training):
        warning = memory_warning(search.space, evaluator, resources, settings.seed)
        if warning:
            screen.say(warning)
    if resources.address == "inline" or settings.trains_one:
        run_inline(search, evaluator)
    else:
        from nas.ray_tune import run_ray

        run_ray(search, evaluator, resources, asha_epochs(settings))
    if search.gave_up is not None:
        raise RunError(search.gave_up)


def asha_epochs(settings: Settings) -> int | None:
    """The epochs of a trial that ASHA may stop before; None if it may not."""
    return settings.recipe.epochs if settings.scheduler == "asha" and settings.evaluator == "train" else None


def finish(directory: Path) -> Run:
    """Writes what is rebuilt from ``run.db``: ``best.json``, ``pareto.csv``, a family or an audit."""
    run = Run(directory).snapshot()
    settings = read_settings(directory)
    best = run.best_trial()
    more: dict[str, Any] = trained.finish(run) if settings.trains_one else {}
    if settings.scaling:
        compared = compare(run.trials(), settings.scaling, settings.recipe)
        compared.to_csv(directory / "grid.csv", index=False)
        chosen = compared[compared["chosen"]].iloc[0]
        coefficients = Coefficients(chosen["alpha"], chosen["beta"], chosen["gamma"])
        write_family(directory, settings.scaling.family(coefficients), coefficients)
        networks = run.networks()
        best = networks[networks["arch"] == chosen["arch"]].to_dict("records")[0]
    keys = ("arch", "flops", "params", "activations", "trial", "accuracy", "reward")
    known = [key for key in ("accuracy_error", "p_best", "p_front") if "measured" in best and key in best]
    described: dict[str, Any] = {key: best[key] for key in (*keys, *known)}
    described["resolution"] = ArchSpec.parse(best["arch"]).resolution
    described |= {"space": settings.space, **more}
    (directory / "best.json").write_text(
        json.dumps(described, indent=2, default=lambda value: value.item()) + "\n"
    )
    if not settings.trains_one:
        run.write_pareto()
    if settings.audit:
        write_audit(run)
    write_page(run)
    return run


def fingerprint(evaluator: EvaluatorKind) -> str:
    """SHA-256 of the images or the table behind an evaluator."""
    digest = hashlib.sha256()
    if isinstance(evaluator, Training):
        for part in (evaluator.data.train, evaluator.data.valid):
            part.hash_into(digest)
    else:
        digest.update(evaluator.file.read_bytes())
    return digest.hexdigest()
