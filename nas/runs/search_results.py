"""What a search found, alone, against random search, under another objective, and beside other runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import reports
from nas.errors import InputError
from nas.runs.run import Run
from nas.spec.objective import Objective
from reports.page import Page
from search_spaces import SPACES

NETWORK = ["trial", "arch", "accuracy", "flops", "params", "activations", "reward"]
ERRORS = ["accuracy_error", "reward_error", "measured", "trainings", "p_best", "p_front"]
"""What is known of a network besides where the noise was measured."""
SHOWN = 10
"""Networks of a ranking under another objective."""
UNMEASURED = "Seed noise was not measured: no network was trained on a second seed."


@dataclasses.dataclass(frozen=True)
class Ranking:
    """What else to rank by: an objective, and the cost that it charges for."""

    objective: Objective
    cost: str = "flops"


def trial_facts(run: Run) -> dict[str, Any]:
    """How many trials there are, the best network, the front and the noise, as JSON values.

    Raises:
        InputError: if no trial is done.
    """
    trials, noise = run.trials(), run.seed_noise()
    return {
        "run": str(run.directory),
        "trials": len(trials),
        "status": statuses(trials),
        "repeats": int(trials["repeat_of"].notna().sum()),
        "best": _records(pd.DataFrame([run.best_trial()]))[0],
        "pareto": _records(run.pareto()),
        "hypervolume": _hypervolume(run, _reference([run])),
        "seed_noise": dataclasses.asdict(noise) if noise else None,
        "speed": reports.speed(trials),
    }


def search_facts(run: Run, random: Run | None) -> dict[str, Any]:
    """``trial_facts``, and whether the search beats random search; arguments and errors as ``baseline``."""
    return {**trial_facts(run), "baseline": baseline(run, random)}


def trial_state(run: Run) -> dict[str, Any]:
    """Where the trials stand, as JSON values; ``over`` once all trials and confirmations have finished."""
    settings = run.settings
    trials, again = run.trials(), run.confirmations()
    status = statuses(trials)
    done = trials[trials["status"] == "done"]
    networks = int(done["repeat_of"].isna().sum())
    confirm = min(settings.confirmations, networks) * settings.confirm_seeds
    return {
        "trials": settings.trials,
        "status": status,
        "best_reward": float(done["reward"].max()) if len(done) else None,
        "front": len(reports.pareto_front(done.drop_duplicates("arch"))),
        "confirmations": len(again),
        "over": len(done) + status.get("failed", 0) == settings.trials and len(again) >= confirm,
    }


def statuses(trials: pd.DataFrame) -> dict[str, int]:
    """How many trials have each status, the most frequent first."""
    return {str(status): int(number) for status, number in trials["status"].value_counts().items()}


def best_network(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The network to keep, which is the one with the highest reward; nothing more is known of it."""
    return run.best_trial(), {}


def search_page(page: Page, run: Run, random: Run | None) -> Page:
    """The page with the noise, random search and the controller's decisions."""
    space, facts = SPACES.get(run.settings.space), baseline(run, random)
    expected = None
    if facts["random"] is not None:
        trial = [count - 1 for count in facts["counts"]]
        expected = pd.DataFrame({"trial": trial, "expected": facts["random_so_far"]})
    return dataclasses.replace(
        page,
        decisions=space.decisions if space else (),
        noise=str(run.seed_noise() or UNMEASURED),
        random_best=expected,
    )


def reranked(run: Run, ranking: Ranking) -> dict[str, Any]:
    """The best networks under another objective, and what the old choice is worth there."""
    objective = ranking.objective
    ranked = run.rerank(objective.target_flops, objective.exponent, objective.kind, ranking.cost)
    ranked = ranked.assign(rank=np.arange(1, len(ranked) + 1))
    before = run.best_trial()["trial"]
    columns = ["rank", *NETWORK, "old_reward"]
    return {
        "objective": {**dataclasses.asdict(objective), "cost": ranking.cost},
        "best": _records(ranked.head(SHOWN), columns),
        "before": _records(ranked[ranked["trial"] == before], columns)[0],
    }


def baseline(run: Run, random: Run | None = None) -> dict[str, Any]:
    """The run's best reward so far against what random search is expected to find in as many trials.

    Rewards are of single trainings on both sides, so they are as lucky on both.

    Returns:
        ``trials`` that are done, ``best`` and ``random`` after them, the number of random trials that
        this ``rests_on`` and where they are ``from``; and the same at some ``counts`` of trials.

    Raises:
        InputError: if ``random`` is no random search of the same space, data, evaluator and proxy.
    """
    settings = run.settings
    trials = run.trials()
    done = trials[trials["status"] == "done"]
    if random is None:
        first = reports.near_random(settings.controller, settings.controller_settings)
        sample = done[done["trial"] < first]["reward"].to_numpy()
        source = "all its trials" if np.isinf(first) else f"its own first {len(sample)}"
    else:
        sample = _random_rewards(run, random)
        source = str(random.directory)
    counts = grid_of_counts(len(done))
    if not len(sample):
        return {"trials": len(done), "random": None, "rests_on": 0, "from": source}
    best = reports.best_so_far(done["reward"].to_numpy())[[count - 1 for count in counts]]
    expected = reports.expected_best(sample, counts)
    return {
        "trials": len(done),
        "best": float(best[-1]),
        "random": float(expected[-1]),
        "rests_on": len(sample),
        "from": source,
        "counts": counts,
        "best_so_far": best.tolist(),
        "random_so_far": expected.tolist(),
    }


