"""What a search found: by itself, against random search, under another objective, and next to other runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import reports
from nas.errors import InputError
from nas.runs.baselines import ENOUGH_TO_JUDGE, compared
from nas.runs.device_results import device_facts
from nas.runs.hypervolume import hypervolume_of, reference_of, volume_costs
from nas.runs.run import Run
from nas.runs.spaces import decisions_of
from nas.spec.objective import Objective
from nas.spec.targets import COSTS
from reports.measured import MEASURED
from reports.page import Page
from reports.pareto import split_measures
from search_spaces.names import unknown

NETWORK = ["trial", "arch", "accuracy", *COSTS, "reward"]
ERRORS = ["accuracy_error", "reward_error", "measured", "trainings", "p_best", "p_front", *MEASURED]
"""Further columns of a network, if the seed noise, or its latency on a device, was measured."""
UNMEASURED = "Seed noise was not measured: it takes two networks, one of them trained on a second seed."


@dataclasses.dataclass(frozen=True)
class Ranking:
    """An objective to rank by, and the cost that takes the place of FLOPs in it."""

    objective: Objective
    cost: str = "flops"


def trial_facts(run: Run) -> dict[str, Any]:
    """The trials, the best network, the front and the seed noise, as JSON values.

    Raises:
        InputError: if no trial is done.
    """
    trials, noise = run.trials(), run.seed_noise()
    columns = [*NETWORK, *(name for name in run.costs if name not in COSTS)]
    return {
        "run": str(run.directory),
        "trials": len(trials),
        "status": statuses(trials),
        "repeats": int(trials["repeat_of"].notna().sum()),
        "best": _records(pd.DataFrame([run.best_trial()]), columns)[0],
        "pareto": _records(run.pareto(), columns),
        "hypervolume": hypervolume_of(run, reference_of([run])),
        **({} if run.costs == ("flops",) else {"hypervolume_costs": list(volume_costs([run]))}),
        "seed_noise": dataclasses.asdict(noise) if noise else None,
        **({"metric": run.settings.recipe.metric} if run.settings.recipe.metric != "accuracy" else {}),
        **fresh_facts(run),
        **device_facts(run),
        "speed": reports.speed(trials),
    }


def tested(run: Run) -> dict[str, Any] | None:
    """The best network on test images, by which no trial was chosen; None if its fresh runs saw too few.

    Returns:
        the number of test ``images`` and of ``trainings``, the mean ``accuracy`` on them, and its standard
        ``error``, from seeds and images.
    """
    task, noise, best = run.settings.task, run.seed_noise(), run.best_trial()
    again, trials = run.confirmations(), run.trials()
    same = trials.loc[trials["arch"] == best["arch"], "trial"]
    accuracies = again.loc[again["trial"].isin(same), "test_accuracy"].dropna()
    if task is None or task.test < ENOUGH_TO_JUDGE or accuracies.empty:
        return None
    mean, deviation = float(accuracies.mean()), noise.noise if noise else 0.0
    error = np.hypot(reports.binomial_error(mean, task.test), deviation / len(accuracies) ** 0.5)
    return {"images": task.test, "trainings": len(accuracies), "accuracy": mean, "error": float(error)}


def fresh_facts(run: Run) -> dict[str, Any]:
    """What fresh training runs say of the best network: ``test``, see ``tested``, and ``baselines``.

    Each only if there is something to say; older runs have neither.
    """
    found = {"test": tested(run), "baselines": compared(run)}
    return {name: facts for name, facts in found.items() if facts}


def search_facts(run: Run, random: Run | None) -> dict[str, Any]:
    """``trial_facts``, and whether the search beats random search; errors also as ``baseline``."""
    return {**trial_facts(run), "baseline": baseline(run, random)}


def trial_state(run: Run) -> dict[str, Any]:
    """The progress of the trials, as JSON values; ``over`` once all and their confirmations have finished."""
    settings = run.settings
    trials, again = run.trials(), run.confirmations()
    status, done = statuses(trials), done_trials(trials)
    networks = int(done["repeat_of"].isna().sum())
    confirm = min(settings.confirmations, networks) * settings.confirm_seeds
    all_done = len(done) + status.get("failed", 0) >= settings.trials and len(again) >= confirm
    return {
        "trials": settings.trials,
        "status": status,
        "best_reward": float(done["reward"].max()) if len(done) else None,
        **({"seeks_front": True} if settings.objective.seeks_front else {}),
        "front": front_size(run, done),
        "confirmations": len(again),
        "over": run.ended == "max_hours" or (run.ended is not None and all_done),
    }


def front_size(run: Run, done: pd.DataFrame) -> int:
    """How many networks of the finished trials are on the front of the costs that the search aims at."""
    costs = [name for name in run.costs if name in done]
    return len(reports.pareto_front(done.drop_duplicates("arch"), *split_measures(costs, run.maximized)))


def statuses(trials: pd.DataFrame) -> dict[str, int]:
    """The number of trials with each status, the most frequent first."""
    return {str(status): int(number) for status, number in trials["status"].value_counts().items()}


def best_network(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The network with the highest reward and, for ``best.json``, what is known of it from fresh runs."""
    return run.best_trial(), fresh_facts(run)


