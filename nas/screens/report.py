"""What a person sees of a run, over or in progress: the front, the facts, and how far to trust them.

The verdict above and the next commands below come from ``nas.runs.kinds``, see ``nas.screens.views``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import reports
from nas.errors import command
from nas.runs.audit_results import findings, verdict
from nas.runs.proxy import measured
from nas.runs.run import Run
from nas.runs.search_results import UNMEASURED
from nas.screens.words import Parts, Steps
from nas.spec.objective import PARETO
from reports.numbers import HIGHEST, cost_text, cost_title, count, listing, memory, plural, plus_minus
from reports.page.points import evenly
from reports.tables import MOST_NETWORKS, STAGES_LEGEND, has_stages

MOST_ROWS = 40
"""Networks of the front on the screen, below the verdict; ``pareto.csv`` has all."""


def shown_front(front: pd.DataFrame, best: int) -> pd.DataFrame:
    """At most ``MOST_ROWS`` networks of the front, evenly spread, with the trial ``best`` if it is there."""
    if len(front) <= MOST_ROWS:
        return front
    spread = evenly(len(front), MOST_ROWS - 1)
    chosen = np.union1d(spread, np.flatnonzero(front["trial"] == best))
    return front.iloc[chosen]


def search_parts(run: Run, facts: dict[str, Any]) -> Parts:
    """The front of a search, and its facts in words."""
    were = "was" if facts["repeats"] == 1 else "were"
    again = f" ({facts['repeats']} {were} proposed before and not trained again)" if facts["repeats"] else ""
    noise, front = facts["seed_noise"] and reports.SeedNoise(**facts["seed_noise"]), run.pareto()
    shown = shown_front(front, facts["best"]["trial"])
    hidden = len(front) - len(shown)
    return [
        reports.front_table(
            *(shown, facts["best"]["trial"], run.settings.objective.target_flops),
            known=known_networks(facts),
            measured=measured(run.settings),
            costs=run.costs,
            maximize=run.maximized,
            rewarded=not run.settings.objective.seeks_front,
        ),
        *([f"{plural(hidden, 'network')} in between: pareto.csv has all of the front."] * (hidden > 0)),
        *([STAGES_LEGEND] if has_stages(front) else []),
        "",
        f"{plural(facts['trials'], 'trial')}: {counts_text(facts['status'])}{again}",
        str(noise or UNMEASURED),
        *random_lines(facts["baseline"], rewarded=not run.settings.objective.seeks_front),
        *speed_lines(facts["speed"]),
        f"Everything is in {facts['run']}; report.html there is the report as a page.",
    ]


def known_networks(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The networks that the choice is compared with."""
    return list(facts.get("baselines", {}).get("networks", []))


def trial_sentence(state: dict[str, Any], name: str = "best reward") -> str:
    """The progress of the trials in words; ``name`` says what their rewards are."""
    counts = counts_text(state["status"]) or "none yet"
    name = HIGHEST if state.get("seeks_front") else name
    best = "" if state["best_reward"] is None else f"; {name} {state['best_reward']:.4f}"
    again = f"; {state['confirmations']} confirmations" if state["confirmations"] else ""
    parts = {"long": "the longer schedule", "check": "the check"}
    more = [f"; {title}: {trial_sentence(state[key], name)}" for key, title in parts.items() if key in state]
    return f"{state['trials']} trials: {counts}{best}, front {state['front']}{again}{''.join(more)}"


def audit_sentence(state: dict[str, Any]) -> str:
    """The progress of an audit in words: its rewards are accuracies."""
    return trial_sentence(state, "best accuracy")


def counts_text(status: dict[str, int]) -> str:
    """``20 done, 4 failed``."""
    return ", ".join(f"{number} {name}" for name, number in status.items())


def audit_parts(run: Run, _facts: dict[str, Any]) -> Parts:
    """The networks of an audit, and its verdict."""
    found = findings(run)
    more = len(found.table) - MOST_NETWORKS
    left = [f"{more} more are in {run.directory / 'audit.csv'}"] if more > 0 else []
    return [reports.audit_table(found.table, measured(run.settings)), *left, "", *verdict(found)[:-1]]


