"""``nas scale``: finds how depth, width and resolution share compute, and emits the family."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import typer

from nas.commands.arguments import absolute_device, checked
from nas.commands.declare import command_words, declared
from nas.commands.defaults import DefaultOptions
from nas.commands.network_options import ScaleOptions
from nas.commands.options import JsonOption, QuietOption, ResourceOptions
from nas.commands.refine import refined_settings
from nas.commands.running import interruptible, watch
from nas.commands.scale_settings import (
    base_run,
    find_models,
    find_origin,
    find_scaling,
    refuse_latency,
    scale_settings,
)
from nas.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from nas.runs.run import Run
    from nas.screens.progress import Screen
    from nas.spec.listener import Listener
    from nas.spec.settings import Settings


@declared(DefaultOptions, arch="--base", table="--evaluator FILE")
def scale(
    options: ScaleOptions,
    resources: ResourceOptions,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Scale a network to a family: find alpha, beta and gamma on a grid, then emit B0 to B7.

    Example: nas scale --phi 1 --base runs/first
    """
    from nas.runs.kinds import summary

    with interruptible():
        run = scaled(options, resources, quiet=quiet or as_json)
    if as_json and options.sweep is not None:
        typer.echo(json.dumps(summary(run), indent=2))
    elif as_json:
        typer.echo((run.directory / "family.json").read_text(), nl=False)


def scaled(options: ScaleOptions, resources: ResourceOptions, *, quiet: bool = False) -> Run:
    """Scales a network to a family: finds alpha, beta and gamma on a grid, then emits B0 to B7."""
    from nas.screens.progress import Screen
    from nas.screens.scaling import explanation_parts
    from nas.screens.words import print_parts
    from nas.trackers.chosen import choose

    screen, chosen = Screen(quiet=quiet), choose(options.track)

    def work(listener: Listener) -> Run:
        return scaled_and_refined(options, resources, Watched(screen, listener, chosen.noted))

    run = watch(screen, work, chosen)
    if options.explain:
        print_parts(screen.console, explanation_parts(run.directory, late_depth=options.late_depth))
    return run


class Watched(NamedTuple):
    """Who sees a scaling run: a person, and whoever is told what happens; ``noted`` writes down who."""

    screen: Screen
    listener: Listener
    noted: Callable[[Settings], Settings]


def scaled_and_refined(options: ScaleOptions, resources: ResourceOptions, watched: Watched) -> Run:
    """As ``make_family``; and, if that is asked, searches around the scaled network in ``RUN/refined``."""
    from nas.launch import launch
    from nas.launch.new_run import Place
    from nas.runs.finish import finish
    from nas.runs.scaling_results import REFINED
    from reports.numbers import count

    if options.refine:
        refuse_beside_refine(options)
    run = make_family(options, resources, watched)
    if not options.refine:
        return run
    directory = run.directory
    settings, screen = refined_settings(run), watched.screen
    flops = count(settings.objective.target_flops or 0)
    screen.say(f"Around the network that was scaled, at its {flops} FLOPs")
    place = Place(directory / REFINED, REFINED, command_words("scale", options, resources))
    launch.start(settings, place, watched.listener)
    screen.directory = directory
    return finish(directory)  # its verdict says what was found there


def make_family(options: ScaleOptions, resources: ResourceOptions, watched: Watched) -> Run:
    """The run that finds the coefficients; if there is nothing to find, one of the family alone."""
    from nas.launch import launch
    from nas.launch.new_run import Place
    from nas.launch.scaling_latency import add_latencies, with_latencies, write_latencies
    from nas.runs.scaling_results import scaling_of
    from nas.screens.scaling import describe, limit_line
    from nas.spec.scaling import fairness
    from scaling_search import PUBLISHED_COEFFICIENTS, published

    place, screen = Place(options.run, "scale", command_words("scale", options, resources)), watched.screen
    refuse_latency(options)
    if options.preset is not None:
        refuse_preset(options)
        asked: dict[str, object] = {"preset": options.preset}
        return show_family(screen, launch.start_family(place, published(), PUBLISHED_COEFFICIENTS, asked))
    if options.sweep is not None:
        refuse_beside_sweep(options)
    origin = find_origin(options.base)
    scaling = find_scaling(options, origin)
    if options.device is not None and options.sweep is None:
        scaling = dataclasses.replace(scaling, device=absolute_device(options.device))
    if options.target == "latency":
        with checked():
            scaling = with_latencies(scaling, screen)
    if (settled := scaling.settled) is not None:
        family = find_models(scaling, settled)
        asked = {"scaling": dataclasses.asdict(scaling), "base_run": base_run(options.base)}
        directory = launch.start_family(place, family, settled, asked)
        if scaling.device:
            write_latencies(directory, scaling, screen)
        run = show_family(screen, directory)
        if line := limit_line(scaling):
            screen.say(line)
        return run
    settings = watched.noted(scale_settings(options, resources, scaling, origin))

    def notes(settings: Settings) -> list[str]:
        compared = scaling_of(settings)
        said = [f"Base on {settings.data}: {origin.note}", describe(compared), limit_line(compared)]
        fair = settings.evaluator == "train" and not compared.latencies
        said.append(fairness(compared, settings.recipe) if fair else None)
        return [line for line in said if line]

    run = launch.start(settings, place, watched.listener, notes)
    add_latencies(run.directory, screen)
    return run


def show_family(screen: Screen, directory: Path) -> Run:
    """Shows a family for which nothing was trained."""
    from nas.runs.run import Run
    from nas.screens.scaling import family_parts
    from nas.screens.words import print_parts

    screen.on_made(directory)
    print_parts(screen.console, family_parts(directory))
    return Run(directory)


def refuse_beside_refine(options: ScaleOptions) -> None:
    """InputError where no scaled network is chosen, or nothing can say how good those around it are."""
    for name in ("preset", "coefficients", "sweep"):
        if getattr(options, name) is not None:
            raise InputError(f"refine must be left out with `{name}`: no scaled network is chosen")
    if options.evaluator.startswith("table:"):
        raise InputError(f"refine needs networks that a table does not hold, got {options.evaluator}")


def refuse_preset(options: ScaleOptions) -> None:
    """InputError if the preset is unknown, or stands beside an option that shapes other families."""
    from search_spaces.names import unknown

    if options.preset != "efficientnet":
        raise InputError(f"preset: {unknown('preset', str(options.preset), ['efficientnet'])}")
    defaults = ScaleOptions()
    shapes = ("phis", "budgets", "rounding", "multiple", "late_depth", "max_resolution", "device")
    for name in ("base", "coefficients", "strategy", *shapes):
        if getattr(options, name) != getattr(defaults, name):
            raise InputError(f"preset must stand without `{name}`, got {options.preset!r}")


def refuse_beside_sweep(options: ScaleOptions) -> None:
    """InputError for options that mean nothing for a sweep."""
    defaults = ScaleOptions()
    for name in ("phi", "strategy", "grid", "phis", "budgets", "max_resolution", "explain"):
        if (value := getattr(options, name)) != getattr(defaults, name):
            raise InputError(f"{name} must be left out with `sweep`, got {value}")
