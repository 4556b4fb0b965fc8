"""What a person sees of a scaling run: the networks of the grid, the family, and the reasons."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

import reports
import scaling_search
from nas.config import read_settings
from nas.families import family_frame, read_family
from nas.run import Run
from nas.scaling import Scaling, compare
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


def verdict(compared: pd.DataFrame, scaling: Scaling) -> list[str]:
    """The choice in words: the triple, how far it can move, and who is as good."""
    chosen = compared[compared["chosen"]].iloc[0]
    triple = ", ".join(f"{name} {chosen[name]:.4g}" for name in ("alpha", "beta", "gamma"))
    lines = [f"Chosen (*): {triple}; {chosen['growth']:.2f} times the base's FLOPs at phi {scaling.phi:g}"]
    if "alpha_low" in chosen and chosen["alpha_high"] - chosen["alpha_low"] >= 0.01:
        lines.append(
            f"alpha from {chosen['alpha_low']:.2f} to {chosen['alpha_high']:.2f} is one network on this "
            "base, which no training can tell apart. Of its triples in the grid, the one whose product is "
            "nearest to 2 is taken."
        )
    others = int(compared["tied"].sum()) - 1
    if pd.isna(chosen["reward_error"]):
        lines.append("No network was trained twice, so nothing says how sure this choice is: see --seeds.")
    elif others:
        lines.append(
            f"{others} other{'s' * (others > 1)} of {len(compared)} (=) cannot be told apart from it at "
            f"{chosen['trainings']:.0f} trainings each (95 %); more --seeds would."
        )
    better = compared[(compared["reward"] > chosen["reward"]) & ~compared["tied"]]
    if len(better):
        lines.append(f"Better than it (95 %), by another strategy: {', '.join(better['strategy'])}.")
    elif not others and not pd.isna(chosen["reward_error"]):
        lines.append("It stands out from all others (95 %).")
    if scaling.strategies[0] == "compound" and not scaling.coefficients and len(scaling.strategies) > 1:
        lines.append(
            "The grid's best was chosen by these very accuracies, which flatters it against the other "
            "strategies: compare on fresh seeds with --coefficients "
            f"{chosen['alpha']},{chosen['beta']},{chosen['gamma']} --seed 1."
        )
    return lines


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
