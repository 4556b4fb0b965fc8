"""``nas scale``: finds how depth, width and resolution share compute, and emits the family."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from nas.commands.options import (
    DATA,
    CacheOption,
    CpusOption,
    GpusOption,
    JsonOption,
    QuietOption,
    SchedulerOption,
    WorkersOption,
    absolute,
    checked,
    find_arch,
    interruptible,
    pairs,
    parse_bytes,
)
from nas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nas.spec.recipe import Recipe
    from nas.spec.resources import Resources
    from nas.spec.scaling import Scaling
    from nas.spec.settings import Settings
    from scaling_search import Coefficients
    from search_spaces import ArchSpec

DEFAULT_BASE = "efficientnet-b0"
FAR = 0.2
"""A product of coefficients so far from 2 is taken for a slip; 1.92 is the published one."""


def scale(
    phi: Annotated[float, typer.Option(help="Compare networks of 2^phi times the base's FLOPs.")] = 1.0,
    base: Annotated[
        str,
        typer.Option(
            metavar="RUN|ARCH", help="What to scale. Of a run: its best network, its data and its recipe."
        ),
    ] = DEFAULT_BASE,
    coefficients: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="alpha, beta, gamma, in place of the grid; trains nothing."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="efficientnet: the published table, B0 to B8 and L2.")
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME,...",
            help="compound (the grid), depth, width, resolution, dwr or dWr. Several are compared at equal "
            "FLOPs; the family is the first one's.",
        ),
    ] = "compound",
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="step, alpha_max, beta_max, gamma_max, product, tolerance (of it) or flops_tolerance.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(show_default="2, or 1 with a table or predictor", help="Trainings of each network."),
    ] = None,
    scheduler: SchedulerOption = "fifo",
    rounding: Annotated[str, typer.Option(help="Of layers: ceil as published, or round.")] = "ceil",
    multiple: Annotated[int, typer.Option(help="Resolutions are multiples of it, in pixels.")] = 8,
    phis: Annotated[
        str, typer.Option(metavar="PHI,...", help="Of the family's models B0, B1, ...; from 0 up.")
    ] = "0,0.5,1,2,3.5,5,6,7",
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show formula, published table and yours, and what rounding did."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Take coefficients whose product is far from 2.")
    ] = False,
    data: Annotated[str | None, typer.Option(show_default="the base run's, or digits", help=DATA)] = None,
    evaluator: Annotated[str, typer.Option(help="train, table:FILE or predictor:FILE.")] = "train",
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            show_default="the base run's",
            help="Of the short training, as for nas search; resolution is the base's.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(show_default="the base run's, or 0", help="Of everything random.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(show_default="runs/TIME-scale", help="The run's directory; must not exist.")
    ] = None,
    workers: WorkersOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = None,
    address: Annotated[
        str | None,
        typer.Option(show_default="local; inline with a table or predictor", help="As for nas search."),
    ] = None,
    cache_size: CacheOption = "50G",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Scale a network to a family: find alpha, beta and gamma on a grid, then emit B0 to B7.

    Example: nas scale --phi 1 --base runs/first
    """
    import scaling_search
    from nas.launch import launch
    from nas.screens.progress import Screen
    from nas.screens.scaling import print_explanation, print_family
    from nas.spec.resources import Resources
    from nas.spec.scaling import Scaling, fairness
    from search_spaces.names import unknown
    from search_spaces.rules import parse_settings

    directory = run or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-scale"
    trains = evaluator == "train"
    with Screen(quiet=quiet or as_json) as screen, interruptible(directory, screen.say):
        if preset is not None:
            if preset != "efficientnet":
                raise InputError(f"--preset: {unknown('preset', preset, ['efficientnet'])}")
            if (base, coefficients, strategy) != (DEFAULT_BASE, None, "compound"):
                raise InputError(
                    f"--preset must stand without base, coefficients and strategy, got {preset!r}"
                )
            launch.start_family(
                directory,
                scaling_search.published(),
                scaling_search.PUBLISHED_COEFFICIENTS,
                {"preset": preset},
            )
            print_family(screen.console, directory)
        else:
            origin = find_origin(base)
            scaling = checked(
                lambda: Scaling(
                    base=str(origin.arch),
                    phi=phi,
                    strategies=tuple(name.strip() for name in strategy.split(",")),
                    coefficients=None
                    if coefficients is None
                    else parse_coefficients(coefficients, force=force),
                    grid=checked(
                        lambda: parse_settings(scaling_search.Grid, pairs("--grid", grid)), "--grid"
                    ),
                    rounding=rounding,
                    multiple=multiple,
                    phis=parse_phis(phis),
                    seeds=(2 if trains else 1) if seeds is None else seeds,
                )
            )
            settled = scaling.settled
            if settled is not None:
                family = checked(lambda: scaling.family(settled), "--phis")
                launch.start_family(directory, family, settled, {"scaling": dataclasses.asdict(scaling)})
                print_family(screen.console, directory)
            else:
                settings = settings_of(
                    scaling,
                    origin,
                    data=origin.data if data is None else absolute(data),
                    evaluator=absolute(evaluator),
                    proxy=pairs("--proxy", proxy),
                    seed=origin.seed if seed is None else seed,
                    scheduler=scheduler,
                    resources=checked(
                        lambda: Resources(
                            address or ("local" if trains else "inline"),
                            workers,
                            cpus_per_trial,
                            gpus_per_trial,
                            parse_bytes(cache_size),
                        )
                    ),
                )
                screen.notes = [f"Base on {settings.data}: {origin.note}", describe(scaling)]
                if trains and (warning := fairness(scaling, settings.recipe)):
                    screen.notes.append(warning)
                screen.finished(launch.start(settings, directory, screen))
        if explain:
            print_explanation(screen.console, directory)
    if as_json:
        typer.echo((directory / "family.json").read_text(), nl=False)


