"""``nas report``: what runs found, on the terminal, as JSON and as figures; also while they search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.commands.options import JsonOption, checked, parse_count
from nas.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from nas.runs.run import Run
    from nas.runs.search_results import Ranking

_RANKING = ("--target-flops", "--exponent", "--reward")
_DRAWN = ("--random", "--png", "--svg")
REFUSED = {
    "training": ("one network was trained", (*_DRAWN, *_RANKING)),
    "audit": ("the run is an audit", _DRAWN),
    "several": ("several runs were given", ("--follow", *_DRAWN)),
    "family": ("nothing was trained", ("--follow", "--random", *_RANKING)),
}
"""By the kind of run, or by what else is reported: why some options mean nothing there, and which."""


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Directories of runs.")],
    as_json: JsonOption = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Refresh while the search runs; ends when it is over.")
    ] = False,
    target_flops: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT",
            show_default="the run's",
            help="Rank by another budget T, in the unit of --cost; nothing is trained again.",
        ),
    ] = None,
    exponent: Annotated[
        float | None, typer.Option(show_default="the run's", help="Rank by another exponent.")
    ] = None,
    reward: Annotated[
        str | None, typer.Option(show_default="the run's", help="Rank by soft, hard or abs.")
    ] = None,
    cost: Annotated[
        str, typer.Option(help="What networks are charged for there: flops, params or activations.")
    ] = "flops",
    random: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            show_default="the run's own first trials",
            help="A run of --controller random to compare with.",
        ),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures: front and progress, or family.")
    ] = None,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="The same as SVG.")] = None,
) -> None:
    """Show a run's Pareto front and write it to RUN/pareto.csv; several runs: compare them.

    Works while the search runs. Of a scaling run: the networks of the grid, the choice and the family.

    Example: nas report runs/first --target-flops 300M
    """
    from rich.console import Console

    from nas.runs.run import open_run

    console = Console(highlight=False)
    figures = {kind: path for kind, path in (("svg", svg), ("png", png)) if path}
    options: dict[str, Any] = {"--follow": follow, "--random": random, "--png": png, "--svg": svg}
    options |= {"--target-flops": target_flops, "--exponent": exponent, "--reward": reward}
    if len(runs) == 1 and is_family_only(runs[0]):
        refuse(options, *REFUSED["family"])
        report_family(console, runs[0], as_json=as_json, figures=figures)
        return
    opened = [open_run(run) for run in runs]
    if len({run.resolve() for run in runs}) < len(runs):
        raise InputError(f"RUN must name different runs, got {' '.join(map(str, runs))}")
    reason, refused = REFUSED.get("several" if len(runs) > 1 else opened[0].settings.kind, ("", ()))
    refuse(options, reason, refused)
    asked = {"target_flops": target_flops, "exponent": exponent, "reward": reward, "cost": cost}
    ranking = None if "--exponent" in refused else find_ranking(opened[0], asked)
    if len(runs) > 1:
        report_several(console, opened, ranking, as_json=as_json)
        return
    if follow:
        from nas.screens.follow import follow_run

        follow_run(console, opened[0], as_json=as_json)
    report_one(
        console, opened[0], open_run(random) if random else None, ranking, as_json=as_json, figures=figures
    )


def report_one(
    console: Console,
    run: Run,
    random: Run | None,
    ranking: Ranking | None,
    *,
    as_json: bool,
    figures: dict[str, Path],
) -> None:
    """Prints one run and writes its files; the page once a trial has finished."""
    from nas.runs.figure_files import write_figure
    from nas.runs.kinds import KINDS, summary
    from nas.runs.page import write_page
    from nas.screens.views import print_report

    run = run.snapshot()
    kind = KINDS[run.settings.kind]
    facts = summary(run, random, ranking)
    kind.write_tables(run)
    if len(run.networks()):
        write_page(run, random)
    if figures and kind.figure:
        write_figure(kind.figure(run, facts), figures)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_report(console, run, facts)


def report_several(console: Console, runs: list[Run], ranking: Ranking | None, *, as_json: bool) -> None:
    """Compares runs."""
    from nas.runs.search_results import comparison
    from nas.screens.report import comparison_parts, print_parts

    compared, common = comparison(runs, ranking)
    if as_json:
        kept = compared.astype(object)
        rows = kept.where(kept.notna(), None).to_dict("records")
        typer.echo(json.dumps({**common, "runs": rows}, indent=2))
    else:
        print_parts(console, comparison_parts(compared, common))


def is_family_only(directory: Path) -> bool:
    """Whether a scaling run had nothing to train."""
    return (directory / "family.json").is_file() and not (directory / "run.db").exists()


def report_family(console: Console, directory: Path, *, as_json: bool, figures: dict[str, Path]) -> None:
    """A family without a run."""
    from nas.screens.report import print_parts
    from nas.screens.scaling import family_parts

    if figures:
        from nas.runs.figure_files import family_figure, write_figure

        write_figure(family_figure(directory), figures)
    if as_json:
        typer.echo((directory / "family.json").read_text(), nl=False)
    else:
        print_parts(console, family_parts(directory))


def refuse(options: dict[str, Any], reason: str, refused: tuple[str, ...]) -> None:
    """InputError if one of the ``refused`` was given where it means nothing."""
    for option in refused:
        if (value := options[option]) is not None and value is not False:
            raise InputError(f"{option} must be left out where {reason}, got {value}")


def find_ranking(run: Run, asked: dict[str, Any]) -> Ranking | None:
    """The objective that the options ask for, the rest being the run's own; None if they ask for none.

    Raises:
        InputError: if it is no objective.
    """
    from nas.runs.run import COSTS
    from nas.runs.search_results import Ranking
    from nas.spec.objective import Objective

    cost = asked["cost"]
    if cost not in COSTS:
        raise InputError(f"--cost must be one of {COSTS}, got {cost!r}")
    if cost != "flops" and asked["target_flops"] is None:
        raise InputError(f"--target-flops must say how many {cost} --cost {cost} aims at, got nothing")
    if all(asked[name] is None for name in ("target_flops", "exponent", "reward")):
        return None
    own = run.settings.objective
    kind = asked["reward"] or own.kind
    target = own.target_flops if asked["target_flops"] is None else parse_count(asked["target_flops"])
    exponent = asked["exponent"]
    if exponent is None and kind == own.kind:
        exponent = own.exponent
    return checked(lambda: Ranking(Objective(target, exponent, kind), cost))
