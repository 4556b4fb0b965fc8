"""What a scaling run found: the comparison of its candidates, the choice, and the family."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

import reports
from nas.errors import RunError
from nas.files import write_csv
from nas.runs.baselines import baseline_lines
from nas.runs.baselines import compared as compared_with
from nas.runs.family_files import coefficients_line, family_frame, keep_latencies, read_family, write_family
from nas.runs.next_steps import Steps, family_steps, unfinished_steps
from nas.runs.run import Run
from nas.runs.scaling_check import check_lines
from nas.runs.scaling_direction import Direction, direction_lines, find_direction
from nas.runs.search_results import trial_facts
from nas.runs.search_words import nothing_yet, so_far
from nas.spec.recipe import Recipe
from nas.spec.scaling import Scaling
from nas.spec.settings import Settings
from nas.spec.targets import COSTS
from reports.numbers import factor, growth, plural, plus_minus
from reports.page import Page, ScalingRun
from scaling_search import Coefficients, one_network, published
from search_spaces import ArchSpec, canonical, cost

REFINED = "refined"
"""The subdirectory of the run that has the search around the scaled network."""
MEASURED = [*COSTS, "trainings", "accuracy", "accuracy_error", "reward", "reward_error"]


def compare(
    trials: pd.DataFrame, scaling: Scaling, proxy: Recipe, judges: int = 0, found: Direction | None = None
) -> pd.DataFrame:
    """The candidates that were trained, the best mean reward first.

    Args:
        judges: validation images, whose part in the errors is added when ties have been found: all
            candidates are judged by the same.
        found: the direction; None chooses the best mean reward.

    Returns:
        one row per network: ``arch``, ``strategy``, the triple ``alpha``, ``beta``, ``gamma``, the ``*_low``
        and ``*_high`` between which it gives this same network, ``growth`` of FLOPs over the base,
        ``trained_growth`` under the proxy, costs, ``trainings``, mean ``accuracy`` and ``reward`` with
        standard errors, ``chosen`` (the best of the first strategy, or the nearest to ``found``), and
        ``tied``: indistinguishable from it.

    Raises:
        RunError: if no candidate of the first strategy was trained.
    """
    means = reports.network_means(trials).set_index("arch")
    trained = scaling.trained_growth(proxy)
    rows = []
    for candidate in scaling.candidates:
        text = str(candidate.arch)
        if text not in means.index:
            continue
        measured, triple = means.loc[text], candidate.triples[0]
        rows.append(
            {
                "strategy": candidate.strategy,
                **dataclasses.asdict(triple),
                **_intervals(scaling, candidate.arch, triple),
                **_latency_columns(scaling, candidate.arch),
                "growth": measured["flops"] / scaling.base_flops,
                "trained_growth": trained[text],
                "resolution": candidate.arch.resolution,
                **measured[MEASURED],
                "arch": text,
            }
        )
    frame = pd.DataFrame(rows)
    first = [scaling.strategies[0] in row["strategy"].split(", ") for row in rows]
    if not any(first):
        raise RunError(f"no network of the strategy {scaling.strategies[0]} could be trained")
    best = int(np.argmax(np.where(first, frame["reward"], -np.inf)))
    chosen = found.nearest(frame["arch"]) if found else best
    frame = frame.assign(chosen=frame.index == chosen, tied=reports.not_told_apart(frame, chosen))
    frame = reports.widened(frame, judges)
    return frame.sort_values("reward", ascending=False, ignore_index=True)


def _latency_columns(scaling: Scaling, arch: ArchSpec) -> dict[str, float]:
    """``latency`` and ``latency_growth`` over the base's; nothing where networks have equal FLOPs."""
    if not scaling.latencies:
        return {}
    own = scaling.latency(arch)
    return {"latency": own, "latency_growth": own / scaling.latency(scaling.arch)}


def verdict(compared: pd.DataFrame, scaling: Scaling, found: Direction | None = None) -> list[str]:
    """The choice in words: the coefficients, how sure they are, and what cannot be told apart."""
    chosen = compared[compared["chosen"]].iloc[0]
    lines = direction_lines(found) if found else _choice_lines(chosen, scaling)
    others = int(compared["tied"].sum()) - 1
    if pd.isna(chosen["reward_error"]):
        lines.append("No network was trained twice, so nothing says how sure this choice is: see --seeds.")
    elif others:
        which = "the nearest of the grid (*)" if found else "it"
        lines.append(
            f"{plural(others, 'other')} of {len(compared)} (=) cannot be told apart from {which} at "
            f"{chosen['trainings']:.0f} training runs each (95 %); more --seeds would."
        )
    better = compared[(compared["reward"] > chosen["reward"]) & ~compared["tied"]]
    if found:
        better = better[~better["strategy"].str.contains("compound")]
    if len(better):
        lines.append(f"Better than it (95 %), by another strategy: {', '.join(better['strategy'])}.")
    elif not found and not others and not pd.isna(chosen["reward_error"]):
        lines.append("It stands out from all others (95 %).")
    if scaling.strategies[0] == "compound" and not scaling.coefficients and len(scaling.strategies) > 1:
        own = found.coefficients if found else Coefficients(*chosen[["alpha", "beta", "gamma"]])
        lines.append(
            "It was chosen by these very accuracies, which flatters it against the other strategies: compare "
            f"on fresh seeds with --coefficients {own.alpha:g},{own.beta:g},{own.gamma:g} --seed 1."
        )
    return lines


