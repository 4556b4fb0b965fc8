"""What a person sees of a scaling run: the networks of the grid, the family, and the reasons."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

import reports
import scaling_search
from nas.runs.config import read_settings
from nas.runs.family_files import family_frame, read_family
from nas.runs.run import Run
from nas.runs.scaling_results import compare, verdict
from nas.spec.scaling import Scaling
from search_spaces import PRESETS


def print_scaling(console: Console, run: Run) -> None:
    """What was compared, what was chosen and how sure that is; the family, once it is made."""
    settings = read_settings(run.directory)
    assert settings.scaling is not None
    run.best_trial()  # or there is nothing to show
    trials = run.trials()
    compared = compare(trials, settings.scaling, settings.recipe)
    console.print(reports.grid_table(compared))
    counts = ", ".join(f"{number} {status}" for status, number in trials["status"].value_counts().items())
    stopped = int((trials["epochs"].between(1, trials["epochs"].max() - 1)).sum())
    early = f" ({stopped} stopped early)" if stopped else ""
    for line in ["", f"{len(trials)} trainings: {counts}{early}", *verdict(compared, settings.scaling)]:
        console.print(Text(line), soft_wrap=True)
    if (run.directory / "family.json").is_file():
        console.print()
        print_family(console, run.directory)


def print_family(console: Console, directory: Path) -> None:
    """The family in ``directory``."""
    file = directory / "family.json"
    family, coefficients = read_family(file)
    frame = family_frame(family)
    console.print(reports.family_table(frame))
    console.print()
    console.print(reports.family_stages_table(frame))
    product = f"alpha, beta, gamma = {coefficients}, alpha * beta^2 * gamma^2 = {coefficients.product:.3f}"
    last = list(family)[-1]
    for line in (
        "",
        product,
        f"Written to {file} and family.csv; look at a model with: nas show {directory}:{last}",
    ):
        console.print(Text(line), soft_wrap=True)


def print_explanation(console: Console, directory: Path) -> None:
    """Formula, published table and the family in ``directory``, and where their differences come from."""
    family, coefficients = read_family(directory / "family.json")
    own = next(iter(family.values())).arch
    base = "" if own == PRESETS["efficientnet-b0"] else " (yours is of another base)"
    implied = scaling_search.implied_phis()
    sections = {
        f"EfficientNet by the formula with (1.2, 1.1, 1.15), as published, and your family{base}": (
            reports.sides_table(scaling_search.side_by_side(family))
        ),
        "The phi that each published coefficient implies under (1.2, 1.1, 1.15)": (
            reports.implied_table(implied)
        ),
        "How your family's FLOPs grew: what the multiplier means -> what is left after rounding": (
            reports.shares_table(scaling_search.rounding_shares(family, coefficients.gamma))
        ),
    }
    for title, table in sections.items():
        console.print(Text(f"\n{title}\n"), soft_wrap=True)
        console.print(table)
    console.print(Text("\nWhy the published models have their sizes\n"), soft_wrap=True)
    for one in implied:
        console.print(Text(scaling_search.why(one)), soft_wrap=True)


def describe(scaling: Scaling) -> str:
    """What is going to be compared."""
    times = f"{scaling.grid.product**scaling.phi:.3g} times its {reports.count(scaling.base_flops)} FLOPs"
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
