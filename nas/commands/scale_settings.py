"""What ``nas scale`` is asked, as settings of a run: the base, and what is compared."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nas.commands.arguments import (
    absolute,
    checked,
    find_tuned,
    named_images,
    pairs,
    parse_count,
    parse_numbers,
    with_options,
)
from nas.commands.network_options import ScaleOptions
from nas.commands.networks import find_arch, find_init
from nas.commands.options import ResourceOptions
from nas.commands.search import find_resources
from nas.errors import InputError
from nas.files import is_file

if TYPE_CHECKING:
    from nas.spec.init import Init
    from nas.spec.objective import Objective
    from nas.spec.recipe import Recipe
    from nas.spec.scaling import Candidate, Scaling
    from nas.spec.settings import Settings
    from nas.spec.task import Task
    from scaling_search import Coefficients, Model
    from search_spaces import ArchSpec

FAR = 0.2
"""A product of coefficients so far from 2 is taken for a slip; 1.92 is the published one."""


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
    from nas.runs.source import source_of
    from nas.search.events import ENDED
    from nas.spec.scaling import PROXY
    from nas.spec.task import Task
    from reports import sketch

    arch = find_arch(text)
    directory = Path(text)
    if not is_file(directory / "run.db"):
        note = sketch(text) if text == str(arch) else text
        return Origin(arch, note, "digits", PROXY, 0, None, "soft", Task())
    settings = read_settings(directory)
    told = Run(directory).trials()["status"].isin(ENDED).sum()
    so_far = "" if told == settings.trials else f" after {told} of {settings.trials} trials"
    objective = settings.objective
    return Origin(
        arch,
        f"the best network of {directory}{so_far}, by its recipe",
        settings.data,
        # Networks that are scaled by little must differ under the proxy too.
        dataclasses.replace(settings.recipe, divisor=min(settings.recipe.divisor, PROXY.divisor)),
        settings.seed,
        *((None, "soft") if objective.seeks_front else (objective.exponent, objective.kind)),
        settings.task or Task(),
        source_of(directory, settings),
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
    strategies = tuple(name.strip() for name in options.strategy.split(","))
    with checked():
        return Scaling(
            base=str(origin.arch),
            phi=options.phi,
            strategies=strategies,
            modelled=options.evaluator == "train"
            and strategies[0] == "compound"
            and given is None
            and options.sweep is None
            and options.target == "flops",
            sweep=options.sweep or "",
            check=None if options.check is None else parse_check(options.check, options),
            coefficients=None if given is None else parse_coefficients(given, force=options.force),
            grid=grid,
            rounding=options.rounding,
            multiple=options.multiple,
            late_depth=options.late_depth,
            phis=parse_phis(options.phis),
            budgets=parse_budgets(options),
            seeds=trained_seeds if options.seeds is None else options.seeds,
            largest=options.max_resolution or limit,
            num_classes=origin.task.classes,
        )


def refuse_latency(options: ScaleOptions) -> None:
    """InputError where networks of equal latency cannot be compared, or nothing gives their latency."""
    if options.target not in ("flops", "latency"):
        raise InputError(f"target must be flops or latency, got {options.target}")
    if options.target == "flops":
        return
    if options.device is None:
        raise InputError("target latency must stand with `device`, got none")
    defaults = ScaleOptions()
    for name in ("preset", "coefficients", "sweep", "check", "refine", "strategy"):
        if (value := getattr(options, name)) != getattr(defaults, name):
            raise InputError(f"{name} must be left out with `target` latency, got {value}")


def find_models(scaling: Scaling, coefficients: Coefficients) -> dict[str, Model]:
    """The family by ``coefficients``; InputError if it cannot be made."""
    with checked("" if scaling.budgets else "phis"):
        return scaling.family(coefficients)


def scale_settings(
    options: ScaleOptions, resources: ResourceOptions, scaling: Scaling, origin: Origin
) -> Settings:
    """The settings of a run that trains the candidates of ``scaling``.

    Raises:
        InputError: if there is nothing to compare, a family could not be made, or a value is out of range.
    """
    from nas.runs.scaling_check import checked_part
    from nas.spec.settings import Settings

    with checked():
        candidates = scaling.candidates
    for candidate in () if scaling.sweep else candidates:
        refuse_beyond_limit(scaling, candidate)
        find_models(scaling, candidate.triples[0])
    init = find_init(options.init, options.init_arch, origin.init)
    with checked():
        settings = Settings(
            space="scaling",
            trials=len(candidates) * scaling.seeds,
            data=origin.data if options.data is None else named_images(options.data),
            evaluator=absolute(options.evaluator),
            controller="grid",
            objective=scaling_objective(scaling, origin),
            recipe=scaling_recipe(options, origin, init),
            init=init,
            tuned=find_tuned(init, tune=options.tune),
            seed=origin.seed if options.seed is None else options.seed,
            resources=find_resources(resources, trains=options.evaluator == "train"),
            scheduler=options.scheduler,
            scaling=scaling,
        )
    with checked("check"):
        checked_part(settings)
    return settings


def scaling_objective(scaling: Scaling, origin: Origin) -> Objective:
    """The reward of the candidates: the base's; along lines, the accuracy, whatever it costs."""
    from nas.spec.objective import Objective
    from nas.spec.targets import Target

    aim = (0.0, "soft") if scaling.sweep else (origin.exponent, origin.reward)
    if scaling.latencies:
        return Objective(None, *aim, (Target("latency", scaling.target_latency),))
    return Objective(scaling.target_flops, *aim)


