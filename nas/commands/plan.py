"""``nas plan``: what a search will take, before it is started."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas.commands.declare import declared
from nas.commands.options import JsonOption, ResourceOptions, SearchOptions
from nas.commands.search import search_settings
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.spec.resources import Resources


@declared(table="--evaluator FILE")
def plan(options: SearchOptions, resources: ResourceOptions, as_json: JsonOption = False) -> None:
    """Say what nas search would take with the same options: hours, and memory. Writes nothing.

    Times a few steps of a few networks of the space, small to large, as a trial would train them.

    Example: nas plan --space mnas --trials 200
    """
    from nas.launch import launch, prepare
    from nas.launch.plan import make_plan
    from nas.screens.plan import plan_json, print_plan
    from nas.screens.progress import Screen
    from nas.training.proxy import Training

    settings = search_settings(options, resources)
    with Screen(quiet=as_json) as screen:
        found = prepare.find_space(settings)
        settings = prepare.resolve_controller(settings)
        if options.run is not None:
            launch.refuse_existing(options.run)
        prepare.check_gpus(settings.resources, trains=settings.evaluator == "train")
        task = prepare.make_evaluator(settings, found, Path(), screen)
        if not isinstance(task, Training):
            screen.say(
                f"Nothing is trained with --evaluator {options.evaluator}: {settings.trials} look-ups."
            )
            if as_json:
                typer.echo(json.dumps({"trials": settings.trials, "trained": 0}, indent=2))
            return
        there = find_resources(settings.resources)
        made = make_plan(settings, there, prepare.placed(task, there), found, screen)
        if as_json:
            typer.echo(json.dumps(plan_json(made), indent=2))
        else:
            print_plan(screen.console, made)


def find_resources(resources: Resources) -> Resources:
    """What the search would have, counted as it would count; a cluster is asked, nothing is started.

    Raises:
        InputError: if it is not there, or this machine has no GPU to stand for those of a cluster.
    """
    import torch

    from nas.launch.plan import machine
    from nas.spec.resources import fit

    if resources.address == "inline":
        return dataclasses.replace(resources, workers=1)
    if resources.address == "local":
        return fit(resources, machine())
    from nas.launch.cluster import cluster

    with cluster(resources) as found:
        if found.gpus_per_trial and not torch.cuda.is_available():
            raise InputError(
                "address auto must find GPUs on this machine too, for nas plan to time them; got none"
            )
        return found