def _choice_lines(chosen: pd.Series[Any], scaling: Scaling) -> list[str]:
    """The network with the best mean."""
    triple = ", ".join(f"{name} {factor(chosen[name])}" for name in ("alpha", "beta", "gamma"))
    accuracy = plus_minus(chosen["accuracy"], chosen["accuracy_error"])
    slower = ""
    if "latency_growth" in chosen:
        slower = f"{growth(chosen['latency_growth'])} the base's latency and "
    lines = [
        f"Chosen (*): {triple}; {slower}{growth(chosen['growth'])} the base's FLOPs at phi {scaling.phi:g}, "
        f"accuracy {accuracy}."
    ]
    if "alpha_low" in chosen and chosen["alpha_high"] - chosen["alpha_low"] >= 0.01:
        lines.append(
            f"alpha from {chosen['alpha_low']:.2f} to {chosen['alpha_high']:.2f} is one network on this "
            "base, which no training can tell apart. Of its triples in the grid, the one whose product is "
            "nearest to 2 is taken."
        )
    return lines


def scaling_verdict(run: Run) -> str:
    """The choice in one sentence; or that nothing can be said yet."""
    try:
        line = compared_run(run)[1][0]
    except RunError:
        return nothing_yet(run)
    early = so_far(run)
    return f"{early}{line[0].lower()}{line[1:]}" if early else line


def scaling_next(run: Run) -> Steps:
    """What to do next after a scaling run."""
    if (run.directory / "family.json").is_file():
        return family_steps(run.directory)
    return unfinished_steps(run)


def compared_run(run: Run) -> tuple[pd.DataFrame, list[str], Coefficients]:
    """``compare`` and ``verdict`` for the trials of ``run``, and the coefficients; errors as ``compare``."""
    return run.once("compared", lambda: _compared_run(run))


def _compared_run(run: Run) -> tuple[pd.DataFrame, list[str], Coefficients]:
    trials, settings = run.trials(), run.settings
    scaling, found = scaling_of(settings), find_direction(trials, settings)
    compared = compare(trials, scaling, settings.recipe, run.judges, found)
    chosen = compared[compared["chosen"]].iloc[0]
    own = Coefficients(chosen["alpha"], chosen["beta"], chosen["gamma"])
    lines = [*verdict(compared, scaling, found), *check_lines(run, found), *refined_lines(run)]
    return compared, lines, found.coefficients if found else own


def refined_lines(run: Run) -> list[str]:
    """What a search around the scaled network found, in words; empty without one, or before it is over."""
    directory = run.directory / REFINED
    if not (directory / "best.json").is_file():
        return []
    found = baseline_lines(compared_with(Run(directory)))
    return [f"Refined: {line[0].lower()}{line[1:]}" for line in found]


def scaling_of(settings: Settings) -> Scaling:
    """What a scaling run was asked to do."""
    assert settings.scaling is not None
    return settings.scaling


def scaling_facts(run: Run, _random: Run | None) -> dict[str, Any]:
    """``trial_facts``, and ``grid.csv``."""
    return {**trial_facts(run), "grid": reports.plain(compared_run(run)[0])}


def write_family_of_best(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """Writes ``grid.csv`` and the family by the chosen coefficients; returns the chosen network."""
    (compared, _, coefficients), networks = compared_run(run), run.networks()
    write_csv(run.directory / "grid.csv", compared)
    chosen = compared[compared["chosen"]].iloc[0]
    family = keep_latencies(run.directory, scaling_of(run.settings).family(coefficients))
    write_family(run.directory, family, coefficients)
    return networks[networks["arch"] == chosen["arch"]].to_dict("records")[0], {}


def scaling_page(page: Page, run: Run, _random: Run | None) -> Page:
    """The page with the candidates and the family, once there are any."""
    page = dataclasses.replace(page, noise=str(run.seed_noise() or ""))
    try:
        compared, lines, _ = compared_run(run)
    except RunError:
        return page
    scaling = scaling_of(run.settings)
    family, coefficients = None, ""
    if (run.directory / "family.json").is_file():
        models, triple = read_family(run.directory / "family.json")
        family = family_frame(models)
        coefficients = coefficients_line(triple)
    latency = bool(scaling.latencies)
    target = (
        scaling.target_latency / scaling.latency(scaling.arch)
        if latency
        else scaling.target_flops / scaling.base_flops
    )
    tolerance = scaling.grid.flops_tolerance
    found = ScalingRun(
        compared=compared,
        phi=scaling.phi,
        grid=_grid(scaling) if "compound" in scaling.strategies and not scaling.coefficients else None,
        band=(target * (1 - tolerance), target * (1 + tolerance)),
        cost="latency" if latency else "FLOPs",
        family=family,
        published=family_frame(published()),
        coefficients=coefficients,
        verdict=tuple(line.replace(" (=)", "") for line in lines[1:]),
    )
    return dataclasses.replace(page, scaling=found)


def _intervals(scaling: Scaling, arch: ArchSpec, triple: Coefficients) -> dict[str, float]:
    """``alpha_low`` to ``gamma_high``; empty for a network that was adjusted to meet the target FLOPs."""
    if canonical(scaling.scaled(triple)) != arch:
        return {}
    same = one_network(scaling.arch, triple, scaling.phi, **scaling.how)
    intervals: dict[str, float] = {}
    for name, (low, high) in same.items():
        intervals |= {f"{name}_low": low, f"{name}_high": high}
    return intervals


def _grid(scaling: Scaling) -> pd.DataFrame:
    """Every network of the grid: its first triple, the growth of its cost, and whether it was compared."""
    kept = scaling.within

    def grown(arch: ArchSpec) -> float:
        if scaling.latencies:
            return scaling.latency(arch) / scaling.latency(scaling.arch)
        return cost(arch, scaling.num_classes).flops / scaling.base_flops

    rows = [
        {
            **dataclasses.asdict(triples[0]),
            "growth": grown(arch),
            "compared": arch in kept,
        }
        for arch, triples in scaling.classes.items()
    ]
    return pd.DataFrame(rows)