def random_lines(baseline: dict[str, Any], *, rewarded: bool = True) -> list[str]:
    """The search against random search, and how many random trials that rests on.

    If not ``rewarded``, accuracies are compared.
    """
    if baseline["random"] is None:
        return []
    trials, rests_on = baseline["trials"], baseline["rests_on"]
    name = "best reward" if rewarded else HIGHEST
    line = (
        f"After {plural(trials, 'trial')} the {name} of a single trial is {baseline['best']:.4f}; "
        f"random search is expected to have {baseline['random']:.4f} by then, judging by "
        f"{plural(rests_on, 'random trial')} ({baseline['from']})."
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


def within_verdict(network: dict[str, Any]) -> str:
    """The most accurate network within budgets, in one sentence."""
    larger = network.get("maximize", ())
    budgets = " and ".join(
        f"{cost_title(name)} {'of at least ' * (name in larger)}{cost_text(name, value)}"
        for name, value in network["budgets"].items()
    )
    names = [name for name in dict.fromkeys([*network["budgets"], "flops"]) if network[name] is not None]
    costs = ", ".join(f"{cost_title(name)} {cost_text(name, network[name])}" for name in names)
    accuracy = plus_minus(network["accuracy"], network.get("accuracy_error"))
    return f"Within {budgets} the most accurate is trial {network['trial']}: {accuracy}, {costs}."


def ranking_verdict(ranked: dict[str, Any]) -> str:
    """What another objective would choose, in one sentence."""
    chosen, before = ranked["best"][0], ranked["before"]
    by = f"Another objective ({objective_text(ranked['objective'])}): "
    if chosen["trial"] == before["trial"]:
        return f"{by}The choice is the same (*), trial {chosen['trial']}, reward {chosen['reward']:.4f}."
    return (
        f"{by}It would choose trial {chosen['trial']} with a reward of {chosen['reward']:.4f}; the choice of "
        f"the search (*), trial {before['trial']}, has {before['reward']:.4f}, rank {before['rank']}."
    )


def ranking_parts(ranked: dict[str, Any], name: str) -> Parts:
    """The best networks under another objective, and the old choice; ``name`` says what accuracies are."""
    objective, before = ranked["objective"], ranked["before"]
    rows = ranked["best"] + ([] if before in ranked["best"] else [before])
    return [
        f"The best networks by {objective_text(objective)}; nothing is trained again:",
        reports.ranking_table(pd.DataFrame(rows), ranked_costs(objective), before["trial"], name),
    ]


def comparison_parts(compared: pd.DataFrame, common: dict[str, Any]) -> Parts:
    """Runs side by side; see ``nas.runs.comparison.comparison``."""
    objective, reference = common["objective"], common["reference"]
    under = f"{'' if objective['kind'] == PARETO else 'Rewards are '}{objective_text(objective)}"
    under = under[0].upper() + under[1:]
    if common["others_differ"]:
        under += f", the objective of {compared['run'].iloc[0]}; the others searched under another one"
    best = compared.iloc[int(compared["reward"].to_numpy().argmax())]
    name, rewarded = common["reward"], common["reward"] != HIGHEST
    largest = objective.get("maximize", ())
    costs = [cost for cost in reference if cost != "accuracy"]
    what = " times ".join(["accuracy", *(cost_title(cost) for cost in costs if cost in largest)])
    budgets = " and ".join(
        f"{count(reference[cost])} FLOPs"
        if cost == "flops"
        else f"{cost_title(cost)} {cost_text(cost, reference[cost])}"
        for cost in costs
        if cost not in largest
    )
    averaged = f", averaged over all budgets up to {budgets}" if budgets else ""
    shown = list(dict.fromkeys([*ranked_costs(objective), *costs]))
    return [
        f"The {'highest ' * rewarded}{name} is {best['reward']:.4f}, of {best['run']}"
        f"{', but these runs do not compare:' if common['warnings'] else '.'}",
        *common["warnings"],
        reports.comparison_table(compared, shown, common["reward"]),
        "",
        f"{under}. {'Best reward' if rewarded else 'Highest accuracy'} after N: of a single training run "
        "among the first N trials.",
        f"Hypervolume: the best {what} to be had{averaged}."
        if costs
        else "There is no hypervolume: no cost is known of the networks of all these runs.",
        "",
        Steps([("Look closer", command("report", best["run"]))]),
    ]


def ranked_costs(objective: dict[str, Any]) -> list[str]:
    """The names of the costs that an objective counts."""
    first = [] if objective["target_flops"] is None else [objective["cost"]]
    return [*first, *(target["name"] for target in objective.get("targets", ()))] or ["flops"]


def objective_text(objective: dict[str, Any]) -> str:
    """``soft, 300M FLOPs, exponent -0.07``, and further targets."""
    kind, usual = objective["kind"], objective["exponent"]
    if kind == PARETO:
        larger = objective.get("maximize", ())
        names = [target["name"] for target in objective["targets"]]
        costs = [cost_title(name) for name in names if name not in larger]
        accuracies = listing(["accuracies", *map(cost_title, larger)])
        return f"{accuracies}, against all budgets of {listing(costs)}" if costs else accuracies
    cost = cost_title(objective["cost"])
    parts = []
    if objective["target_flops"] is not None:
        parts.append(f"{count(objective['target_flops'])} {cost}, exponent {usual:g}")
    for target in objective.get("targets", ()):
        exponent = usual if target["exponent"] is None else target["exponent"]
        text = cost_text(target["name"], target["value"])
        if target["name"] in objective.get("maximize", ()):
            text, exponent = f"at least {text}", abs(exponent)
        parts.append(f"{cost_title(target['name'])} {text}, exponent {exponent:g}")
    return f"{kind}, {'; '.join(parts)}" if parts else "the accuracies themselves"
