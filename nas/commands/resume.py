"""``nas resume``: goes on with a run that was interrupted."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nas.commands.options import (
    QuietOption,
    RunArgument,
    WorkersOption,
    checked,
    interruptible,
    parse_bytes,
)


def resume(
    run: RunArgument,
    workers: WorkersOption = None,
    cpus_per_trial: Annotated[
        float | None, typer.Option(show_default="as before", help="As for nas search.")
    ] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(show_default="as before", help="As for nas search.")
    ] = None,
    address: Annotated[str | None, typer.Option(show_default="as before", help="As for nas search.")] = None,
    cache_size: Annotated[
        str | None, typer.Option(metavar="BYTES", show_default="as before", help="As for nas search.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Finish an interrupted search or training, exactly as it would have gone."""
    import dataclasses

    from nas.launch import launch
    from nas.runs.config import read_settings
    from nas.screens.views import VIEWS, print_report

    given: dict[str, Any] = {
        "workers": workers,
        "cpus_per_trial": cpus_per_trial,
        "gpus_per_trial": gpus_per_trial,
        "address": address,
        "cache_size": None if cache_size is None else parse_bytes(cache_size),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    before = read_settings(run)
    resources = checked(lambda: dataclasses.replace(before.resources, **changes))
    with VIEWS[before.kind].screen(quiet=quiet) as screen, interruptible(run, screen.say):
        print_report(screen.console, launch.resume(run, screen, resources))
