"""``nas search``: the best network of a space."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nas.commands.arguments import (
    absolute,
    absolute_device,
    checked,
    code_of,
    find_images,
    find_recipe,
    find_tuned,
    pairs,
    read_file,
    read_resources,
    with_options,
)
from nas.commands.declare import command_words, declared
from nas.commands.like import RepeatOptions
from nas.commands.networks import find_arch, find_init
from nas.commands.options import QuietOption, ResourceOptions, SearchOptions
from nas.commands.running import interruptible, watch
from nas.commands.targets import find_objective
from nas.errors import InputError
from nas.files import is_file

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.spec.resources import Resources
    from nas.spec.settings import Settings
    from search_spaces import ArchSpec

TOML = ".toml"
"""Ends the name of a file with a space."""
CENTER = "the network around which it searched"
"""The name of that network where the choice is compared with it."""


@declared(RepeatOptions, table="--evaluator FILE")
def search(options: SearchOptions, resources: ResourceOptions, quiet: QuietOption = False) -> None:
    """Search a space for the best network: propose, train, reward, learn.

    Example: nas search --space mnas
    """
    with interruptible():
        searched(options, resources, quiet=quiet)


def searched(options: SearchOptions, resources: ResourceOptions, *, quiet: bool = False) -> Run:
    """Searches a space for the best network: proposes, trains, rewards, learns."""
    from nas.launch import launch
    from nas.launch.new_run import Place
    from nas.screens.progress import Screen
    from nas.trackers.chosen import choose

    chosen = choose(options.track)
    settings = chosen.noted(search_settings(options, resources))
    place = Place(options.run, short_name(settings.space), command_words("search", options, resources))
    screen = Screen(quiet=quiet)
    return watch(screen, lambda listener: launch.start(settings, place, listener), chosen)


def short_name(space: str) -> str:
    """What the directory of a run is called by its space."""
    from nas.spec.own import is_own, name_of

    return name_of(space) if is_own(space) else space.partition(":")[0].removesuffix(TOML)


def search_settings(options: SearchOptions, resources: ResourceOptions) -> Settings:
    """The settings that the options of ``nas search`` ask for.

    Raises:
        InputError: if a value is out of range or cannot be read.
    """
    from nas.spec.recipe import default_recipe
    from nas.spec.settings import Settings
    from search_spaces import cost

    found, evaluator = find_space(options.space), find_evaluator(options.evaluator)
    trains, reads = evaluator.trains, evaluator.name == "train"
    data, of_data = find_images(options.data) if reads else (absolute(options.data), "")
    code = {"space": found.sha256, "evaluator": evaluator.sha256, "data": of_data}
    init = find_init(options.init, options.init_arch)
    recipe = options.recipe or default_recipe("proxy", pretrained=init is not None)
    confirmations = options.confirm if trains or options.confirm < 0 else 0
    fields = with_options(
        pairs(options.proxy, "proxy"), metric=options.metric, class_weights=options.class_weights
    )
    usual = 400e6 if found.center is None else float(cost(found.center).flops)
    device = None if options.device is None else absolute_device(options.device)
    with checked():
        return Settings(
            space=found.name,
            space_text=found.text,
            trials=default_trials(trains=trains) if options.trials is None else options.trials,
            data=data,
            evaluator=evaluator.name,
            controller=code_of(options.controller, "controller") or options.controller,
            objective=find_objective(options, usual if found.has_archs else None),
            device=device or "",
            recipe=find_recipe(recipe, fields, "proxy"),
            init=init,
            tuned=find_tuned(init, tune=options.tune),
            seed=options.seed,
            scheduler=options.scheduler,
            confirmations=confirmations,
            baselines=find_baselines(options.baseline, found, evaluator, confirmations),
            confirm_seeds=options.confirm_seeds,
            controller_settings=pairs(options.controller_settings, "controller_settings"),
            resources=find_resources(resources, trains=trains, max_hours=options.max_hours),
            files={name: sha256 for name, sha256 in code.items() if sha256},
        )


def default_trials(*, trains: bool) -> int:
    """How many networks a search proposes, if nothing else is asked."""
    return 24 if trains else 1000


class Found(NamedTuple):
    """A space as a run keeps it.

    Args:
        center: the network that it lies around.
        text: of its TOML file.
        sha256: of its code.
        has_archs: whether its networks are ``ArchSpec``.
    """

    name: str
    center: ArchSpec | None = None
    text: str = ""
    sha256: str = ""
    has_archs: bool = True


def find_space(name: str) -> Found:
    """The space that ``name`` names: of this package, ``around:ARCH``, in a file, or that of a run.

    Raises:
        InputError: as ``find_arch``, if the file cannot be read, or as ``nas.launch.own_run.take``.
    """
    from nas.spec import own
    from search_spaces import SPACES
    from search_spaces.around import AROUND

    if code := code_of(name, "space"):
        from nas.launch.own_run import take

        sha256 = take("space", code)
        return Found(code, sha256=sha256, has_archs=own.kept("space").has_archs)

    if name.endswith(TOML):
        return Found(Path(name).name, text=read_file(name, "space"))
    if not name.startswith(AROUND):
        a_run = name not in SPACES and is_file(Path(name, "config.json"))
        return find_space_of(Path(name)) if a_run else Found(name)
    around = name.removeprefix(AROUND)
    if not around:
        raise InputError(f"space must be {AROUND} and a network, got {name!r}")
    center = find_arch(around, "space")
    return Found(f"{AROUND}{center}", center)


def find_space_of(run: Path) -> Found:
    """The space that a run searched, but for code: that runs only if the user names it.

    Raises:
        InputError: if its ``config.json`` is damaged, or it had no such space.
    """
    from nas.runs.config import read_settings
    from search_spaces import SPACES
    from search_spaces.around import AROUND

    before = read_settings(run)
    if before.space_text:
        return Found(before.space, text=before.space_text)
    if before.space in SPACES or before.space.startswith(AROUND):
        return find_space(before.space)
    rule = "must be a run with a space of this package or a TOML file"
    raise InputError(f"space {rule}, got {run} with {before.space}")


class FoundEvaluator(NamedTuple):
    """An evaluator as a run keeps it: its name, whether it trains networks, and the SHA-256 of its code."""

    name: str
    trains: bool
    sha256: str = ""


def find_evaluator(name: str) -> FoundEvaluator:
    """The evaluator that ``name`` names; InputError as ``nas.launch.own_run.take``."""
    if code := code_of(name, "evaluator"):
        from nas.launch.own_run import take

        return FoundEvaluator(code, trains=True, sha256=take("evaluator", code))
    return FoundEvaluator(absolute(name), trains=name == "train")


def find_baselines(
    names: str | None, space: Found, evaluator: FoundEvaluator, confirmations: int
) -> dict[str, str]:
    """The known networks to compare with, as text by name: the published ones of the space, unless named.

    Around a network, it is that network itself. An evaluation of the user's own has none, unless named.

    Raises:
        InputError: if one of the names is none of a network, or stands there twice, or nothing is trained
            again, beside which they would be.
    """
    from search_spaces import PUBLISHED
    from search_spaces.around import AROUND

    if names == "none" or (names is None and (evaluator.name != "train" or confirmations < 1)):
        return {}
    if names is None and space.name.startswith(AROUND):
        return {CENTER: space.name.removeprefix(AROUND)}
    if not evaluator.trains:
        raise InputError(f"baseline must be left out where nothing is trained, got {names}")
    if confirmations < 1:
        raise InputError(
            f"baseline must stand with `confirm` of 1 or more, beside which it is trained, got {names}"
        )
    if names is not None and not space.has_archs:
        return find_decisions(names)
    asked = PUBLISHED.get(space.name, ()) if names is None else [name.strip() for name in names.split(",")]
    found: dict[str, str] = {}
    for name in asked:
        if name in found:
            raise InputError(f"baseline must name every network once, got {name} twice")
        found[name] = str(find_arch(name, "baseline"))
    return found


def find_decisions(names: str) -> dict[str, str]:
    """Known networks of a space whose networks are no ``ArchSpec``, by their decisions.

    Raises:
        InputError: as ``search_spaces.choices_text.parse_choices``, or if one stands there twice.
    """
    from nas.spec import own
    from search_spaces import SearchSpace
    from search_spaces.choices_text import parse_choices, split_choices

    space: SearchSpace = own.kept("space")
    known: dict[str, str] = {}
    try:
        for text in split_choices(names):
            network = str(space.decode(parse_choices(text, space)))
            if network in known:
                raise ValueError(f"must name every network once, got {network} twice")
            known[network] = text
    except ValueError as error:
        some = space.decisions[0]
        example = f"{some.name}={some.choices[0]} ..."
        raise InputError(f"baseline must name decisions, as in '{example}' ({error}), got {names}") from None
    return known


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
