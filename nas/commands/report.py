"""``nas report``: what runs found, on the terminal, as JSON and as figures; also while they search."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from nas.commands.arguments import checked, parse_count
from nas.commands.declare import declared
from nas.commands.options import JsonOption, TargetOption
from nas.commands.targets import find_targets
from nas.commands.values import TRACKERS
from nas.errors import InputError, WriteError
from nas.files import exists, is_file

if TYPE_CHECKING:
    from rich.console import Console

    from nas.runs.run import Run
    from nas.runs.search_results import Ranking
    from nas.trackers.chosen import Chosen

RANKING = ("target_flops", "target", "exponent", "reward")
DRAWN = ("random", "png", "svg")
REFUSED = {
    "training": ("one network was trained", (*DRAWN, *RANKING, "budget")),
    "audit": ("the run is an audit", DRAWN),
    "several": ("several runs were given", ("follow", "budget", "track", *DRAWN)),
    "family": ("nothing was trained", ("follow", "random", *RANKING, "budget", "track")),
}
"""By the kind of run, or by what else is reported: why some options mean nothing there, and which."""


@dataclass(frozen=True)
class ReportOptions:
    """What ``nas report`` is asked."""

    runs: Annotated[list[Path], Argument(metavar="RUN...", help="Directories of runs.")]
    as_json: JsonOption = False
    follow: Annotated[
        bool, Option("--follow", help="Refresh while the search runs; ends when it is over.")
    ] = False
    target_flops: Annotated[
        str | None,
        Option(
            metavar="COUNT",
            show_default="the run's",
            help="Rank by another budget T, in the unit of --cost; nothing is trained again.",
        ),
    ] = None
    target: TargetOption = None
    budget: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=VALUE",
            show_default="none",
            help="Name the most accurate network within it, e.g. latency=15ms; several hold together.",
        ),
    ] = None
    exponent: Annotated[float | None, Option(show_default="the run's", help="Rank by another exponent.")] = (
        None
    )
    reward: Annotated[str | None, Option(show_default="the run's", help="Rank by soft, hard or abs.")] = None
    cost: Annotated[str, Option(help="What networks are charged for: flops, params or activations.")] = (
        "flops"
    )
    random: Annotated[
        Path | None,
        Option(
            metavar="RUN",
            show_default="the run's own first trials",
            help="A run of --controller random to compare with.",
        ),
    ] = None
    track: Annotated[
        list[str] | None,
        Option(
            metavar=TRACKERS,
            show_default="none",
            help="Show the run there, too, if it is over: tensorboard, mlflow, wandb, or FILE.py:NAME.",
        ),
    ] = None
    png: Annotated[
        Path | None, Option(metavar="FILE", help="Write the figures: front and progress, or family.")
    ] = None
    svg: Annotated[Path | None, Option(metavar="FILE", help="The same as SVG.")] = None


@declared(figures="--png and --svg", arch="RUN", controller="--controller")
def report(options: ReportOptions) -> None:
    """Show a run's Pareto front and write it to RUN/pareto.csv; several runs: compare them.

    Works while the search runs. Of a scaling run: the networks of the grid, the choice and the family.

    Example: nas report runs/first --target-flops 300M
    """
    from nas.runs.run import open_run
    from nas.screens.follow import follow_run
    from nas.screens.terminal import Terminal

    console, runs = Terminal(), options.runs
    if len(runs) == 1 and is_family_only(runs[0]):
        refuse(options, *REFUSED["family"])
        report_family(console, runs[0], options)
        return
    opened = [open_run(run) for run in runs]
    if len({run.resolve() for run in runs}) < len(runs):
        raise InputError(f"run must name different runs, got {' '.join(map(str, runs))}")
    reason, refused = REFUSED.get("several" if len(runs) > 1 else opened[0].settings.kind, ("", ()))
    refuse(options, reason, refused)
    ranking = None if "exponent" in refused else find_ranking(opened[0], options)
    if len(runs) > 1:
        report_several(console, opened, ranking, as_json=options.as_json)
        return
    if options.follow:
        follow_run(console, opened[0], as_json=options.as_json)
    report_one(console, opened[0], ranking, options)


def report_one(console: Console, run: Run, ranking: Ranking | None, options: ReportOptions) -> None:
    """Prints one run and writes its files; the page once a trial has finished."""
    from nas.runs.figure_files import write_figure
    from nas.runs.kinds import KINDS, summary
    from nas.runs.page import write_page
    from nas.runs.run import open_run
    from nas.screens.views import print_report

    chosen = find_trackers(options)
    random = open_run(options.random) if options.random else None
    run = run.snapshot()
    kind = KINDS[run.settings.kind]
    facts = summary(run, random, ranking, find_budgets(run, options))
    writers: list[Callable[[], object]] = [lambda: kind.write_tables(run)]
    if len(run.networks()):
        writers.append(lambda: write_page(run, random))
    missed = [missed for write in writers if (missed := failure(write))]
    if kind.figure and (files := figures(options)):
        write_figure(kind.figure(run, facts), files)
    if options.as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_report(console, run, facts)
    if missed:  # what was found can be read all the same, whoever owns the run
        names = " and ".join(error.file for error in missed)
        typer.echo(f"nas: {names} could not be written ({missed[0].reason})", err=True)
    if chosen and chosen.trackers:
        from nas.trackers.finished import send

        for line in send(run, chosen):
            if not options.as_json:
                console.print(line)


def find_trackers(options: ReportOptions) -> Chosen | None:
    """The trackers that are to be told of the run, if any; InputError if one of them cannot be used."""
    if not options.track:
        return None
    from nas.trackers.chosen import choose

    return choose(options.track)


def failure(write: Callable[[], object]) -> WriteError | None:
    """Writes files of a run; what could not be written."""
    try:
        write()
    except WriteError as error:
        return error
    return None


def report_several(console: Console, runs: list[Run], ranking: Ranking | None, *, as_json: bool) -> None:
    """Compares runs."""
    from nas.runs.comparison import comparison
    from nas.screens.report import comparison_parts
    from nas.screens.words import print_parts
    from reports import plain

    compared, common = comparison(runs, ranking)
    if as_json:
        typer.echo(json.dumps(plain({**common, "runs": compared}), indent=2))
    else:
        print_parts(console, comparison_parts(compared, common))


def report_family(console: Console, directory: Path, options: ReportOptions) -> None:
    """Prints a family without a run."""
    from nas.runs.family_files import read_family
    from nas.runs.figure_files import family_figure, write_figure
    from nas.screens.scaling import family_parts
    from nas.screens.words import print_parts

    if files := figures(options):
        write_figure(family_figure(directory), files)
    if options.as_json:
        read_family(directory / "family.json")  # refuses one that is damaged
        typer.echo((directory / "family.json").read_text(), nl=False)
    else:
        print_parts(console, family_parts(directory))


def is_family_only(directory: Path) -> bool:
    """Whether a scaling run had nothing to train."""
    return is_file(directory / "family.json") and not exists(directory / "run.db")


def figures(options: ReportOptions) -> dict[str, Path]:
    """The files that figures are written to, by their kind."""
    return {kind: path for kind, path in (("svg", options.svg), ("png", options.png)) if path}


def refuse(options: ReportOptions, reason: str, names: Iterable[str]) -> None:
    """InputError if one of the options ``names`` was given where it means nothing."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False:
            raise InputError(f"{name} must be left out where {reason}, got {value}")


