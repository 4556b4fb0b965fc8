"""``nas train``: one network, trained to the end, and its weights."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nas.commands.arguments import (
    checked,
    find_images,
    find_recipe,
    pairs,
    parse_bytes,
    parse_seconds,
    with_options,
)
from nas.commands.declare import command_words, declared
from nas.commands.defaults import DefaultOptions
from nas.commands.network_options import TrainOptions
from nas.commands.networks import find_arch, find_family, find_init, find_teacher
from nas.commands.options import QuietOption
from nas.commands.running import interruptible, watch
from nas.errors import InputError
from nas.files import exists, is_directory, is_file

if TYPE_CHECKING:
    from nas.launch.new_run import Place
    from nas.launch.training import Origin
    from nas.runs.run import Run
    from nas.spec.init import Init
    from nas.spec.listener import Listener
    from nas.spec.recipe import Recipe
    from nas.spec.settings import Settings
    from search_spaces import ArchSpec


@declared(DefaultOptions, workers="--data-parallel", cpus_per_trial="--threads", gpus_per_trial="--device")
def train(options: TrainOptions, quiet: QuietOption = False) -> None:
    """Train one network to the end, and keep its weights.

    The network of a run is trained on the run's images. A checkpoint after every epoch lets nas resume go on
    exactly where the training was interrupted.

    Example: nas train runs/first --time 10m
    """
    with interruptible():
        trained(options, quiet=quiet)


def trained(options: TrainOptions, *, quiet: bool = False) -> Run:
    """Trains one network to the end, and keeps its weights."""
    from nas.launch.new_run import Place
    from nas.screens.training import TrainingScreen
    from nas.trackers.chosen import choose

    started = time.monotonic()
    screen = TrainingScreen(quiet=quiet)
    place = Place(options.run, "train", command_words("train", options))
    until = None if options.time is None else started + find_seconds(options)
    chosen = choose(options.track)

    def work(listener: Listener) -> Run:
        return train_network(options, place, listener, chosen.noted, until)

    return watch(screen, work, chosen)


def train_network(
    options: TrainOptions,
    place: Place,
    listener: Listener,
    noted: Callable[[Settings], Settings],
    until: float | None,
) -> Run:
    """The run that the options ask for, when it is over.

    Args:
        noted: settings that say who tracks the run.
        until: it should be over by then, by ``time.monotonic``; None for whenever it is.
    """
    from nas.launch.launch import start_with
    from nas.launch.training import prepare_training
    from nas.runs.source import source_of
    from nas.screens.training import preparation_lines
    from nas.spec.recipe import default_recipe

    origin = find_origin(options.arch, options.data)
    before = source_of(origin.directory, origin.settings) if origin and origin.trained else None
    init = find_init(options.init, options.init_arch, before)
    network = find_arch(options.arch)
    whole = find_whole(options, network, origin, before)
    teacher = whole or find_teacher(options.teacher)
    pretrained = default_recipe("scratch", pretrained=init is not None)
    name = options.recipe or ("distill" if whole else pretrained)
    fields = with_options(pairs(options.fields, "fields"), class_weights=options.class_weights)
    recipe = find_training(options.arch, name, fields, options.epochs)
    recipe.shrink(network)  # raises now if it would be too large
    asked = dataclasses.replace(train_settings(options, network, recipe, origin), init=init, teacher=teacher)
    prepared = prepare_training(
        noted(asked),
        place,
        listener,
        origin=origin,
        until=until,
        choose_threads=options.threads is None,
    )
    notes = preparation_lines(prepared, options.arch)
    if whole:
        notes.append(f"It also learns from the outputs of {whole.name}; --teacher none: from labels alone.")
    if origin and not origin.trained and options.data is None:
        where = origin.directory
        notes.append(f"{where} looked accuracies up and has no images of its own; --data takes others.")
    return start_with(prepared.task, prepared.settings, place, listener, notes)


def find_whole(
    options: TrainOptions, network: ArchSpec, origin: Origin | None, before: Init | None
) -> Init | None:
    """The fine-tuned weights of a run whose part ``network`` is, and whose outputs it learns.

    None if there are none, they are of a network of no more FLOPs, or the options say otherwise.

    Args:
        before: the weights that the networks of ``origin`` began with.
    """
    from search_spaces import ArchSpec, cost

    said = (options.data, options.init, options.teacher, options.recipe)
    if origin is None or before is None or not before.tuned_from or any(one is not None for one in said):
        return None
    assert origin.settings.init is not None
    whole = ArchSpec.parse(origin.settings.init.arch)
    at_its_size = dataclasses.replace(network, resolution=whole.resolution)
    return before if cost(whole).flops > cost(at_its_size).flops else None


def find_origin(arch: str, data: str | None) -> Origin | None:
    """The run that ``arch`` names, by its directory, a file in it or a model of its family; None if none.

    A family that was scaled from a run without training is for the images of that run.

    Args:
        data: the images to train on, if they are given.

    Raises:
        InputError: if its ``config.json`` is damaged.
    """
    from nas.launch.training import Origin
    from nas.runs.config import read_settings
    from search_spaces import PRESETS

    directory = None if arch in PRESETS else named_directory(arch)
    if directory is None:
        return None
    base = base_of(directory)
    if base and not is_file(base / "run.db"):
        if data is None:
            raise InputError(f"arch must be a family whose run is there, or `data` given, got none at {base}")
        return None
    directory = base or directory
    if not is_file(directory / "run.db"):
        return None
    return Origin(directory, read_settings(directory), data is None)


def named_directory(arch: str) -> Path | None:
    """The directory that ``arch`` names, by itself, by a file in it or by a model of its family."""
    from search_spaces import ArchSpec

    if (
        arch.startswith("res") and "-stem" in arch
    ):  # as in find_arch, an architecture is never taken for a path
        with contextlib.suppress(ValueError):
            ArchSpec.parse(arch)
            return None
    for text in filter(None, (arch, arch.rpartition(":")[0])):
        if exists(Path(text)):
            return Path(text) if is_directory(Path(text)) else Path(text).parent
    return None


def base_of(directory: Path) -> Path | None:
    """The run that a family was scaled from, if nothing was trained for that; None otherwise."""
    from nas.runs.config import read_config

    if not is_file(directory / "family.json") or is_file(directory / "run.db"):
        return None
    base = read_config(directory).get("base_run")
    return Path(base) if isinstance(base, str) else None


def find_seconds(options: TrainOptions) -> float:
    """``--time`` in seconds.

    Raises:
        InputError: if it is no time above 0, or stands beside ``epochs``.
    """
    text = str(options.time)
    if options.epochs is not None:
        raise InputError(f"time must stand without `epochs`, got {text} and {options.epochs}")
    return parse_seconds(text, "time")


def train_settings(
    options: TrainOptions, network: ArchSpec, recipe: Recipe, origin: Origin | None
) -> Settings:
    """The settings of a run that trains ``network``; the resolution and width are still the recipe's.

    Raises:
        InputError: if a value is out of range or cannot be read.
    """
    from nas.launch.placement import of_processes
    from nas.spec.objective import Objective
    from nas.spec.settings import Settings

    with checked():
        resources = of_processes(options.device, options.threads, options.data_parallel, options.address)
    data, sha256 = find_images(options.data or "digits")
    data_seed = None
    if origin and origin.trained:
        before = origin.settings
        data = data if options.data else before.data
        # Wherever its images are now, so that it is tested on those that it was not chosen by.
        data_seed = before.split_seed
    with checked():
        return Settings(
            space="train",
            trials=1,
            data=data,
            evaluator="train",
            controller="grid",
            objective=Objective(1.0, 0.0),  # the reward is the accuracy
            recipe=recipe,
            seed=options.seed,
            resources=dataclasses.replace(resources, cache_size=parse_bytes(options.cache_size)),
            networks=(str(network),),
            data_seed=data_seed,
            keep=options.keep,
            patience=options.patience or 0,
            files={"data": sha256} if sha256 else {},
        )


def find_training(arch: str, name: str, fields: dict[str, str], epochs: int | None) -> Recipe:
    """The recipe to train ``arch`` by: with the dropout of its family where the recipe has any.

    Raises:
        InputError: if there is no such recipe or field, or a value is out of range.
    """
    recipe = find_recipe(name, fields, "fields")
    if "metric" not in fields:  # that of a search is for ranking
        recipe = dataclasses.replace(recipe, metric="accuracy")
    published = find_dropout(arch)
    if recipe.dropout and published is not None and "dropout" not in fields:
        recipe = dataclasses.replace(recipe, dropout=published)
    if epochs is not None:
        with checked():
            recipe = dataclasses.replace(recipe, epochs=epochs, seen=0)
    return recipe


def find_dropout(arch: str) -> float | None:
    """The dropout of the model that ``arch`` names, in a family or published; None if it is neither."""
    from search_spaces.presets import EFFICIENTNET_COEFFICIENTS, EFFICIENTNET_LITE_COEFFICIENTS

    if published := (EFFICIENTNET_COEFFICIENTS | EFFICIENTNET_LITE_COEFFICIENTS).get(arch):
        return published[3]
    if found := find_family(arch):
        family, model = found
        return family[model].dropout
    return None
