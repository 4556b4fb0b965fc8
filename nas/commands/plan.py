"""``nas plan``: what a search will take, before it is started."""

from __future__ import annotations

import json
from typing import Any

import typer

from nas.commands.declare import command_words, declared
from nas.commands.like import RepeatOptions
from nas.commands.options import JsonOption, ResourceOptions, SearchOptions
from nas.commands.search import search_settings
from nas.errors import InputError, command_line


@declared(RepeatOptions, table="--evaluator FILE")
def plan(options: SearchOptions, resources: ResourceOptions, as_json: JsonOption = False) -> None:
    """Say what nas search would take with the same options: hours, and memory. Writes nothing.

    Times a few steps of a few networks of the space, small to large, as a trial would train them.

    Example: nas plan --space mnas --trials 200
    """
    facts = planned(options, resources, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))


def planned(options: SearchOptions, resources: ResourceOptions, *, quiet: bool = False) -> dict[str, Any]:
    """Says what a search would take: hours, and memory; as JSON values. Writes nothing."""
    from nas.launch import placement, prepare
    from nas.launch.new_run import refuse_existing
    from nas.launch.plan import make_plan
    from nas.runs.proxy import proxy_line
    from nas.screens.plan import plan_json, print_plan
    from nas.screens.progress import Screen
    from nas.screens.warnings import warnings
    from nas.spec import own
    from nas.training.proxy import Training

    settings = search_settings(options, resources)
    with Screen(quiet=quiet) as screen:
        refuse_existing(options.run)
        placement.check_resources(settings.resources, trains=settings.trains)
        there = placement.counted(settings.resources)
        if own.is_own(settings.space) and not own.kept("space").has_archs:
            rule = "must have networks that are ArchSpecs for nas plan"
            raise InputError(f"space {rule}: how long others take, only a trial shows, got {options.space}")
        if own.is_own(settings.evaluator):
            rule = "must be train for nas plan: how long your own takes, only a trial shows"
            raise InputError(f"evaluator {rule}, got {options.evaluator}")
        settings, found, task, _ = prepare.prepared(settings, screen)
        if not isinstance(task, Training):
            screen.say(
                f"Nothing is trained with --evaluator {options.evaluator}: {settings.trials} look-ups."
            )
            return {"trials": settings.trials, "trained": 0}
        for line in filter(None, [proxy_line(settings), *warnings(settings)]):
            screen.say(line)
        task = prepare.placed(task, there)
        assert isinstance(task, Training)
        made = make_plan(settings, there, task, found, screen)
        search = command_line(*command_words("search", options, resources)[1:])
        print_plan(screen.console, made, search)
        return plan_json(made)
