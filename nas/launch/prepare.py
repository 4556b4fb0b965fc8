"""Makes what a run needs from its settings: space, controller, images, evaluator and device."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import controllers
from nas.deploy.devices import PROGRAM
from nas.errors import InputError
from nas.files import is_file
from nas.launch.measures import (
    check_measures,
    columns_for,
    for_controller,
    known_measures,
    open_latency,
    with_device,
)
from nas.launch.own_code import own_controller
from nas.launch.own_data import own_dataset
from nas.launch.own_evaluator import OwnEvaluator
from nas.launch.own_run import check_own, price_of
from nas.launch.placement import device_of, threads_of
from nas.launch.suited import for_images, pack_size, sized
from nas.runs.config import read_settings
from nas.runs.kinds import KINDS, space_of
from nas.search.confirm import Confirm
from nas.search.journal import Journal
from nas.search.loop import Search
from nas.search.measures import NONE, Measures
from nas.search.predictor import Predictor
from nas.search.tables import Table
from nas.spec import own
from nas.spec.init import Init
from nas.spec.listener import Listener
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.training.full import FullTraining
from nas.training.proxy import Training
from search_spaces import ArchSpec, Built, SearchSpace
from search_spaces.choices_text import parse_choices
from search_spaces.rules import parse_settings

if TYPE_CHECKING:
    from nas.data import Dataset
    from nas.training.pretrained import Pretrained

EvaluatorKind = Training | Table | Predictor | OwnEvaluator


def resolve_controller(settings: Settings) -> Settings:
    """``settings`` with the controller's defaults filled in; InputError if it or a setting is unknown.

    A controller of the user's own is made once, to see whether it can be.
    """
    if KINDS[settings.kind].given:
        return settings
    if own.is_code(settings.controller):
        if settings.controller_settings:
            rule = "must be left out with a controller of your own"
            raise InputError(f"controller_settings {rule}, got {', '.join(settings.controller_settings)}")
        _, sha256 = own_controller(settings, space_of(settings))
        return dataclasses.replace(settings, files={**settings.files, "controller": sha256})
    try:
        kind = controllers.find_kind(settings.controller).settings
    except ValueError as error:
        raise InputError(f"controller: {error}") from None
    try:
        given: Any = parse_settings(kind, settings.controller_settings)
    except ValueError as error:
        raise InputError(f"controller_settings: {error}") from None
    return dataclasses.replace(settings, controller_settings=dataclasses.asdict(given))


def make_controller(
    settings: Settings, space: SearchSpace, measures: Measures = NONE, *, trusted: bool = True
) -> controllers.Controller:
    """The controller of ``settings``, with what is known before any training: the objective and costs.

    Raises:
        InputError: if it is the user's own code, which is not ``trusted`` or has changed.
    """
    if KINDS[settings.kind].given:
        return controllers.GridSearch(space)
    if own.is_code(settings.controller):
        if not trusted:
            raise InputError(f"trust_code must be given to run the code of {settings.controller}")
        return own_controller(settings, space)[0]
    return controllers.make(
        settings.controller,
        space,
        seed=settings.seed,
        **for_controller(settings.objective, space, measures),
        price=price_of(space),
        settings=settings.controller_settings,
    )


def make_search(
    settings: Settings,
    space: SearchSpace,
    journal: Journal,
    listener: Listener,
    measures: Measures = NONE,
    *,
    trusted: bool = True,
) -> Search:
    """The search of ``settings``, restored from its journal.

    Args:
        measures: that are known before a trial.
        trusted: as in ``make_controller``.
    """
    if settings.device.startswith(PROGRAM) and not trusted:
        raise InputError(f"trust_code must be given to run the program of {settings.device}")
    stops_early = settings.scheduler == "asha" and settings.trains
    return Search(
        space,
        make_controller(settings, space, measures, trusted=trusted),
        settings.objective,
        journal,
        trials=settings.trials,
        seed=settings.seed,
        confirm=Confirm(
            settings.confirmations,
            settings.confirm_seeds,
            {name: known_network(text, space) for name, text in settings.baselines.items()},
        ),
        epochs=settings.recipe.epochs if stops_early else None,
        train_again=KINDS[settings.kind].given,
        listener=listener,
        measures=measures,
    )


def known_network(text: str, space: SearchSpace) -> Built:
    """A network to compare with: an ``ArchSpec``, or else the one that has these decisions in ``space``."""
    return ArchSpec.parse(text) if space.has_archs else space.decode(parse_choices(text, space))


class Inputs(NamedTuple):
    """What a new run needs: settings for the images that there are, and what they name.

    measures: the costs that are known before a trial.
    """

    settings: Settings
    space: SearchSpace
    evaluator: EvaluatorKind
    measures: Measures


def prepared(settings: Settings, directory: Path, listener: Listener) -> Inputs:
    """Reads what a new run needs, all of it once.

    Raises:
        InputError: if the settings cannot be met.
    """
    check_own(settings, space_of(settings))  # before images are read
    check_measures(settings)
    settings = resolve_controller(settings)
    settings, weights = read_weights(settings)
    data = None
    if settings.evaluator == "train":
        pack_size(settings)  # raises now if the recipe makes networks too large
        data = find_data(settings, lambda own: pack_size(sized(settings, own)), listener)
        settings = for_images(settings, data)
        if weights.init is None or weights.init.classes == tuple(data.classes):  # it knows these images
            settings = dataclasses.replace(settings, tuned=None)
        pack_size(settings)  # networks that the recipe makes too large are refused before anything is made
    latency = open_latency(settings)  # its networks have the resolution of the images by now
    settings = with_device(settings, latency)
    evaluator = make_evaluator(settings, data, weights, directory, listener)
    return Inputs(settings, space_of(settings), evaluator, known_measures(settings, evaluator, latency))


def with_known_split(settings: Settings) -> Settings:
    """``settings`` with the split of the images that their weights were trained by, if these are of a run.

    By another split, networks would be judged on images that their weights have seen.
    """
    for known in (settings.init, settings.teacher):
        path = Path(known.source) if known else None
        directory = path.parent if path and is_file(path) else path
        if directory and settings.data_seed is None and is_file(directory / "run.db"):
            before = read_settings(directory)
            if before.data == settings.data:
                settings = dataclasses.replace(settings, data_seed=before.split_seed)
    return settings


class Weights(NamedTuple):
    """The weights that networks begin with, and those of a teacher, if any."""

    init: Pretrained | None
    teacher: Pretrained | None


def read_weights(settings: Settings) -> tuple[Settings, Weights]:
    """The weights that ``settings`` name, and settings that say which they are, with their split of images.

    Raises:
        InputError: if they cannot be used, or are not those that the run began with.
    """
    found: dict[str, Pretrained | None] = {}
    for name in Weights._fields:
        asked, found[name] = getattr(settings, name), None
        if asked is not None:
            weights = found[name] = _read(asked, name)
            read = dataclasses.replace(asked, arch=str(weights.arch), sha256=weights.sha256)
            settings = dataclasses.replace(settings, **{name: read})
    return with_known_split(settings), Weights(**found)


def _read(asked: Init, field: str) -> Pretrained:
    from nas.training.pretrained import load_pretrained

    try:
        weights = load_pretrained(asked.source, ArchSpec.parse(asked.arch) if asked.arch else None)
    except InputError as error:
        raise InputError(f"{field}{str(error).removeprefix('init')}") from None
    if asked.sha256 not in ("", weights.sha256):
        raise InputError(f"{field} must be the weights that the run began with, got others in {asked.source}")
    return weights


def make_evaluator(
    settings: Settings, data: Dataset | None, weights: Weights, directory: Path, listener: Listener
) -> EvaluatorKind:
    """What gives a network's accuracy; InputError if its file cannot be used.

    Args:
        data: the images, where networks are trained.
        weights: see ``read_weights``.
    """
    if settings.kind == "search" and own.is_own(settings.evaluator):
        return OwnEvaluator(own.kept("evaluator"), settings.evaluator, settings.space)
    kind, _, file = settings.evaluator.partition(":")
    if data is not None:
        if KINDS[settings.kind].keeps_weights:
            return FullTraining(
                *(data, settings.recipe),
                init=weights.init,
                teacher=weights.teacher,
                directory=directory,
                listener=listener,
                keep=settings.keep,
                patience=settings.patience,
            )
        return Training(data, settings.recipe, reference=settings.reference, init=weights.init)
    if kind == "table" and file:
        return Table(Path(file), space_of(settings), columns_for(settings))
    if kind == "predictor" and file:
        predictor = Predictor(Path(file), space_of(settings), columns_for(settings))
        of_costs = "".join(f", {name} {tau:.3f}" for name, tau in predictor.tau_of.items())
        listener.say(
            f"Predictor: Kendall tau {predictor.kendall_tau:.3f}{of_costs} on {predictor.rows} networks "
            "(5 folds)"
        )
        return predictor
    known = "train, table:FILE" + (
        ", predictor:FILE or FILE.py:NAME" if settings.kind == "search" else " or predictor:FILE"
    )
    raise InputError(f"evaluator must be {known}, got {settings.evaluator!r}")


def looked_up_again(settings: Settings, directory: Path, listener: Listener) -> Table | Predictor | None:
    """The table or the predictor of a run that is resumed, if its objective asks for it; otherwise None."""
    if settings.trains or not settings.objective.measures:
        return None
    found = make_evaluator(settings, None, Weights(None, None), directory, listener)
    assert isinstance(found, Table | Predictor)
    return found


def find_data(settings: Settings, size: int | Callable[[int], int], listener: Listener) -> Dataset:
    """The images to train on; InputError if they cannot be used. ``size`` is that of ``load_data``."""
    from nas.data import load_data
    from nas.data.cache import Cache

    if own.is_own(settings.data):
        return own_dataset(settings, listener)
    try:
        return load_data(
            settings.data,
            size=size,
            seed=settings.split_seed,
            cache=Cache(limit=settings.resources.cache_size),
            listener=listener,
        )
    except ValueError as error:
        raise InputError(f"data: {error}") from None


def placed(evaluator: EvaluatorKind, resources: Resources) -> EvaluatorKind:
    """``evaluator`` with the device, processes and threads that ``resources`` give it."""
    if not isinstance(evaluator, Training):
        return evaluator
    task = dataclasses.replace(evaluator, device=device_of(resources), threads=threads_of(resources))
    if not isinstance(task, FullTraining) or resources.workers in (None, 1):
        return task
    from nas.launch.data_parallel import shared_checkpoints

    return dataclasses.replace(task, workers=resources.workers, checkpoints=shared_checkpoints)


def fingerprint(evaluator: EvaluatorKind, *, former: bool = False) -> str:
    """SHA-256 of the images or the file that an evaluator uses; empty for code, which ``Settings.files`` has.

    Args:
        former: as version 0.1 gave it, which knew images in files by their names, sizes and times.
    """
    if isinstance(evaluator, OwnEvaluator):
        return ""
    digest = hashlib.sha256()
    if isinstance(evaluator, Training):
        for part in (evaluator.data.train, evaluator.data.valid):
            part.hash_into(digest, former=former)
    else:
        digest.update(evaluator.file.read_bytes())
    return digest.hexdigest()


def fingerprints(evaluator: EvaluatorKind) -> tuple[str, str]:
    """``fingerprint`` as it is now, and the former one: a run began with what has either."""
    return fingerprint(evaluator), fingerprint(evaluator, former=True)
