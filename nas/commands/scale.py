"""``nas scale``: finds how depth, width and resolution share compute, and emits the family."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from nas.commands.arguments import (
    absolute,
    checked,
    find_arch,
    find_init,
    pairs,
    parse_numbers,
    with_options,
)
from nas.commands.declare import declared
from nas.commands.network_options import ScaleOptions
from nas.commands.options import JsonOption, QuietOption, ResourceOptions
from nas.commands.running import watch
from nas.commands.search import find_resources
from nas.errors import InputError
from nas.files import is_file

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.screens.progress import Screen
    from nas.spec.init import Init
    from nas.spec.recipe import Recipe
    from nas.spec.scaling import Scaling
    from nas.spec.settings import Settings
    from nas.spec.task import Task
    from scaling_search import Coefficients
    from search_spaces import ArchSpec

FAR = 0.2
"""A product of coefficients so far from 2 is taken for a slip; 1.92 is the published one."""


@declared(arch="--base", table="--evaluator FILE")
def scale(
    options: ScaleOptions,
    resources: ResourceOptions,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Scale a network to a family: find alpha, beta and gamma on a grid, then emit B0 to B7.

    Example: nas scale --phi 1 --base runs/first
    """
    from nas.screens.progress import Screen
    from nas.screens.scaling import explanation_parts
    from nas.screens.words import print_parts

    screen = Screen(quiet=quiet or as_json)
    watch(screen, lambda: make_family(options, resources, screen))
    assert screen.directory is not None
    if options.explain:
        print_parts(screen.console, explanation_parts(screen.directory))
    if as_json:
        typer.echo((screen.directory / "family.json").read_text(), nl=False)


def make_family(options: ScaleOptions, resources: ResourceOptions, screen: Screen) -> Run | None:
    """The run that finds the coefficients; None if there is nothing to find, and the family is there."""
    from nas.launch import launch
    from nas.launch.new_run import Place
    from nas.runs.scaling_results import scaling_of
    from nas.screens.scaling import describe, family_parts, limit_line
    from nas.screens.words import print_parts
    from nas.spec.scaling import fairness
    from scaling_search import PUBLISHED_COEFFICIENTS, published

    place = Place(options.run, "scale")
    if options.preset is not None:
        refuse_preset(options)
        asked: dict[str, object] = {"preset": options.preset}
        directory = launch.start_family(place, published(), PUBLISHED_COEFFICIENTS, asked)
        screen.on_made(directory)
        print_parts(screen.console, family_parts(directory))
        return None
    origin = find_origin(options.base)
    scaling = find_scaling(options, origin)
    if (settled := scaling.settled) is not None:
        with checked("phis"):
            family = scaling.family(settled)
        asked = {"scaling": dataclasses.asdict(scaling), "base_run": base_run(options.base)}
        directory = launch.start_family(place, family, settled, asked)
        screen.on_made(directory)
        print_parts(screen.console, family_parts(directory))
        if line := limit_line(scaling):
            screen.say(line)
        return None
    settings = scale_settings(options, resources, scaling, origin)

    def notes(settings: Settings) -> list[str]:
        compared = scaling_of(settings)
        said = [f"Base on {settings.data}: {origin.note}", describe(compared), limit_line(compared)]
        said.append(fairness(compared, settings.recipe) if settings.evaluator == "train" else None)
        return [line for line in said if line]

    return launch.start(settings, place, screen, notes)


def refuse_preset(options: ScaleOptions) -> None:
    """InputError if the preset is unknown, or stands beside what it has itself."""
    from search_spaces.names import unknown

    if options.preset != "efficientnet":
        raise InputError(f"preset: {unknown('preset', str(options.preset), ['efficientnet'])}")
    defaults = ScaleOptions()
    for name in ("base", "coefficients", "strategy"):
        if getattr(options, name) != getattr(defaults, name):
            raise InputError(
                f"preset must stand without base, coefficients and strategy, got {options.preset!r}"
            )


class Origin(NamedTuple):
    """What is scaled, and how its networks are trained and rewarded."""

    arch: ArchSpec
    note: str
    data: str
    recipe: Recipe
    seed: int
    exponent: float | None
    reward: str
    task: Task
    init: Init | None = None


