"""``nas plan``: what a search will take, before it is started."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

from nas.commands.declare import declared
from nas.commands.options import JsonOption, ResourceOptions, SearchOptions
from nas.commands.search import search_settings
from nas.errors import command_line


@declared(table="--evaluator FILE")
def plan(options: SearchOptions, resources: ResourceOptions, as_json: JsonOption = False) -> None:
    """Say what nas search would take with the same options: hours, and memory. Writes nothing.

    Times a few steps of a few networks of the space, small to large, as a trial would train them.

    Example: nas plan --space mnas --trials 200
    """
    from nas.launch import placement, prepare
    from nas.launch.new_run import refuse_existing
    from nas.launch.plan import make_plan
    from nas.runs.proxy import proxy_line
    from nas.screens.plan import plan_json, print_plan
    from nas.screens.progress import Screen
    from nas.screens.warnings import warnings
    from nas.training.proxy import Training

    settings = search_settings(options, resources)
    with Screen(quiet=as_json) as screen:
        refuse_existing(options.run)
        placement.check_resources(settings.resources, trains=settings.evaluator == "train")
        there = placement.counted(settings.resources)
        settings, found, task = prepare.prepared(settings, Path(), screen)
        if not isinstance(task, Training):
            screen.say(
                f"Nothing is trained with --evaluator {options.evaluator}: {settings.trials} look-ups."
            )
            if as_json:
                typer.echo(json.dumps({"trials": settings.trials, "trained": 0}, indent=2))
            return
        for line in filter(None, [proxy_line(settings), *warnings(settings)]):
            screen.say(line)
        task = prepare.placed(task, there)
        assert isinstance(task, Training)
        made = make_plan(settings, there, task, found, screen)
        if as_json:
            typer.echo(json.dumps(plan_json(made), indent=2))
        else:
            search = command_line("search", *sys.argv[2:])  # nas plan takes the same options
            print_plan(screen.console, made, search)
