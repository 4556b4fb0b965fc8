"""``nas train``: one network, trained to the end, and its weights."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.commands.options import (
    CacheOption,
    DataOption,
    QuietOption,
    absolute,
    checked,
    find_arch,
    find_family,
    find_recipe,
    interruptible,
    pairs,
    parse_bytes,
)
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.spec.recipe import Recipe
    from nas.spec.resources import Resources

DEVICES = ("auto", "cpu", "cuda")


def train(
    arch: Annotated[
        str,
        typer.Argument(metavar="ARCH", help="A preset, a run, RUN:MODEL of a family, a JSON file, or text."),
    ],
    data: DataOption = "digits",
    recipe: Annotated[
        str, typer.Option(help="How it is trained: efficientnet (350 epochs) or proxy (short).")
    ] = "efficientnet",
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A field of the recipe, e.g. resolution=32, batch_size=128, dropout=0.3.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(show_default="the recipe's", help="Passes over the training images.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random, and of the validation part.")] = 0,
    run: Annotated[
        Path | None, typer.Option(show_default="runs/TIME-train", help="The run's directory; must not exist.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(show_default="all cores, shared", help="CPU threads of a process.")
    ] = None,
    data_parallel: Annotated[
        int,
        typer.Option(metavar="N", help="Processes that share every batch, on a GPU or on threads each."),
    ] = 1,
    address: Annotated[
        str, typer.Option(help="Of those: local, or auto for the running Ray cluster.")
    ] = "local",
    cache_size: CacheOption = "50G",
    quiet: QuietOption = False,
) -> None:
    """Train one network to the end, and keep its weights.

    A checkpoint after every epoch lets nas resume go on exactly where the training was interrupted.

    Example: nas train efficientnet-b0 --data folder:photos
    """
    from nas.launch import launch
    from nas.screens.training import TrainingScreen
    from nas.screens.views import print_report
    from nas.spec.objective import Objective
    from nas.spec.settings import Settings
    from reports import count
    from search_spaces import cost

    found = find_arch(arch)
    chosen = find_training(arch, recipe, pairs("--set", fields), epochs)
    network = chosen.shrink(found)
    price = cost(network)
    settings = checked(
        lambda: Settings(
            space="train",
            trials=1,
            data=absolute(data),
            evaluator="train",
            controller="grid",
            objective=Objective(price.flops),  # so that the reward is the accuracy
            recipe=dataclasses.replace(chosen, resolution=0, width=1.0, divisor=8),  # the network has them
            seed=seed,
            resources=dataclasses.replace(
                find_resources(device, threads, data_parallel, address), cache_size=parse_bytes(cache_size)
            ),
            networks=(str(network),),
        )
    )
    directory = run or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-train"
    size = f"{count(price.flops)} FLOPs at {network.resolution} px"
    note = f"Training {network}: {size}, on {settings.data}"
    with TrainingScreen(quiet=quiet) as screen, interruptible(directory, screen.say):
        print_report(screen.console, launch.start(settings, directory, screen, [note]))


def find_training(arch: str, name: str, fields: dict[str, str], epochs: int | None) -> Recipe:
    """The recipe to train ``arch`` by: with the dropout of its family where the recipe has any.

    Raises:
        InputError: if there is no such recipe or field, or a value is out of range.
    """
    recipe = find_recipe(name, fields, "--set")
    published = find_dropout(arch)
    if recipe.dropout and published is not None and "dropout" not in fields:
        recipe = dataclasses.replace(recipe, dropout=published)
    if epochs is not None:
        recipe = checked(lambda: dataclasses.replace(recipe, epochs=epochs))
    return recipe


def find_dropout(arch: str) -> float | None:
    """Of the model that ``arch`` names, one of a family or a published one; None if it is neither."""
    from search_spaces.presets import EFFICIENTNET_COEFFICIENTS

    if arch in EFFICIENTNET_COEFFICIENTS:
        return EFFICIENTNET_COEFFICIENTS[arch][3]
    if found := find_family(arch):
        family, model = found
        return family[model].dropout
    return None


def find_resources(device: str, threads: int | None, processes: int, address: str) -> Resources:
    """Where a training runs.

    Raises:
        InputError: if an option is out of range, or this machine has too few GPUs.
    """
    from nas.spec.resources import Resources

    if device not in DEVICES:
        raise InputError(f"--device must be one of {DEVICES}, got {device!r}")
    for option, value in (("--data-parallel", processes), ("--threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{option} must be at least 1, got {value}")
    if address not in ("local", "auto"):
        raise InputError(f"--address must be local or auto, got {address!r}")
    gpus = None if device == "auto" else float(device == "cuda")
    if gpus and address == "local":
        import torch

        if processes > torch.cuda.device_count():
            raise InputError(
                f"--device cuda must find {processes} GPUs on this machine, got {torch.cuda.device_count()}"
            )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    each = threads or max(1, cores // processes)
    if processes * each > cores and processes > 1 and address == "local":
        raise InputError(
            f"--data-parallel must be at most {max(1, cores // each)}, for {cores} cores at {each} each, "
            f"got {processes}"
        )
    if processes == 1:
        return Resources("inline", None, each, gpus)
    return checked(lambda: Resources(address, processes, each, gpus))
