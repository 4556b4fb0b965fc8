"""What a person sees of a run that is over, or in progress: the front, the choice, how far to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console, RenderableType
from rich.text import Text

import reports
from nas.runs.audit_results import findings, verdict
from nas.runs.kinds import summary
from nas.runs.run import Run
from reports.numbers import count, memory, percent, plural, plus_minus
from reports.tables import MOST_NETWORKS

Parts = Sequence[RenderableType]
"""Tables, and lines of text."""


def print_parts(console: Console, parts: Parts) -> None:
    """Prints tables as they are, and lines wrapped only by the terminal itself."""
    for part in parts:
        console.print(Text(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))


def search_parts(run: Run, facts: dict[str, Any]) -> Parts:
    """The front of a search, and its facts in words."""
    return [reports.front_table(run.pareto(), facts["best"]["trial"]), "", *search_lines(facts)]


def search_so_far(run: Run) -> Parts:
    """The same while the search goes on."""
    return [] if run.networks().empty else search_parts(run, summary(run))


def trial_sentence(state: dict[str, Any]) -> str:
    """Where the trials stand, in words."""
    counts = ", ".join(f"{number} {status}" for status, number in state["status"].items()) or "none yet"
    best = "" if state["best_reward"] is None else f"; best reward {state['best_reward']:.4f}"
    again = f"; {state['confirmations']} confirmations" if state["confirmations"] else ""
    long = f"; the longer schedule: {trial_sentence(state['long'])}" if "long" in state else ""
    return f"{state['trials']} trials: {counts}{best}, front {state['front']}{again}{long}"


def audit_parts(run: Run, _facts: dict[str, Any] | None = None) -> Parts:
    """The networks of an audit, and its verdict."""
    found = findings(run)
    more = len(found.table) - MOST_NETWORKS
    left = [f"{more} more are in {run.directory / 'audit.csv'}"] if more > 0 else []
    return [reports.audit_table(found.table), *left, "", *verdict(found)]


def audit_so_far(run: Run) -> Parts:
    """The same while the audit goes on."""
    return [] if run.networks().empty else audit_parts(run)


def search_lines(facts: dict[str, Any]) -> list[str]:
    """``search_facts`` in words."""
    counts = ", ".join(f"{number} {status}" for status, number in facts["status"].items())
    again = f" ({facts['repeats']} were proposed before and not trained again)" if facts["repeats"] else ""
    noise = facts["seed_noise"] and reports.SeedNoise(**facts["seed_noise"])
    return [
        f"{facts['trials']} trials: {counts}{again}",
        best_line(facts["best"]),
        str(noise or "Seed noise was not measured: no network was trained on a second seed."),
        *baseline_lines(facts["baseline"]),
        *speed_lines(facts["speed"]),
        f"Everything is in {facts['run']}; look at the best with: nas show {facts['run']}",
    ]


def best_line(best: dict[str, Any]) -> str:
    """The choice, and how sure it is."""
    if best.get("p_best") is None:
        return f"Best (*, reward {best['reward']:.4f}): {best['arch']}"
    trainings = plural(best["trainings"], "training")
    return (
        f"Best (*, expected reward {plus_minus(best['reward'], best['reward_error'])} from {trainings}; the "
        f"best of all with a probability of {percent(best['p_best'])}): {best['arch']}"
    )


def baseline_lines(baseline: dict[str, Any]) -> list[str]:
    """Better than random? With how many trials that rests on."""
    if baseline["random"] is None:
        return []
    trials, rests_on = baseline["trials"], baseline["rests_on"]
    line = (
        f"After {trials} trials the best reward is {baseline['best']:.4f}; random search is expected to have "
        f"{baseline['random']:.4f} by then, judging by {rests_on} random trials ({baseline['from']})."
    )
    if baseline["from"] != "all its trials" and trials > rests_on:
        line += " So few show no more than their own best; --random RUN takes more."
    return [line]


def speed_lines(speed: dict[str, Any] | None) -> list[str]:
    """How fast trainings ran, and how much memory they took."""
    if speed is None:
        return []
    rate, peak = speed["images_per_second"], speed["peak_memory"]
    said = [f"ran at {rate:,.0f} images/s (median)"] * (rate is not None)
    said += [f"had {memory(peak)} of memory at most"] * (peak is not None)
    return [f"Trainings {' and '.join(said)}."]


def ranking_parts(ranked: dict[str, Any]) -> Parts:
    """The best networks under another objective, and the old choice."""
    objective, before = ranked["objective"], ranked["before"]
    rows = ranked["best"] + ([] if before in ranked["best"] else [before])
    chosen = ranked["best"][0]
    choice = (
        "The choice is the same (*)."
        if chosen["trial"] == before["trial"]
        else f"It would choose trial {chosen['trial']} with a reward of {chosen['reward']:.4f}; the choice "
        f"of the search (*), trial {before['trial']}, has {before['reward']:.4f}, rank {before['rank']}."
    )
    return [
        f"\nBy another objective: {objective['kind']}, {count(objective['target_flops'])} "
        f"{_cost_name(objective['cost'])}, exponent {objective['exponent']:g}; nothing is trained again\n",
        reports.ranking_table(pd.DataFrame(rows), objective["cost"], before["trial"]),
        "",
        choice,
        chosen["arch"],
    ]


def comparison_parts(compared: pd.DataFrame, common: dict[str, Any]) -> Parts:
    """Runs side by side, see ``comparison``."""
    objective, reference = common["objective"], common["reference"]
    under = (
        f"Rewards are {objective['kind']}, {count(objective['target_flops'])} "
        f"{_cost_name(objective['cost'])}, exponent {objective['exponent']:g}"
    )
    if common["others_differ"]:
        under += f", the objective of {compared['run'].iloc[0]}; the others searched under another one"
    return [
        reports.comparison_table(compared, objective["cost"]),
        "",
        f"{under}. Reward after N: the highest of the first N trials.",
        "Hypervolume: the best accuracy to be had, averaged over all budgets up to "
        f"{count(reference['flops'])} FLOPs.",
    ]


def _cost_name(cost: str) -> str:
    return {"flops": "FLOPs"}.get(cost, cost)
