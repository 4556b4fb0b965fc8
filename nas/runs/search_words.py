"""What a search found, in words: the verdict, what became of the target, and what to do next."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nas.errors import command
from nas.runs.baselines import baseline_lines, compared
from nas.runs.device_results import device_lines
from nas.runs.next_steps import Steps, is_arch, train_steps, unfinished_steps
from nas.runs.proxy import measured
from nas.runs.run import Run
from nas.runs.search_results import tested, trial_state
from nas.runs.spent import stopped_line
from nas.search.events import ENDED
from nas.spec.objective import EXPONENTS
from reports.numbers import (
    cost_text,
    cost_title,
    count,
    front_title,
    percent,
    plural,
    plus_minus,
    reward_title,
)

FAR, NEAR = 1.5, 1.25
"""A network is far from the target if it is more than so many times as large or small; near if it is less."""
TRIED = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Exponents, with a minus, that are tried in place of the search's own."""


def search_verdict(run: Run) -> str:
    """The best network and how sure it is, in one sentence; or that nothing has finished yet."""
    networks = run.networks()
    if networks.empty:
        return nothing_yet(run)
    best, early = run.best_trial(), so_far(run)
    expected, chance = "measured" in best, best.get("p_best")
    sure = "" if chance is None or pd.isna(chance) else f", with a probability of {percent(chance)}"
    luck = ", which may be luck" if best["trainings"] == 1 else ""
    trained = f" from {plural(int(best['trainings']), 'training run')}{luck}"
    reward = plus_minus(best["reward"], best["reward_error"] if expected else None)
    accuracy = f"{measured(run.settings)} {plus_minus(best['accuracy'], best.get('accuracy_error'))}"
    trained = trained if run.settings.trains else ""
    costs = costs_words(run, best)
    if run.settings.objective.seeks_front:
        front = plural(len(run.pareto()), "network")
        front_of = front_title(measured(run.settings), run.costs, run.maximized)
        return (
            f"{early}{'the' if early else 'The'} front of {front_of} has "
            f"{front} of {len(networks)}; the most accurate is trial {best['trial']} (*){sure}: {accuracy}, "
            f"{costs}{trained}."
        )
    return (
        f"{early}{'the' if early else 'The'} best of {plural(len(networks), 'network')} is trial "
        f"{best['trial']} (*){sure}: {accuracy}, {costs}, {reward_title(best)} {reward}{trained}."
    )


def costs_words(run: Run, network: Mapping[str, Any]) -> str:
    """``386M FLOPs, latency 12.3 ms``: FLOPs, if known, and the costs that the search aimed at."""
    flops = [] if pd.isna(network["flops"]) else [f"{count(network['flops'])} FLOPs"]
    names = [name for name in run.costs if name != "flops" and pd.notna(network[name])]
    return ", ".join([*flops, *(f"{cost_title(name)} {cost_text(name, network[name])}" for name in names)])


def nothing_yet(run: Run) -> str:
    """The verdict of a run without a finished trial."""
    return f"Nothing is known yet: of {plural(run.settings.trials, 'trial')}, none is done."


def so_far(run: Run) -> str:
    """``So far, after 7 of 24 trials, ``; nothing if the run is over."""
    state = trial_state(run)
    if state["over"]:
        return ""
    ended = sum(state["status"].get(name, 0) for name in ENDED)
    again = f" and {plural(state['confirmations'], 'confirmation')}" if state["confirmations"] else ""
    return f"So far, after {ended} of {plural(state['trials'], 'trial')}{again}, "


def search_notes(run: Run) -> list[str]:
    """What belongs to the verdict: an early end, the choice on test images, what became of the target."""
    if run.networks().empty:
        return []
    tests = test_lines(tested(run), measured(run.settings, test=True))
    early = filter(None, [stopped_line(run)])
    return [*early, *tests, *baseline_lines(compared(run)), *device_lines(run), *target_lines(run)]


def test_lines(found: Mapping[str, Any] | None, name: str) -> list[str]:
    """``nas.runs.search_results.tested`` in words: the choice on images that it was not chosen by."""
    if found is None:
        return []
    accuracy, runs = plus_minus(found["accuracy"], found["error"]), plural(found["trainings"], "training run")
    has = "an accuracy" if name == "accuracy" else f"a {name}"
    return [
        f"On {found['images']:,} test images, by which nothing was chosen, it has {has} of {accuracy} "
        f"({runs})."
    ]