def search_page(page: Page, run: Run, random: Run | None) -> Page:
    """The page with the seed noise, random search and the controller's decisions."""
    facts, expected = baseline(run, random), None
    if facts["random"] is not None:
        trial = np.array(facts["counts"]) - 1
        expected = pd.DataFrame({"trial": trial, "expected": facts["random_so_far"]})
    return dataclasses.replace(
        page,
        decisions=decisions_of(run.settings, run.config),
        known=tuple((compared(run) or {}).get("networks", ())),
        noise=str(run.seed_noise() or UNMEASURED),
        random_best=expected,
    )


def reranked(run: Run, ranking: Ranking) -> dict[str, Any]:
    """The ten best networks under another objective, and the reward and rank of the old choice there."""
    ranked = ranked_by(run, ranking)
    ranked = ranked.assign(rank=np.arange(1, len(ranked) + 1))
    before = run.best_trial()["trial"]
    further = [name for name in ranking.objective.costs if name not in COSTS]
    columns = ["rank", *NETWORK, *further, "old_reward"]
    return {
        "objective": objective_facts(ranking),
        "best": _records(ranked.head(10), columns),
        "before": _records(ranked[ranked["trial"] == before], columns)[0],
    }


def objective_facts(ranking: Ranking) -> dict[str, Any]:
    """An objective as JSON values; ``targets`` only if there are any beside FLOPs, likewise ``maximize``."""
    facts = dataclasses.asdict(ranking.objective)
    for name in ("targets", "maximize"):
        if not facts[name]:
            del facts[name]
    return {**facts, "cost": ranking.cost}


def within_facts(run: Run, budgets: Mapping[str, float]) -> dict[str, Any]:
    """The most accurate network within budgets, as JSON values; InputError if there is none."""
    row = run.within(budgets)
    further = [name for name in run.known_costs if name not in COSTS]
    larger = {"maximize": list(run.maximized)} if run.maximized else {}
    return {"budgets": dict(budgets), **larger, **_records(pd.DataFrame([row]), [*NETWORK, *further])[0]}


def baseline(run: Run, random: Run | None = None) -> dict[str, Any]:
    """The run's best reward so far against what random search is expected to find in as many trials.

    Both sides use the rewards of single training runs, so luck favours neither. The random trials are
    those of ``random``, or else the run's own first ones.

    Returns:
        the number of finished ``trials``, ``best`` and ``random`` after them, the number of random trials
        that this ``rests_on`` and where they are ``from``; and, after each of ``counts`` trials, both again
        as ``best_so_far`` and ``random_so_far``.

    Raises:
        InputError: if ``random`` is not a random search with the same space, data, evaluator and recipe.
    """
    settings, done = run.settings, done_trials(run.trials())
    if random is None:
        # Where a front is sought, the highest accuracy is not what counts.
        seeks_front, known = settings.objective.seeks_front, settings.controller_settings
        first = 0 if seeks_front else reports.near_random(settings.controller, known)
        sample = done[done["trial"] < first]["reward"].to_numpy()
        source = "all its trials" if np.isinf(first) else f"its own first {len(sample)}"
    else:
        sample, source = _random_rewards(run, random), str(random.directory)
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
    """The rewards of the trials of ``random`` under the objective of ``run``."""
    settings, others = run.settings, random.settings
    if others.controller != "random":
        raise InputError(f"random must be a run of `controller` random, got {others.controller}")
    for name in ("space", "data", "evaluator", "recipe"):
        ours, theirs = getattr(settings, name), getattr(others, name)
        if ours != theirs:
            raise InputError(f"random must be a run of the same {name}, {ours}, got {theirs}")
    done = done_trials(random.trials())
    if done.empty:
        raise InputError(f"random must be a run with a finished trial, got {random.directory}")
    return rewards_of(done, Ranking(settings.objective))


def grid_of_counts(trials: int) -> list[int]:
    """Every number up to 20, then about 60 more in equal ratios, up to ``trials``."""
    counts = {*range(1, 21), *np.geomspace(20, max(20, trials), 60).round().astype(int).tolist(), trials}
    return sorted(count for count in counts if count <= trials)


def done_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The finished trials."""
    return trials[trials["status"] == "done"]


def ranked_by(run: Run, ranking: Ranking) -> pd.DataFrame:
    """``Run.ranked`` by ``ranking``; InputError if the run lacks one of its costs."""
    try:
        return run.ranked(ranking.objective, ranking.cost)
    except ValueError as error:
        raise InputError(str(error)) from None


def rewards_of(trials: pd.DataFrame, ranking: Ranking) -> NDArray[np.float64]:
    """The rewards of single training runs; InputError if they lack one of the costs."""
    objective = ranking.objective
    if missing := [name for name in objective.costs if name not in trials]:
        raise InputError(
            f"target: {unknown('measure', missing[0], [*COSTS, *reports.further_costs(trials)])}"
        )
    rows = trials.assign(flops=trials[ranking.cost])
    return objective.rewards(trials["accuracy"].to_numpy(), rows)


def _records(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as JSON values: ``columns``, and those of ``ERRORS`` that are known; missing values are None."""
    known = [name for name in ERRORS if name in frame and frame[name].notna().any()]
    return list(reports.plain(frame[[*columns, *known]]))
