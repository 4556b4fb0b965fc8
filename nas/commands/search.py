"""``nas search``: the best network of a space."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nas.commands.arguments import (
    absolute,
    checked,
    find_arch,
    find_init,
    find_recipe,
    find_tuned,
    pairs,
    read_resources,
    with_options,
)
from nas.commands.declare import declared
from nas.commands.options import QuietOption, ResourceOptions, SearchOptions
from nas.commands.running import watch
from nas.commands.targets import find_objective
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.spec.resources import Resources
    from nas.spec.settings import Settings
    from search_spaces import ArchSpec

CENTER = "the network around which it searched"
"""The name of that network where the choice is compared with it."""


@declared(table="--evaluator FILE")
def search(options: SearchOptions, resources: ResourceOptions, quiet: QuietOption = False) -> None:
    """Search a space for the best network: propose, train, reward, learn.

    Example: nas search --space mnas
    """
    from nas.launch import launch
    from nas.launch.new_run import Place
    from nas.screens.progress import Screen

    settings = search_settings(options, resources)
    place = Place(options.run, options.space.partition(":")[0])
    screen = Screen(quiet=quiet)
    watch(screen, lambda: launch.start(settings, place, screen))


def search_settings(options: SearchOptions, resources: ResourceOptions) -> Settings:
    """The settings that the options of ``nas search`` ask for.

    Raises:
        InputError: if a value is out of range or cannot be read.
    """
    from nas.spec.recipe import default_recipe
    from nas.spec.settings import Settings
    from search_spaces import cost

    trains = options.evaluator == "train"
    init = find_init(options.init, options.init_arch)
    recipe = options.recipe or default_recipe("proxy", pretrained=init is not None)
    confirmations = options.confirm if trains or options.confirm < 0 else 0
    fields = with_options(
        pairs(options.proxy, "proxy"), metric=options.metric, class_weights=options.class_weights
    )
    space, center = find_space(options.space)
    usual = 400e6 if center is None else float(cost(center).flops)
    device = None if options.device is None else absolute(options.device)
    with checked():
        return Settings(
            space=space,
            trials=default_trials(options.evaluator) if options.trials is None else options.trials,
            data=absolute(options.data),
            evaluator=absolute(options.evaluator),
            controller=options.controller,
            objective=find_objective(options, usual),
            device=device or "",
            recipe=find_recipe(recipe, fields, "proxy"),
            init=init,
            tuned=find_tuned(init, tune=options.tune),
            seed=options.seed,
            scheduler=options.scheduler,
            confirmations=confirmations,
            baselines=find_baselines(options.baseline, space) if confirmations > 0 else {},
            confirm_seeds=options.confirm_seeds,
            controller_settings=pairs(options.controller_settings, "controller_settings"),
            resources=find_resources(resources, trains=trains, max_hours=options.max_hours),
        )


def default_trials(evaluator: str) -> int:
    """How many networks a search proposes, if nothing else is asked."""
    return 24 if evaluator == "train" else 1000


def find_space(name: str) -> tuple[str, ArchSpec | None]:
    """The space as a run keeps it, and the network that it lies around, if it is ``around:ARCH``.

    Raises:
        InputError: as ``find_arch``.
    """
    from search_spaces.around import AROUND

    if not name.startswith(AROUND):
        return name, None
    around = name.removeprefix(AROUND)
    if not around:
        raise InputError(f"space must be {AROUND} and a network, got {name!r}")
    center = find_arch(around, "space")
    return f"{AROUND}{center}", center


def find_baselines(names: str | None, space: str) -> dict[str, str]:
    """The known networks to compare with, as text by name: the published ones of the space, unless named.

    Around a network, it is that network itself.

    Raises:
        InputError: if one of the names is none of a network, or stands there twice.
    """
    from search_spaces import PUBLISHED
    from search_spaces.around import AROUND

    if names == "none":
        return {}
    if names is None and space.startswith(AROUND):
        return {CENTER: space.removeprefix(AROUND)}
    asked = PUBLISHED.get(space, ()) if names is None else [name.strip() for name in names.split(",")]
    found: dict[str, str] = {}
    for name in asked:
        if name in found:
            raise InputError(f"baseline must name every network once, got {name} twice")
        found[name] = str(find_arch(name, "baseline"))
    return found


def find_resources(
    options: ResourceOptions, *, trains: bool = True, max_hours: float | None = None
) -> Resources:
    """Where trials run; a table or a predictor needs no Ray.

    Raises:
        InputError: if a value is out of range or cannot be read.
    """
    from nas.spec.resources import Resources

    given = read_resources(dataclasses.asdict(options))
    with checked():
        address = options.address or ("local" if trains else "inline")
        return Resources(**{**given, "address": address, "max_hours": max_hours})
