"""What a person sees of a scaling run: the networks of the grid, the family, and explanations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import reports
import scaling_search
from nas.runs.family_files import coefficients_line, family_frame, read_family
from nas.runs.next_steps import family_steps
from nas.runs.proxy import measured
from nas.runs.run import Run
from nas.runs.scaling_results import compared_run
from nas.runs.search_results import statuses
from nas.runs.sweep_results import sweep_lines, swept
from nas.screens.report import counts_text
from nas.screens.words import Parts, Steps
from nas.spec.scaling import Scaling
from reports.numbers import percent, plural
from scaling_search import Model
from search_spaces import PRESETS


def scaling_parts(run: Run, _facts: dict[str, Any]) -> Parts:
    """What was compared, what was chosen and how sure that is; the family, once it is written."""
    trials, (compared, found, _) = run.trials(), compared_run(run)
    stopped = int((trials["epochs"].between(1, trials["epochs"].max() - 1)).sum())
    early = f" ({stopped} stopped early)" if stopped else ""
    lines = [
        f"{plural(len(trials), 'training run')}: {counts_text(statuses(trials))}{early}",
        *found[1:],
    ]
    family = ["", *family_tables(run.directory)] if (run.directory / "family.json").is_file() else []
    return [reports.grid_table(compared, measured(run.settings)), "", *lines, *family]


def scaling_so_far(run: Run) -> Parts:
    """The front while the candidates are trained."""
    if run.networks().empty:
        return []
    best = run.best_trial()["trial"]
    return [reports.front_table(run.pareto(), best, measured=measured(run.settings))]


def sweep_parts(run: Run, _facts: dict[str, Any]) -> Parts:
    """The networks of a sweep, what larger ones would reach, and the findings."""
    found, name = swept(run), measured(run.settings)
    predicted: Parts = ["", reports.forecast_table(found.forecast, name)] if len(found.forecast) else []
    return [reports.sweep_table(found.table, name), *predicted, "", *sweep_lines(found)[1:]]


def family_parts(directory: Path) -> Parts:
    """A family that nothing was trained for: what it is, its tables, and what to do next."""
    family, coefficients = read_family(directory / "family.json")
    names = [*family]
    line = f"The family {names[0]} to {names[-1]} by {coefficients_line(coefficients)}"
    return [line, "", *family_tables(directory), "", Steps(family_steps(directory))]


def family_tables(directory: Path) -> Parts:
    """The family in ``directory``."""
    file = directory / "family.json"
    family, coefficients = read_family(file)
    frame = family_frame(family)
    return [
        reports.family_table(frame),
        "",
        reports.family_stages_table(frame),
        "",
        *same_lines(family),
        f"The family by {coefficients_line(coefficients)} is in {file} and family.csv.",
    ]


def same_lines(family: Mapping[str, Model]) -> list[str]:
    """Which models are the same network as the one before."""
    return [
        f"{name} is the same network as {before}: no size grows between them."
        for (before, small), (name, large) in itertools.pairwise(family.items())
        if small.arch == large.arch
    ]


def explanation_parts(directory: Path, *, late_depth: bool = False) -> Parts:
    """The formula, the published table and the family in ``directory``, and why they differ.

    Args:
        late_depth: as the family was scaled.
    """
    family, coefficients = read_family(directory / "family.json")
    own = next(iter(family.values())).arch
    base = "" if own == PRESETS["efficientnet-b0"] else " (yours has another base)"
    implied = scaling_search.implied_phis()
    return [
        f"\nEfficientNet by the formula with (1.2, 1.1, 1.15), as published, and your family{base}\n",
        reports.sides_table(scaling_search.side_by_side(family)),
        "\nThe phi that each published coefficient implies under (1.2, 1.1, 1.15)\n",
        reports.implied_table(implied),
        "\nHow your family's FLOPs grew: what the multiplier means -> what is left after rounding; in all, "
        "as meant and with layers rounded by either --rounding\n",
        reports.shares_table(
            scaling_search.rounding_shares(family, coefficients.gamma, late_depth=late_depth)
        ),
        "\nWhy the published models have their sizes\n",
        *map(scaling_search.why, implied),
    ]


def describe(scaling: Scaling) -> str:
    """What will be compared."""
    cost = f"{reports.count(scaling.base_flops)} FLOPs"
    if scaling.latencies:
        cost = f"latency of {reports.cost_text('latency', scaling.latency(scaling.arch))}"
    times = f"{scaling.grid.product**scaling.phi:.3g} times its {cost}"
    trainings = f"{len(scaling.candidates)} networks, {plural(scaling.seeds, 'training run')} each"
    if scaling.sweep:
        lines = plural(len({point.line for point in scaling.points}), "line")
        return f"Sweep of {lines} ({scaling.sweep}): {trainings}"
    if "compound" not in scaling.strategies or scaling.coefficients:
        return f"At {times}: {trainings}"
    triples = sum(map(len, scaling.classes.values()))
    return (
        f"Grid: {triples} triples are {len(scaling.classes)} networks; within "
        f"{percent(scaling.grid.flops_tolerance)} of {times}: {trainings}"
    )


def limit_line(scaling: Scaling) -> str | None:
    """That the family stops growing in resolution; None if there is no limit, or it is not reached."""
    known = scaling.settled or scaling.coefficients
    gamma = known.gamma if known else scaling.grid.gamma_max
    if scaling.largest is None or scaling.arch.resolution * gamma**scaling.last_phi <= scaling.largest:
        return None
    alone = known is not None and known.alpha * known.beta == 1
    return (
        f"No network has more than {scaling.largest} px (--max-resolution; by default what the images have)"
        + ("." if alone else ": beyond that, depth and width grow in place of the resolution.")
    )
