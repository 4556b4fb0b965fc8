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

    from nas.runs.config import read_settings
    from nas.runs.run import open_run

    console = Console(highlight=False)
    figures = {kind: path for kind, path in (("svg", svg), ("png", png)) if path}
    if len(runs) == 1 and is_family_only(runs[0]):
        refuse(
            {
                "--follow": follow,
                "--random": random,
                "--target-flops": target_flops,
                "--exponent": exponent,
                "--reward": reward,
            },
            "nothing was trained",
        )
        report_family(console, runs[0], as_json=as_json, figures=figures)
        return
    opened = [open_run(run) for run in runs]
    if len(runs) == 1 and read_settings(runs[0]).trains_one:
        refuse(
            {"--random": random, "--png": png, "--svg": svg, "--target-flops": target_flops}
            | {"--exponent": exponent, "--reward": reward},
            "one network was trained",
        )
        report_training(console, opened[0], follow=follow, as_json=as_json)
        return
    asked = {"target_flops": target_flops, "exponent": exponent, "reward": reward, "cost": cost}
    ranking = find_ranking(opened[0], asked)
    if len(runs) > 1:
        if len({run.resolve() for run in runs}) < len(runs):
            raise InputError(f"RUN must name different runs, got {' '.join(map(str, runs))}")
        refuse(
            {"--follow": follow, "--random": random, "--png": png, "--svg": svg}, "several runs were given"
        )
        report_several(console, opened, ranking, as_json=as_json)
        return
    if opened[0].config.get("audit"):
        refuse({"--random": random, "--png": png, "--svg": svg}, "the run is an audit")
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
    """Prints one run and writes its files."""
    from nas.runs.audit_results import write_audit
    from nas.runs.page import write_page
    from nas.runs.search_results import summary
    from nas.screens.report import print_report

    run = run.snapshot()
    facts = summary(run, random, ranking)
    run.write_pareto()
    if "audit" in facts:
        write_audit(run)
    write_page(run, random)
    if figures:
        from nas.runs.figure_files import write_figures

        write_figures(run, figures, facts)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_report(console, run, facts)


def report_training(console: Console, run: Run, *, follow: bool, as_json: bool) -> None:
    """Prints one training, and writes its files if it is over."""
    from nas.runs import training_results
    from nas.runs.page import write_page
    from nas.screens.training import print_summary

    if follow:
        from nas.screens.follow import follow_run

        follow_run(console, run, as_json=as_json)
    facts = training_results.summary(run)
    training_results.write_curve(run)
    if facts["status"] == "done":
        write_page(run)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        print_summary(console, facts)


def report_several(console: Console, runs: list[Run], ranking: Ranking | None, *, as_json: bool) -> None:
    """Compares runs."""
    from nas.runs.search_results import comparison
    from nas.screens.report import print_comparison
    from reports import plain

    compared, common = comparison(runs, ranking)
    if as_json:
        typer.echo(json.dumps(plain({**common, "runs": compared}), indent=2))
    else:
        print_comparison(console, compared, common)


def is_family_only(directory: Path) -> bool:
    """Whether a scaling run had nothing to train."""
    return (directory / "family.json").is_file() and not (directory / "run.db").exists()


def report_family(console: Console, directory: Path, *, as_json: bool, figures: dict[str, Path]) -> None:
    """A family without a run."""
    from nas.screens.scaling import print_family

    if figures:
        from nas.runs.figure_files import write_family_figures

        write_family_figures(directory, figures)
    if as_json:
        typer.echo((directory / "family.json").read_text(), nl=False)
    else:
        print_family(console, directory)


def refuse(options: dict[str, Any], reason: str) -> None:
    """InputError if one of ``options`` was given where it means nothing."""
    for option, value in options.items():
        if value is not None and value is not False:
            raise InputError(f"{option} must be left out where {reason}, got {value}")


def find_ranking(run: Run, asked: dict[str, Any]) -> Ranking | None:
    """The objective that the options ask for, the rest being the run's own; None if they ask for none.

    Raises:
        InputError: if it is no objective.
    """
    from nas.runs.config import read_settings
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
    own = read_settings(run.directory).objective
    kind = asked["reward"] or own.kind
    target = own.target_flops if asked["target_flops"] is None else parse_count(asked["target_flops"])
    exponent = asked["exponent"]
    if exponent is None and kind == own.kind:
        exponent = own.exponent
    return checked(lambda: Ranking(Objective(target, exponent, kind), cost))
