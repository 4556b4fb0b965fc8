"""What a person sees of a run, over or in progress: the front, the choice, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console, RenderableType
from rich.text import Text

import reports
from nas.errors import command
from nas.runs.audit_results import findings, verdict
from nas.runs.kinds import summary
from nas.runs.run import Run
from nas.runs.search_results import UNMEASURED
from reports.numbers import count, memory, percent, plural, plus_minus
from reports.tables import MOST_NETWORKS

Parts = Sequence[RenderableType]
"""Tables, and lines of text."""


def print_parts(console: Console, parts: Parts) -> None:
    """Prints tables, and lines that only the terminal itself wraps."""
    for part in parts:
        console.print(Text(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))


def search_parts(run: Run, facts: dict[str, Any]) -> Parts:
    """The front of a search, and its facts in words."""
    again = f" ({facts['repeats']} were proposed before and not trained again)" if facts["repeats"] else ""
    noise = facts["seed_noise"] and reports.SeedNoise(**facts["seed_noise"])
    return [
        reports.front_table(run.pareto(), facts["best"]["trial"]),
        "",
        f"{facts['trials']} trials: {counts_text(facts['status'])}{again}",
        best_line(facts["best"]),
        *test_lines(facts["test"]),
        str(noise or UNMEASURED),
        *baseline_lines(facts["baseline"]),
        *speed_lines(facts["speed"]),
        f"Everything is in {facts['run']}; look at the best with: {command('show', facts['run'])}",
    ]


def search_so_far(run: Run) -> Parts:
    """The same while the search is in progress."""
    return [] if run.networks().empty else search_parts(run, summary(run))


def trial_sentence(state: dict[str, Any]) -> str:
    """The progress of the trials in words."""
    counts = counts_text(state["status"]) or "none yet"
    best = "" if state["best_reward"] is None else f"; best reward {state['best_reward']:.4f}"
    again = f"; {state['confirmations']} confirmations" if state["confirmations"] else ""
    long = f"; the longer schedule: {trial_sentence(state['long'])}" if "long" in state else ""
    return f"{state['trials']} trials: {counts}{best}, front {state['front']}{again}{long}"


def counts_text(status: dict[str, int]) -> str:
    """``20 done, 4 failed``."""
    return ", ".join(f"{number} {name}" for name, number in status.items())


def audit_parts(run: Run, _facts: dict[str, Any] | None = None) -> Parts:
    """The networks of an audit, and its verdict."""
    found = findings(run)
    more = len(found.table) - MOST_NETWORKS
    left = [f"{more} more are in {run.directory / 'audit.csv'}"] if more > 0 else []
    return [reports.audit_table(found.table), *left, "", *verdict(found)]


def audit_so_far(run: Run) -> Parts:
    """The same while the audit is in progress."""
    return [] if run.networks().empty else audit_parts(run)


def best_line(best: dict[str, Any]) -> str:
    """The choice, and how sure it is."""
    if best.get("p_best") is None:
        return f"Best (*, reward {best['reward']:.4f}): {best['arch']}"
    trainings = plural(best["trainings"], "training run")
    return (
        f"Best (*, expected reward {plus_minus(best['reward'], best['reward_error'])} from {trainings}; the "
        f"best of all with a probability of {percent(best['p_best'])}): {best['arch']}"
    )


def test_lines(found: dict[str, Any] | None) -> list[str]:
    """The choice on images that it was not chosen by."""
    if found is None:
        return []
    accuracy, runs = plus_minus(found["accuracy"], found["error"]), plural(found["trainings"], "training run")
    return [
        f"On {found['images']:,} test images, by which nothing was chosen, it has an accuracy of {accuracy} "
        f"({runs})."
    ]


def baseline_lines(baseline: dict[str, Any]) -> list[str]:
    """The search against random search, and how many random trials that rests on."""
    if baseline["random"] is None:
        return []
    trials, rests_on = baseline["trials"], baseline["rests_on"]
    line = (
        f"After {trials} trials the best reward is {baseline['best']:.4f}; random search is expected to have "
        f"{baseline['random']:.4f} by then, judging by {rests_on} random trials ({baseline['from']})."
    )
    if baseline["from"] != "all its trials" and trials > rests_on:
        line += " A sample this small cannot show more than its own best; --random RUN takes a larger one."
    return [line]


def speed_lines(speed: dict[str, Any] | None) -> list[str]:
    """How fast training ran, and how much memory it used."""
    if speed is None:
        return []
    rate, peak = speed["images_per_second"], speed["peak_memory"]
    said = [] if rate is None else [f"ran at {rate:,.0f} images/s (median)"]
    said += [] if peak is None else [f"used at most {memory(peak)} of memory"]
    return [f"Training {' and '.join(said)}."]


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
        f"\nBy another objective: {objective_text(objective)}; nothing is trained again\n",
        reports.ranking_table(pd.DataFrame(rows), objective["cost"], before["trial"]),
        "",
        choice,
        chosen["arch"],
    ]


def comparison_parts(compared: pd.DataFrame, common: dict[str, Any]) -> Parts:
    """Runs side by side; see ``nas.runs.search_results.comparison``."""
    objective, reference = common["objective"], common["reference"]
    under = f"Rewards are {objective_text(objective)}"
    if common["others_differ"]:
        under += f", the objective of {compared['run'].iloc[0]}; the others searched under another one"
    return [
        reports.comparison_table(compared, objective["cost"]),
        "",
        f"{under}. Reward after N: the highest of the first N trials.",
        "Hypervolume: the best accuracy to be had, averaged over all budgets up to "
        f"{count(reference['flops'])} FLOPs.",
    ]


def objective_text(objective: dict[str, Any]) -> str:
    """``soft, 300M FLOPs, exponent -0.07``."""
    cost = "FLOPs" if objective["cost"] == "flops" else objective["cost"]
    return (
        f"{objective['kind']}, {count(objective['target_flops'])} {cost}, exponent {objective['exponent']:g}"
    )
