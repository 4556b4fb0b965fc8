"""What a sweep found: accuracy along each line, where it saturates, and what larger networks would reach."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import reports
from nas.errors import RunError, command_line
from nas.files import write_csv
from nas.runs.next_steps import Steps, unfinished_steps
from nas.runs.run import Run
from nas.runs.scaling_results import scaling_of
from nas.runs.search_results import trial_facts, trial_state
from nas.runs.search_words import nothing_yet, so_far
from nas.spec.recipe import Recipe
from nas.spec.scaling import Scaling
from nas.spec.targets import COSTS
from reports.numbers import growth, plural, plus_minus, points
from reports.page import Page, SweepRun
from scaling_search import PowerLaw, fit_power_law
from scaling_search.power_law import FURTHEST, USUAL_NOISE
from scaling_search.sweep import DIMENSIONS
from search_spaces import PRESETS

MEASURED = [*COSTS, "trainings", "accuracy", "accuracy_error"]
NEAR = 1.25
"""Networks whose FLOPs differ by less than this factor are compared as equally expensive."""
LEAST = 2
"""Networks of a line from which larger ones are predicted."""


@dataclass(frozen=True)
class Swept:
    """What a sweep found so far.

    Args:
        table: a row per network of each line, as FLOPs rise: ``line``, the factors ``depth``, ``width``,
            ``resolution``, ``px``, ``growth`` of FLOPs over the base, ``trained_growth`` under the proxy,
            costs, ``trainings``, ``accuracy`` with its standard error ``accuracy_error``, of which
            ``seed_error`` is the part of seeds, and ``arch``.
        forecast: a row per line and ``growth``: ``accuracy`` and the ends of the 90 % band, ``low`` and
            ``high``; ``measured`` where the line's largest network is predicted from the others.
        laws: of each line that has enough networks.
    """

    table: pd.DataFrame
    forecast: pd.DataFrame
    laws: dict[str, PowerLaw]


def swept(run: Run) -> Swept:
    """What the sweep found so far; RunError if no network was trained."""
    return run.once("swept", lambda: _swept(run))


def _swept(run: Run) -> Swept:
    table = swept_table(run.trials(), scaling_of(run.settings), run.settings.recipe)
    laws, rows = {}, []
    for name, line in table.groupby("line", sort=False):
        if len(line) < LEAST:
            continue
        laws[str(name)] = law = _law(line)
        largest = line.iloc[-1]
        if len(line) > LEAST and largest["growth"] <= FURTHEST * line["growth"].iloc[-2]:
            rows.append(_predicted(str(name), _law(line.iloc[:-1]), largest["growth"], largest))
        rows += [_predicted(str(name), law, times * largest["growth"]) for times in (2.0, FURTHEST)]
    forecast = pd.DataFrame(rows, columns=["line", "growth", "accuracy", "low", "high", "measured"])
    return Swept(reports.widened(table, run.judges), forecast, laws)


def swept_table(trials: pd.DataFrame, scaling: Scaling, proxy: Recipe) -> pd.DataFrame:
    """``Swept.table``, whose errors are still those of seeds alone; RunError if no network was trained."""
    means = reports.network_means(trials).set_index("arch")
    trained = scaling.trained_growth(proxy)
    rows = []
    for point in scaling.points:
        text = str(point.arch)
        if text not in means.index:
            continue
        measured = means.loc[text]
        rows.append(
            {
                "line": point.line,
                **dict(zip(DIMENSIONS, dataclasses.astuple(point.factors), strict=True)),
                "px": point.arch.resolution,
                "growth": measured["flops"] / scaling.base_flops,
                "trained_growth": trained[text],
                **measured[MEASURED],
                "seed_error": measured["accuracy_error"],
                "arch": text,
            }
        )
    if not rows:
        raise RunError("no network of the sweep could be trained")
    table = pd.DataFrame(rows)
    names = table["line"].map({name: number for number, name in enumerate(table["line"].unique())})
    order = np.lexsort([table["growth"], names])
    return table.iloc[order].reset_index(drop=True)


def _law(line: pd.DataFrame) -> PowerLaw:
    """The power law of a line's networks."""
    return fit_power_law(*(line[name].to_numpy(float) for name in ("growth", "accuracy", "seed_error")))


def _predicted(
    name: str, law: PowerLaw, ratio: float, measured: pd.Series[Any] | None = None
) -> dict[str, Any]:
    """A row of ``Swept.forecast``; the band of a measured accuracy includes the error of its seeds."""
    error = 0.0 if measured is None else float(np.nan_to_num(measured["seed_error"], nan=USUAL_NOISE))
    middle, low, high = law.band(ratio, error=error)
    known = np.nan if measured is None else measured["accuracy"]
    return {"line": name, "growth": ratio, "accuracy": middle, "low": low, "high": high, "measured": known}


def sweep_lines(found: Swept) -> list[str]:
    """The findings in words; the first line is the verdict."""
    table = found.table
    best = table.iloc[int(table["accuracy"].argmax())]
    reached = plus_minus(best["accuracy"], best["accuracy_error"])
    most = f"The most accurate is {best['line']} at {growth(best['growth'])} the base's FLOPs: {reached}."
    lines = [line for line in (_equal_compute(table), most) if line]
    for name, line in table.groupby("line", sort=False):
        if len(line) > 1:
            lines.append(_saturation(str(name), line, table))
    if table["seed_error"].isna().all():
        lines.append("No network was trained twice, so nothing says how sure this is: see --seeds.")
    return [*lines, *_checks(found.forecast)]