def scaling_recipe(options: ScaleOptions, origin: Origin, init: Init | None) -> Recipe:
    """How candidates are trained: as the base run's networks, or as is usual with the weights ``init``.

    Raises:
        InputError: if a field is unknown or out of range.
    """
    from nas.spec.recipe import RECIPES, Recipe, default_recipe
    from search_spaces.rules import parse_settings

    usual = origin.recipe
    if init and origin.init is None:
        known = RECIPES[default_recipe("proxy", pretrained=True)]
        usual = dataclasses.replace(known, divisor=origin.recipe.divisor)
    fields = with_options(pairs(options.proxy, "proxy"), metric=options.metric)
    with checked("proxy"):
        return parse_settings(Recipe, {**dataclasses.asdict(usual), **fields})


def refuse_beyond_limit(scaling: Scaling, candidate: Candidate) -> None:
    """InputError for a network of more pixels than allowed: a strategy may leave no other way to grow."""
    pixels, most = candidate.arch.resolution, scaling.largest
    if most and pixels > max(most, scaling.arch.resolution):
        way = candidate.strategy
        raise InputError(f"max_resolution must be at least {pixels} to scale by {way}, got {most}")


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
            f"(`force` takes any), got {coefficients.product:.4g} of {text}"
        )
    return coefficients


def parse_check(text: str, options: ScaleOptions) -> tuple[str, float]:
    """``phi=2`` or ``epochs=4x``; InputError if it is neither, or nothing would be checked."""
    for name in ("coefficients", "sweep"):
        if getattr(options, name) is not None:
            raise InputError(f"check must be left out with `{name}`, got {text!r}")
    if options.evaluator != "train" or not options.strategy.startswith("compound"):
        raise InputError(f"check needs a grid that is trained, got {text!r}")
    name, _, value = text.partition("=")
    numbers = parse_numbers(value.removesuffix("x")) if name in ("phi", "epochs") else []
    least = {"phi": options.phi, "epochs": 1.0}.get(name, 0.0)
    if len(numbers) != 1 or not least < numbers[0] < math.inf or (value.endswith("x") != (name == "epochs")):
        raise InputError(
            f"check must be phi=P with P above {options.phi:g}, or epochs=Nx with N above 1, got {text!r}"
        )
    return name, numbers[0]


def parse_phis(text: str) -> dict[str, float]:
    """``0,0.5,1`` as the phis of B0, B1 and B2."""
    values = parse_numbers(text)
    rising = all(low < high < math.inf for low, high in itertools.pairwise(values))
    if not values or values[0] != 0 or not rising:
        raise InputError(f"phis must be numbers that rise from 0, like 0,0.5,1,2, got {text!r}")
    return {f"B{number}": value for number, value in enumerate(values)}


def parse_budgets(options: ScaleOptions) -> tuple[float, ...]:
    """``400M,1G`` as numbers; empty if there are no budgets."""
    text = options.budgets
    if text is None:
        return ()
    if options.phis != ScaleOptions().phis:
        raise InputError(f"budgets must stand without `phis`, got {text!r}")
    values = tuple(parse_count(part, "budgets") for part in text.split(","))
    if not all(map(math.isfinite, values)):
        raise InputError(f"budgets must be finite, like 400M,1G,4G, got {text!r}")
    return values
