"""``nas audit``: whether the short training ranks networks, or noise."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

from nas.commands.arguments import checked, find_recipe, find_tuned, named_images, pairs, with_options
from nas.commands.declare import command_words, declared
from nas.commands.defaults import DefaultOptions
from nas.commands.networks import find_init
from nas.commands.options import (
    AS_SEARCH,
    NEW_RUN,
    PAIR,
    HelpProxyOption,
    InitArchOption,
    InitOption,
    JsonOption,
    MetricOption,
    QuietOption,
    ResourceOptions,
    TrackOption,
    TuneOption,
)
from nas.commands.running import interruptible, watch
from nas.commands.search import find_resources, find_space
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.spec.settings import Settings


@dataclass(frozen=True)
class AuditOptions:
    """What ``nas audit`` is asked, but for where its training runs are."""

    space: Annotated[str, Option(help="Whose networks are trained, see nas spaces.")] = "mnas"
    data: Annotated[str, Option(help=AS_SEARCH)] = "digits"
    networks: Annotated[int, Option(help="Networks to train, drawn at random.")] = 24
    seeds: Annotated[int, Option(help="Training runs of each network, on as many seeds.")] = 3
    recipe: Annotated[str | None, Option(show_default="proxy; inherit with --init", help=AS_SEARCH)] = None
    proxy: Annotated[
        list[str] | None, Option(metavar=PAIR, help="A field of the recipe, as for nas search.")
    ] = None
    help_proxy: HelpProxyOption = False
    init: InitOption = None
    init_arch: InitArchOption = None
    tune: TuneOption = True
    metric: MetricOption = None
    long: Annotated[
        list[str] | None,
        Option(
            metavar=PAIR,
            help="A field of a longer schedule, e.g. epochs=16; every network is trained by it, too.",
        ),
    ] = None
    long_seeds: Annotated[
        int | None,
        Option(show_default="as --seeds", help="Training runs of each network by the longer schedule."),
    ] = None
    reference: Annotated[
        Path | None,
        Option(metavar="FILE", help="Known accuracies, as for table:FILE; the networks are drawn from it."),
    ] = None
    sample_seed: Annotated[int, Option(help="Seeds the draw of the networks.")] = 0
    seed: Annotated[int, Option(help="Seeds everything else that is random.")] = 0
    track: TrackOption = None
    run: Annotated[Path | None, Option(show_default="runs/TIME-audit", help=NEW_RUN)] = None


@declared(DefaultOptions, table="--reference FILE")
def audit(
    options: AuditOptions,
    resources: ResourceOptions,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Is the proxy any good? Trains networks on several seeds, and longer, and compares.

    Example: nas audit --networks 24 --seeds 3 --long epochs=16
    """
    with interruptible():
        run = audited(options, resources, quiet=quiet or as_json)
    if as_json:
        typer.echo((run.directory / "audit.json").read_text(), nl=False)


def audited(options: AuditOptions, resources: ResourceOptions, *, quiet: bool = False) -> Run:
    """Is the proxy any good? Trains networks on several seeds, and longer, and compares."""
    from nas.launch import launch
    from nas.launch.new_run import Place
    from nas.screens.progress import Screen
    from nas.trackers.chosen import choose

    chosen = choose(options.track)
    settings = chosen.noted(audit_settings(options, resources))
    place = Place(options.run, "audit", command_words("audit", options, resources))
    screen = Screen(quiet=quiet)
    return watch(screen, lambda listener: launch.start(settings, place, listener), chosen)


def audit_settings(options: AuditOptions, resources: ResourceOptions) -> Settings:
    """The settings that the options of ``nas audit`` ask for, its networks drawn.

    Raises:
        InputError: if a value is out of range or cannot be read, or there are too few networks.
    """
    from nas.launch.draw import draw_known, draw_networks
    from nas.runs.spaces import known_space
    from nas.spec.objective import Objective
    from nas.spec.recipe import default_recipe
    from nas.spec.settings import Audit, Settings

    if options.sample_seed < 0:
        raise InputError(f"sample_seed must be at least 0, got {options.sample_seed}")
    found = find_space(options.space)
    if not found.has_archs:
        raise InputError(f"space must have networks that are ArchSpecs, got {options.space}")
    space = known_space(found.name, found.text)
    fields = with_options(pairs(options.proxy, "proxy"), metric=options.metric)
    longer = pairs(options.long, "long")
    init = find_init(options.init, options.init_arch)
    recipe = options.recipe or default_recipe("proxy", pretrained=init is not None)
    short = find_recipe(recipe, fields, "proxy")
    long = find_recipe(recipe, {**fields, **longer}, "long") if longer else None
    if options.long_seeds is not None and long is None:
        raise InputError(f"long_seeds needs `long` NAME=VALUE, got {options.long_seeds}")
    with checked():
        asked = Audit(options.seeds, long, options.long_seeds)
    file = options.reference and options.reference.absolute()
    if file:
        archs, known = draw_known(space, file, options.networks, options.sample_seed)
    else:
        archs, known = draw_networks(space, options.networks, options.sample_seed), ()
    with checked():
        return Settings(
            space=found.name,
            space_text=found.text,
            trials=options.networks * options.seeds,
            data=named_images(options.data),
            evaluator="train",
            controller="grid",
            objective=Objective(400e6, exponent=0.0),  # accuracy, whatever it costs
            recipe=short,
            init=init,
            tuned=find_tuned(init, tune=options.tune),
            seed=options.seed,
            resources=find_resources(resources),
            networks=archs,
            audit=dataclasses.replace(asked, reference=known, source=str(file or "")),
        )