class Origin(NamedTuple):
    """What is scaled, and how its networks are trained and rewarded."""

    arch: ArchSpec
    note: str
    data: str
    recipe: Recipe
    seed: int
    exponent: float | None
    reward: str


def find_origin(text: str) -> Origin:
    """The base that ``text`` names; a run's comes with the run's data, recipe, seed and reward.

    Raises:
        InputError: as ``find_arch``, or if the run's ``config.json`` is damaged.
    """
    from nas.runs.config import read_settings
    from nas.runs.run import Run
    from nas.spec.scaling import PROXY

    arch = find_arch(text, "--base")
    directory = Path(text)
    if not (directory / "run.db").is_file():
        return Origin(arch, text, "digits", PROXY, 0, None, "soft")
    settings = read_settings(directory)
    told = Run(directory).trials()["status"].isin(["done", "failed"]).sum()
    so_far = "" if told == settings.trials else f" after {told} of {settings.trials} trials"
    return Origin(
        arch,
        f"the best network of {directory}{so_far}, by its recipe: {arch}",
        settings.data,
        # Networks that are scaled by little must differ under the proxy too.
        dataclasses.replace(settings.recipe, divisor=min(settings.recipe.divisor, PROXY.divisor)),
        settings.seed,
        settings.objective.exponent,
        settings.objective.kind,
    )


def settings_of(
    scaling: Scaling,
    origin: Origin,
    *,
    data: str,
    evaluator: str,
    proxy: Mapping[str, str],
    seed: int,
    scheduler: str,
    resources: Resources,
) -> Settings:
    """The settings of a run that trains the candidates of ``scaling``.

    Args:
        proxy: fields in place of those of ``origin``.

    Raises:
        InputError: if there is nothing to compare, a family could not be made, or a value is out of range.
    """
    from nas.spec.objective import Objective
    from nas.spec.recipe import Recipe
    from nas.spec.settings import Settings
    from search_spaces.rules import parse_settings

    candidates = checked(lambda: scaling.candidates)
    checked(lambda: [scaling.family(candidate.triples[0]) for candidate in candidates], "--phis")
    fields = {**dataclasses.asdict(origin.recipe), **proxy}
    return checked(
        lambda: Settings(
            space="scaling",
            trials=len(candidates) * scaling.seeds,
            data=data,
            evaluator=evaluator,
            controller="grid",
            objective=Objective(scaling.target_flops, origin.exponent, origin.reward),
            recipe=checked(lambda: parse_settings(Recipe, fields), "--proxy"),
            seed=seed,
            resources=resources,
            scheduler=scheduler,
            scaling=scaling,
        )
    )


def parse_coefficients(text: str, *, force: bool) -> Coefficients:
    """``1.2,1.1,1.15``, with a product of about 2 unless ``force``."""
    from scaling_search import Coefficients

    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3:
        raise InputError(f"--coefficients must be three numbers like 1.2,1.1,1.15, got {text!r}")
    coefficients = checked(lambda: Coefficients(*values), "--coefficients")
    if abs(coefficients.product - 2) > FAR and not force:
        raise InputError(
            f"--coefficients must have a product alpha * beta^2 * gamma^2 within {FAR} of 2 "
            f"(--force takes any), got {coefficients.product:.4g} of {text}"
        )
    return coefficients


def parse_phis(text: str) -> dict[str, float]:
    """``0,0.5,1`` as the phis of B0, B1 and B2."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    rising = all(low < high < math.inf for low, high in itertools.pairwise(values))
    if not values or values[0] != 0 or not rising:
        raise InputError(f"--phis must be numbers that rise from 0, like 0,0.5,1,2, got {text!r}")
    return {f"B{number}": value for number, value in enumerate(values)}


def describe(scaling: Scaling) -> str:
    """What is going to be compared."""
    from reports import count

    times = f"{scaling.grid.product**scaling.phi:.3g} times its {count(scaling.base_flops)} FLOPs"
    trainings = (
        f"{len(scaling.candidates)} networks, {scaling.seeds} training{'s' * (scaling.seeds > 1)} each"
    )
    if "compound" not in scaling.strategies or scaling.coefficients:
        return f"At {times}: {trainings}"
    triples = sum(map(len, scaling.classes.values()))
    return (
        f"Grid: {triples} triples are {len(scaling.classes)} networks; within "
        f"{100 * scaling.grid.flops_tolerance:g} % of {times}: {trainings}"
    )