def _equal_compute(table: pd.DataFrame) -> str | None:
    """Which line is best at the largest growth that all of them reach; None if only one comes near it."""
    lines = table[table["line"] != "base"]
    if lines.empty:
        return None
    shared = float(lines.groupby("line")["growth"].max().min())
    lines = lines.assign(away=np.abs(np.log(lines["growth"] / shared)))
    near = lines[(lines["away"] < math.log(NEAR)) & (lines["growth"] > NEAR)]
    near = near.sort_values("away").drop_duplicates("line").sort_values("accuracy", ascending=False)
    if len(near) < 2:
        return None
    best, apart = near.iloc[0], _told_apart(table, near.iloc[0]["arch"])
    others = [f"{_difference(best, row)} above {row['line']}" for _, row in near.iloc[1:].iterrows()]
    line = f"At about {shared:.2g}x the FLOPs {best['line']} is best: {', '.join(others)}"
    tied = [row["line"] for _, row in near.iloc[1:].iterrows() if row["arch"] not in apart]
    if tied and not math.isnan(best["seed_error"]):
        line += f"; {' and '.join(tied)} cannot be told apart from it (95 %)"
    return f"{line}."


def _saturation(name: str, line: pd.DataFrame, table: pd.DataFrame) -> str:
    """What a line gains in all, and whether its last step still adds anything."""
    first, before, last = line.iloc[0], line.iloc[-2], line.iloc[-1]
    ends = f"from {growth(first['growth'])} to {growth(last['growth'])} the FLOPs"
    whole = f"{name}: {_difference(last, first)} {ends}"
    if len(line) == 2:
        return f"{whole}."
    step = f"the last step, from {growth(before['growth'])}, adds {_difference(last, before)}"
    if math.isnan(last["seed_error"]) or last["arch"] in _told_apart(table, before["arch"]):
        return f"{whole}; {step}."
    return f"{whole}; {step}, which cannot be told from nothing (95 %)."


def _checks(forecast: pd.DataFrame) -> list[str]:
    """How often a line's largest network was predicted from the others."""
    known = forecast.dropna(subset=["measured"])
    if known.empty:
        return []
    held = int(known["measured"].between(known["low"], known["high"]).sum())
    return [
        f"Predicted from the smaller networks of its line, the largest lay within its 90 % band in {held} of "
        f"{plural(len(known), 'line')}. No prediction goes further than {FURTHEST:g} times what was trained."
    ]


def _difference(one: pd.Series[Any], other: pd.Series[Any]) -> str:
    """In percentage points, with the error of seeds: both are judged by the same images."""
    gained = one["accuracy"] - other["accuracy"]
    error = math.hypot(one["seed_error"], other["seed_error"])
    return f"{100 * gained:.1f} points" if math.isnan(error) else points(gained, error)


def _told_apart(table: pd.DataFrame, arch: str) -> set[str]:
    """The networks that differ from ``arch`` by more than chance (95 %)."""
    networks = table.drop_duplicates("arch", ignore_index=True)
    networks = networks.assign(reward=networks["accuracy"], reward_error=networks["seed_error"])
    row = int(np.flatnonzero(networks["arch"] == arch)[0])
    return set(networks["arch"][~reports.not_told_apart(networks, row)])


def sweep_verdict(run: Run) -> str:
    """The first of ``sweep_lines``; or that nothing can be said yet."""
    try:
        line = sweep_lines(swept(run))[0]
    except RunError:
        return nothing_yet(run)
    early = so_far(run)
    return f"{early}{line[0].lower()}{line[1:]}" if early else line


def sweep_facts(run: Run, _random: Run | None) -> dict[str, Any]:
    """``trial_facts``, ``sweep.csv`` and ``forecast.csv``."""
    found = swept(run)
    return {
        **trial_facts(run),
        "sweep": reports.plain(found.table),
        "forecast": reports.plain(found.forecast),
    }


def write_sweep(run: Run) -> None:
    """Writes ``pareto.csv``, ``sweep.csv`` and ``forecast.csv``."""
    run.write_pareto()
    found = swept(run)
    write_csv(run.directory / "sweep.csv", found.table)
    write_csv(run.directory / "forecast.csv", found.forecast)


def sweep_next(run: Run) -> Steps:
    """What to do next after a sweep."""
    if not trial_state(run)["over"]:
        return unfinished_steps(run)
    settings, base = run.settings, scaling_of(run.settings).base
    known = next((name for name, arch in PRESETS.items() if str(arch) == base), base)
    asked = ["--phi", 1, "--base", known, *["--data", settings.data] * (settings.data != "digits")]
    asked += ["--init", settings.init.source] if settings.init else []
    return [("Find how depth, width and resolution share compute", command_line("scale", *asked))]


def sweep_page(page: Page, run: Run, _random: Run | None) -> Page:
    """The page with the lines and their curves, once there are any."""
    page = dataclasses.replace(page, noise=str(run.seed_noise() or ""))
    try:
        found = swept(run)
    except RunError:
        return page
    lines = tuple(sweep_lines(found)[1:])
    return dataclasses.replace(page, sweep=SweepRun(found.table, curves(found), found.forecast, lines))


def curves(found: Swept) -> pd.DataFrame:
    """Each line's law and 90 % band, to ``FURTHEST`` times its largest network: as ``Swept.forecast``."""
    rows = [
        _predicted(name, law, float(ratio))
        for name, law in found.laws.items()
        for ratio in np.geomspace(law.smallest, FURTHEST * law.largest, 25)
    ]
    return pd.DataFrame(rows, columns=["line", "growth", "accuracy", "low", "high"])
