"""``nas train``: one network, trained to the end, and its weights."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nas.commands.arguments import (
    absolute,
    checked,
    find_arch,
    find_family,
    find_recipe,
    pairs,
    parse_bytes,
)
from nas.commands.declare import declared
from nas.commands.options import QuietOption, TrainOptions
from nas.commands.running import run_directory, watch

if TYPE_CHECKING:
    from nas.spec.recipe import Recipe
    from nas.spec.settings import Settings
    from search_spaces import ArchSpec


@declared(workers="--data-parallel", cpus_per_trial="--threads", gpus_per_trial="--device")
def train(options: TrainOptions, quiet: QuietOption = False) -> None:
    """Train one network to the end, and keep its weights.

    A checkpoint after every epoch lets nas resume go on exactly where the training was interrupted.

    Example: nas train efficientnet-b0 --data folder:photos
    """
    from nas.launch import launch
    from nas.screens.training import TrainingScreen
    from reports import count

    recipe = find_training(options.arch, options.recipe, pairs(options.fields, "fields"), options.epochs)
    network = recipe.shrink(find_arch(options.arch))
    settings = train_settings(options, network, recipe)
    directory = run_directory(options.run, "train")
    size = f"{count(settings.objective.target_flops)} FLOPs at {network.resolution} px"
    note = f"Training {network}: {size}, on {settings.data}"
    screen = TrainingScreen(quiet=quiet)
    watch(screen, directory, lambda: launch.start(settings, directory, screen, lambda _: [note]))


def train_settings(options: TrainOptions, network: ArchSpec, recipe: Recipe) -> Settings:
    """The settings of a run that trains ``network``, which has the resolution and width of ``recipe``.

    Raises:
        InputError: if a value is out of range or cannot be read.
    """
    from nas.launch.placement import of_processes
    from nas.spec.objective import Objective
    from nas.spec.settings import Settings
    from search_spaces import cost

    resources = of_processes(options.device, options.threads, options.data_parallel, options.address)
    with checked():
        return Settings(
            space="train",
            trials=1,
            data=absolute(options.data),
            evaluator="train",
            controller="grid",
            objective=Objective(cost(network).flops),  # so that the reward is the accuracy
            recipe=dataclasses.replace(recipe, resolution=0, width=1.0, divisor=8),  # the network has them
            seed=options.seed,
            resources=dataclasses.replace(resources, cache_size=parse_bytes(options.cache_size)),
            networks=(str(network),),
        )


def find_training(arch: str, name: str, fields: dict[str, str], epochs: int | None) -> Recipe:
    """The recipe to train ``arch`` by: with the dropout of its family where the recipe has any.

    Raises:
        InputError: if there is no such recipe or field, or a value is out of range.
    """
    recipe = find_recipe(name, fields, "fields")
    published = find_dropout(arch)
    if recipe.dropout and published is not None and "dropout" not in fields:
        recipe = dataclasses.replace(recipe, dropout=published)
    if epochs is not None:
        with checked():
            recipe = dataclasses.replace(recipe, epochs=epochs)
    return recipe


def find_dropout(arch: str) -> float | None:
    """The dropout of the model that ``arch`` names, in a family or published; None if it is neither."""
    from search_spaces.presets import EFFICIENTNET_COEFFICIENTS

    if arch in EFFICIENTNET_COEFFICIENTS:
        return EFFICIENTNET_COEFFICIENTS[arch][3]
    if found := find_family(arch):
        family, model = found
        return family[model].dropout
    return None
