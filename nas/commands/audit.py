"""``nas audit``: whether the short training ranks networks, or noise."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from nas.commands.options import (
    CpusOption,
    GpusOption,
    JsonOption,
    QuietOption,
    WorkersOption,
    absolute,
    checked,
    find_recipe,
    interruptible,
    pairs,
)


def audit(
    space: Annotated[str, typer.Option(help="Whose networks are trained, see nas spaces.")] = "mnas",
    data: Annotated[str, typer.Option(help="As for nas search.")] = "digits",
    networks: Annotated[int, typer.Option(help="Networks to train, drawn at random.")] = 24,
    seeds: Annotated[int, typer.Option(help="Trainings of each, on as many seeds.")] = 3,
    recipe: Annotated[str, typer.Option(help="As for nas search.")] = "proxy",
    proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A field of the recipe, as for nas search."),
    ] = None,
    long: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Where a longer schedule differs from it, e.g. epochs=16; all are trained that way too.",
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Known accuracies, as for table:FILE; its networks are drawn."),
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Draws the networks.")] = 0,
    seed: Annotated[int, typer.Option(help="Of everything else that is random.")] = 0,
    run: Annotated[
        Path | None, typer.Option(show_default="runs/TIME-audit", help="The run's directory; must not exist.")
    ] = None,
    workers: WorkersOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = None,
    address: Annotated[str, typer.Option(help="As for nas search.")] = "local",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Is the proxy any good? Trains networks on several seeds, and longer, and compares.

    Example: nas audit --networks 24 --seeds 3 --long epochs=16
    """
    from nas.errors import InputError
    from nas.launch import launch
    from nas.launch.draw import draw_known, draw_networks
    from nas.runs.kinds import known_space
    from nas.screens.progress import Screen
    from nas.screens.views import print_report
    from nas.spec.objective import Objective
    from nas.spec.resources import Resources
    from nas.spec.settings import Audit, Settings

    if sample_seed < 0:
        raise InputError(f"--sample-seed must be at least 0, got {sample_seed}")
    found = known_space(space)
    fields, longer = pairs("--proxy", proxy), pairs("--long", long)
    short = find_recipe(recipe, fields, "--proxy")
    asked = checked(
        lambda: Audit(seeds, find_recipe(recipe, {**fields, **longer}, "--long") if longer else None)
    )
    file = reference and reference.expanduser().absolute()
    if file:
        archs, known = draw_known(found, file, networks, sample_seed)
    else:
        archs, known = draw_networks(found, networks, sample_seed), ()
    settings = checked(
        lambda: Settings(
            space=space,
            trials=networks * asked.seeds,
            data=absolute(data),
            evaluator="train",
            controller="grid",
            objective=Objective(400e6, exponent=0.0),  # accuracy, whatever it costs
            recipe=short,
            seed=seed,
            resources=Resources(address, workers, cpus_per_trial, gpus_per_trial),
            networks=archs,
            audit=Audit(asked.seeds, asked.long, known, str(file or "")),
        )
    )
    directory = run or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-audit"
    with Screen(quiet=quiet or as_json) as screen, interruptible(directory, screen.say):
        print_report(screen.console, launch.start(settings, directory, screen))
    if as_json:
        typer.echo((directory / "audit.json").read_text(), nl=False)