def target_lines(run: Run) -> list[str]:
    """Why the best network is far from the target, and what would choose one near it; nothing if it is not.

    The other objectives are tried on the run's own trials, as ``Run.rerank`` does.
    """
    if not is_far(run):
        return []
    objective, best, networks = run.settings.objective, run.best_trial(), run.networks()
    target = objective.target_flops or 0.0
    side = "below" if best["flops"] < target else "above"
    line = (
        f"A network of {count(best['flops'])} FLOPs is best at exponent {objective.exponent:g} (reward "
        f"{objective.kind}) here, far {side} the target of {count(target)}: "
    )
    choices: dict[int, list[str]] = {}
    rows = {}
    for options, row in nearer(run):
        choices.setdefault(row["trial"], []).append(options)
        rows[row["trial"]] = row
    if choices:
        found = (
            f"{' or '.join(which)} would choose trial {trial} ({_size(rows[trial])})"
            for trial, which in choices.items()
        )
        return [f"{line}of the same networks, {'; '.join(found)}."]
    accuracy, flops = networks["accuracy"].to_numpy(float), networks["flops"].to_numpy(float)
    if best["flops"] < target and best["accuracy"] >= accuracy.max():
        why = "it is also the most accurate, so no exponent would choose a larger one"
    else:
        why = "no exponent and no other reward would choose a network near it"
    nearest = networks.iloc[int(np.abs(np.log(flops / target)).argmin())]
    return [f"{line}{why}. The nearest that was tried is trial {nearest['trial']} ({_size(nearest)})."]


def is_far(run: Run) -> bool:
    """Whether the FLOPs of the best network are far from the target."""
    objective = run.settings.objective
    if run.networks().empty or objective.costs != ("flops",) or objective.target_flops is None:
        return False
    ratio = run.best_trial()["flops"] / objective.target_flops
    return not 1 / FAR <= ratio <= FAR


def nearer(run: Run) -> Iterator[tuple[str, Any]]:
    """Options of ``nas report`` that choose a network near the target, and its row: one for each reward.

    Of the search's own reward it is the nearest exponent, of the others the usual one.
    """
    own, networks = run.settings.objective, run.networks()
    accuracy, flops = networks["accuracy"].to_numpy(float), networks["flops"].to_numpy(float)
    others = sorted((0.0 - step for step in TRIED), key=lambda step: abs(step - (own.exponent or 0.0)))
    tried = [(own.kind, step, f"--exponent {step:g}") for step in others]
    tried += [(kind, usual, f"--reward {kind}") for kind, usual in EXPONENTS.items() if kind != own.kind]
    found: set[str] = set()
    for kind, exponent, options in tried:
        rewards = dataclasses.replace(own, kind=kind, exponent=exponent).rewards(accuracy, flops)
        chosen = int(rewards.argmax())
        if kind not in found and 1 / NEAR <= flops[chosen] / (own.target_flops or 1.0) <= NEAR:
            found.add(kind)
            yield options, networks.iloc[chosen]


def _size(row: Any) -> str:
    return f"{count(row['flops'])} FLOPs, accuracy {row['accuracy']:.4f}"


def search_steps(run: Run) -> Steps:
    """What to do next after a search: look, rank anew, train, scale."""
    directory = run.directory
    ranked = [
        ("Rank the same networks so", f"{command('report', directory)} {options}")
        for options, _ in (list(nearer(run))[:1] if is_far(run) else [])
    ]
    rest = [("Go on with the other trials", command("resume", directory))] if stopped_line(run) else []
    return begun_steps(run) or [
        *rest,
        *ranked,
        *budget_steps(run),
        ("Show this again", command("report", directory)),
        *network_steps(run),
    ]


def network_steps(run: Run) -> Steps:
    """What to do with the best network; to train and scale it, if it is one that this package can train."""
    directory = run.directory
    look = ("Look at the best", command("show", directory))
    if not is_arch(run.best_trial()["arch"]):
        return [look]
    return [
        look,
        *train_steps("it", directory),
        ("Scale it to a family", command("scale --base", directory)),
    ]


def budget_steps(run: Run) -> Steps:
    """To name the best network within a budget, after a search for all budgets."""
    objective, front = run.settings.objective, run.pareto()
    if not objective.seeks_front or front.empty:
        return []
    name = objective.costs[0]
    budget = cost_text(name, float(front[name].median())).replace(" ", "").replace(",", "")
    return [("Name the best within a budget", f"{command('report', run.directory)} --budget {name}={budget}")]


def begun_steps(run: Run) -> Steps:
    """How to go on with the trials of a run that is not over; nothing if it is."""
    if trial_state(run)["over"]:
        return []
    return unfinished_steps(run)