def find_origin(text: str) -> Origin:
    """The base that ``text`` names; a run's comes with the run's data, recipe, seed and reward.

    Raises:
        InputError: as ``find_arch``, or if the run's ``config.json`` is damaged.
    """
    from nas.runs.config import read_settings
    from nas.runs.run import Run
    from nas.spec.scaling import PROXY
    from nas.spec.task import Task
    from reports import sketch

    arch = find_arch(text)
    directory = Path(text)
    if not is_file(directory / "run.db"):
        note = sketch(text) if text == str(arch) else text
        return Origin(arch, note, "digits", PROXY, 0, None, "soft", Task())
    settings = read_settings(directory)
    told = Run(directory).trials()["status"].isin(["done", "failed"]).sum()
    so_far = "" if told == settings.trials else f" after {told} of {settings.trials} trials"
    return Origin(
        arch,
        f"the best network of {directory}{so_far}, by its recipe",
        settings.data,
        # Networks that are scaled by little must differ under the proxy too.
        dataclasses.replace(settings.recipe, divisor=min(settings.recipe.divisor, PROXY.divisor)),
        settings.seed,
        settings.objective.exponent,
        settings.objective.kind,
        settings.task or Task(),
        settings.init,
    )


def base_run(text: str) -> str | None:
    """The directory of the run that is scaled, for nas train: its networks are for that run's images."""
    directory = Path(text)
    return str(directory.absolute()) if is_file(directory / "run.db") else None


def find_scaling(options: ScaleOptions, origin: Origin) -> Scaling:
    """What is to be compared.

    Raises:
        InputError: if a value is out of range or cannot be read.
    """
    from nas.spec.scaling import Scaling
    from nas.spec.task import family_limit
    from scaling_search import Grid
    from search_spaces.rules import parse_settings

    given = options.coefficients
    limit = None if options.data else family_limit(origin.arch.resolution, origin.task.image_size)
    trained_seeds = 2 if options.evaluator == "train" else 1
    with checked("grid"):
        grid = parse_settings(Grid, pairs(options.grid, "grid"))
    with checked():
        return Scaling(
            base=str(origin.arch),
            phi=options.phi,
            strategies=tuple(name.strip() for name in options.strategy.split(",")),
            coefficients=None if given is None else parse_coefficients(given, force=options.force),
            grid=grid,
            rounding=options.rounding,
            multiple=options.multiple,
            phis=parse_phis(options.phis),
            seeds=trained_seeds if options.seeds is None else options.seeds,
            largest=options.max_resolution or limit,
            num_classes=origin.task.classes,
        )


def scale_settings(
    options: ScaleOptions, resources: ResourceOptions, scaling: Scaling, origin: Origin
) -> Settings:
    """The settings of a run that trains the candidates of ``scaling``.

    Raises:
        InputError: if there is nothing to compare, a family could not be made, or a value is out of range.
    """
    from nas.spec.objective import Objective
    from nas.spec.recipe import RECIPES, Recipe, default_recipe
    from nas.spec.settings import Settings
    from search_spaces.rules import parse_settings

    with checked():
        candidates = scaling.candidates
    with checked("phis"):
        for candidate in candidates:
            scaling.family(candidate.triples[0])
    init = find_init(options.init, options.init_arch, origin.init)
    trained_by = origin.recipe
    if init and origin.init is None:
        trained_by = dataclasses.replace(
            RECIPES[default_recipe("proxy", pretrained=True)], divisor=origin.recipe.divisor
        )
    fields = with_options(pairs(options.proxy, "proxy"), metric=options.metric)
    with checked("proxy"):
        recipe = parse_settings(Recipe, {**dataclasses.asdict(trained_by), **fields})
    with checked():
        return Settings(
            space="scaling",
            trials=len(candidates) * scaling.seeds,
            data=origin.data if options.data is None else absolute(options.data),
            evaluator=absolute(options.evaluator),
            controller="grid",
            objective=Objective(scaling.target_flops, origin.exponent, origin.reward),
            recipe=recipe,
            init=init,
            seed=origin.seed if options.seed is None else options.seed,
            resources=find_resources(resources, trains=options.evaluator == "train"),
            scheduler=options.scheduler,
            scaling=scaling,
        )


def parse_coefficients(text: str, *, force: bool) -> Coefficients:
    """``1.2,1.1,1.15``, with a product of about 2 unless ``force``."""
    from scaling_search import Coefficients

    values = parse_numbers(text)
    if len(values) != 3:
        raise InputError(f"coefficients must be three numbers like 1.2,1.1,1.15, got {text!r}")
    with checked("coefficients"):
        coefficients = Coefficients(*values)
    if abs(coefficients.product - 2) > FAR and not force:
        raise InputError(
            f"coefficients must have a product alpha * beta^2 * gamma^2 within {FAR} of 2 "
            f"(--force takes any), got {coefficients.product:.4g} of {text}"
        )
    return coefficients


def parse_phis(text: str) -> dict[str, float]:
    """``0,0.5,1`` as the phis of B0, B1 and B2."""
    values = parse_numbers(text)
    rising = all(low < high < math.inf for low, high in itertools.pairwise(values))
    if not values or values[0] != 0 or not rising:
        raise InputError(f"phis must be numbers that rise from 0, like 0,0.5,1,2, got {text!r}")
    return {f"B{number}": value for number, value in enumerate(values)}