def _random_rewards(run: Run, random: Run) -> NDArray[np.float64]:
    """The rewards that the trials of ``random`` have under the objective of ``run``."""
    settings, others = run.settings, random.settings
    if others.controller != "random":
        raise InputError(f"random must be a run of `controller` random, got {others.controller}")
    for name in ("space", "data", "evaluator", "recipe"):
        ours, theirs = getattr(settings, name), getattr(others, name)
        if ours != theirs:
            raise InputError(f"random must be a run of the same {name}, {ours}, got {theirs}")
    trials = random.trials()
    done = trials[trials["status"] == "done"]
    if done.empty:
        raise InputError(f"random must be a run with a finished trial, got {random.directory}")
    return settings.objective.rewards(done["accuracy"].to_numpy(), done["flops"].to_numpy(float))


def grid_of_counts(trials: int) -> list[int]:
    """Every number up to 20, then some 60 more in equal ratios, up to ``trials``."""
    counts = {*range(1, 21), *np.geomspace(20, max(20, trials), 60).round().astype(int).tolist(), trials}
    return sorted(count for count in counts if count <= trials)


def milestones(trials: int) -> list[int]:
    """1, 2, 5, 10, 20, 50, ... and ``trials`` itself."""
    steps = [step * 10**power for power in range(len(str(trials))) for step in (1, 2, 5)]
    return [step for step in steps if step < trials] + [trials]


def comparison(runs: Sequence[Run], ranking: Ranking | None = None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Several runs side by side, under one objective: the first one's, or that of ``ranking``.

    Returns:
        one row per run: ``run``, ``trials``, ``done``, ``reward``, ``accuracy`` and ``flops`` of its best
        network, ``hypervolume`` over the common reference, and ``after_10``, ..., the highest reward of a
        single training so far; and what they have in common: objective, cost and reference.

    Raises:
        InputError: if a run has no finished trial.
    """
    runs = [run.snapshot() for run in runs]
    objectives = [run.settings.objective for run in runs]
    asked = ranking or Ranking(objectives[0])
    reference = _reference(runs)
    marks = [mark for mark in milestones(max(len(run.trials()) for run in runs)) if mark >= 10]
    rows = []
    for run in runs:
        run.best_trial()  # or there is nothing to compare
        objective = asked.objective
        best = run.rerank(objective.target_flops, objective.exponent, objective.kind, asked.cost).iloc[0]
        trials = run.trials()
        done = trials[trials["status"] == "done"]
        costs = done[asked.cost].to_numpy(float)
        so_far = reports.best_so_far(objective.rewards(done["accuracy"].to_numpy(), costs))
        rows.append(
            {
                "run": str(run.directory),
                "trials": len(trials),
                "done": len(done),
                **{
                    name: best[name]
                    for name in ("reward", "accuracy", "flops", "params", "activations", "arch")
                },
                "hypervolume": _hypervolume(run, reference),
                **{f"after_{mark}": so_far[mark - 1] if mark <= len(so_far) else np.nan for mark in marks},
            }
        )
    common = {
        "objective": {**dataclasses.asdict(asked.objective), "cost": asked.cost},
        "others_differ": ranking is None and len(set(objectives)) > 1,
        "reference": reference,
    }
    return pd.DataFrame(rows), common


def _reference(runs: Sequence[Run]) -> dict[str, float]:
    """No accuracy at all, at the FLOPs of the largest network that was trained."""
    flops = [run.networks()["flops"].max() for run in runs if len(run.networks())]
    return {"accuracy": 0.0, "flops": float(max(flops, default=1.0))}


def _hypervolume(run: Run, reference: dict[str, float]) -> float:
    """Of the front of accuracy against FLOPs, over the reference's FLOPs.

    The best accuracy that can be had, averaged over all budgets up to the reference; 0 below the smallest
    network.
    """
    return reports.hypervolume(run.networks(), reference=reference) / reference["flops"]


def _records(frame: pd.DataFrame, columns: Sequence[str] = NETWORK) -> list[dict[str, Any]]:
    """Rows as JSON values: the columns, and what is known besides; what is missing is None."""
    known = [name for name in ERRORS if name in frame and frame[name].notna().any()]
    rows: list[dict[str, Any]] = reports.plain(frame[[*columns, *known]])
    return rows