def find_ranking(run: Run, options: ReportOptions) -> Ranking | None:
    """The objective that the options ask for, the rest being the run's own; None if they ask for none.

    Raises:
        InputError: if it is no objective.
    """
    from nas.runs.search_results import Ranking
    from nas.spec.objective import EXPONENTS, PARETO, Objective
    from nas.spec.targets import COSTS
    from search_spaces.names import unknown

    cost, asked = options.cost, options.target_flops
    if cost not in COSTS:
        raise InputError(f"cost must be one of {COSTS}, got {cost!r}")
    if cost != "flops" and asked is None:
        raise InputError(f"target_flops must say how many {cost} --cost {cost} aims at, got nothing")
    if all(getattr(options, name) is None for name in RANKING):
        return None
    own = run.settings.objective
    kind, exponent = options.reward or ("soft" if own.seeks_front else own.kind), options.exponent
    if kind == PARETO:
        raise InputError(f"reward must be one of {(*EXPONENTS,)} to rank by, got {kind}")
    if exponent is None and kind == own.kind:
        exponent = own.exponent
    texts = options.target
    if cost != "flops" and texts:
        raise InputError(f"cost must be left out where `target` names what counts, got {cost}")
    flops, targets = find_targets(None, texts)
    if asked is not None and flops is not None:
        raise InputError(f"target must leave FLOPs to `target_flops` where that is given, got {asked}")
    if flops is not None:
        exponent = exponent if flops.exponent is None else flops.exponent
    if texts is None and asked is None:
        target, targets = own.target_flops, () if own.seeks_front else own.targets
    elif asked is not None:
        target = parse_count(asked)
    else:
        target = None if flops is None else flops.value
    if target is None and not targets:
        raise InputError(f"target must name a budget to rank by, as the run has none, got {kind}")
    with checked():
        ranking = Ranking(Objective(target, exponent, kind, targets, own.maximize), cost)
    for name in ranking.objective.costs:
        if name not in run.known_costs:
            raise InputError(f"target: {unknown('measure', name, run.known_costs)}")
    return ranking


def find_budgets(run: Run, options: ReportOptions) -> dict[str, float]:
    """The budgets that the options ask for; InputError if the run does not know one of these costs."""
    from nas.spec.targets import parse_budgets

    with checked():
        return parse_budgets(options.budget or [], run.known_costs)
