"""Several runs next to each other, and where they cannot be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import reports
from nas.runs.hypervolume import hypervolume_of, reference_of
from nas.runs.run import Run
from nas.runs.search_results import (
    Ranking,
    done_trials,
    objective_facts,
    ranked_by,
    rewards_of,
)
from nas.spec.settings import Settings
from nas.spec.targets import COSTS
from reports.numbers import HIGHEST, reward_title

TITLES = ("best reward", "mean reward", "expected reward")
"""The titles of rewards; if runs differ, the last of theirs holds."""


def milestones(trials: int) -> list[int]:
    """1, 2, 5, 10, 20, 50, ... and ``trials`` itself."""
    steps = [step * 10**power for power in range(len(str(trials))) for step in (1, 2, 5)]
    return [step for step in steps if step < trials] + [trials]


def comparison(runs: Sequence[Run], ranking: Ranking | None = None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Several runs side by side, under one objective: that of ``ranking``, or of the first run.

    Returns:
        one row per run: ``run``, ``trials``, ``done``, ``reward``, ``accuracy`` and costs of its best
        network, ``hypervolume`` over the common reference, NaN if no cost is known of all, and ``after_10``,
        ``after_20``, ..., the highest reward of a single training run so far; and what they have in common:
        objective, cost, reference, the title of the best networks' ``reward``, and ``warnings``, see
        ``differences``.

    Raises:
        InputError: if a run has no finished trial.
    """
    runs = [run.snapshot() for run in runs]
    objectives = [run.settings.objective for run in runs]
    asked = ranking or Ranking(objectives[0])
    reference = reference_of(runs)
    costs = dict.fromkeys([*COSTS, *asked.objective.costs, *list(reference)[1:]])
    marks = [mark for mark in milestones(max(len(run.trials()) for run in runs)) if mark >= 10]
    rows = []
    for run in runs:
        run.best_trial()  # raises if there is nothing to compare
        done = done_trials(run.trials())
        rewards = rewards_of(done, asked)
        so_far = reports.best_so_far(rewards)
        rows.append(
            {
                "trials": len(run.trials()),
                "done": len(done),
                **ranked_by(run, asked).iloc[0].reindex(["reward", "accuracy", *costs, "arch"]),
                "hypervolume": hypervolume_of(run, reference) if len(reference) > 1 else np.nan,
                **{f"after_{mark}": so_far[mark - 1] if mark <= len(so_far) else np.nan for mark in marks},
            }
        )
    common = {
        "objective": objective_facts(asked),
        "others_differ": ranking is None and len(set(objectives)) > 1,
        "reference": reference,
        "reward": HIGHEST
        if asked.objective.seeks_front
        else max((reward_title(run.best_trial()) for run in runs), key=TITLES.index),
        "warnings": differences(runs),
    }
    compared = pd.DataFrame(rows)
    names = [str(run.directory) for run in runs]  # as objects: pandas' own texts hold UTF-8 alone
    compared.insert(0, "run", pd.Series(names, dtype=object))
    return compared, common


def differences(runs: Sequence[Run]) -> list[str]:
    """Why accuracies of the runs do not compare, a line for each reason, with the fields and their values."""
    settings = [run.settings for run in runs]
    shapes = [_shape(run) for run in runs]
    reasons: list[tuple[str, Sequence[Mapping[str, Any]]]] = [
        ("the evaluators differ", [{"evaluator": one.evaluator} for one in settings]),
        ("what is classified differs", [{**shape} for shape in shapes]),
    ]
    if all(one.evaluator == "train" for one in settings):
        reasons[1:1] = [
            ("the proxies differ", [dataclasses.asdict(one.recipe) for one in settings]),
            ("the data differ", [_data(one) for one in settings]),
        ]
    names = [str(run.directory) for run in runs]
    return [
        f"Warning: {reason}, so accuracies do not compare: {'; '.join(found)}."
        for reason, facts in reasons
        if (found := [_values(name, facts, names) for name in facts[0] if _differs(name, facts)])
    ]


def _data(settings: Settings) -> dict[str, Any]:
    """The data and its images; a number of images is None if an older run has not noted it."""
    task = settings.task
    return {
        "data": settings.data,
        "training images": task.train if task else None,
        "validation images": task.valid if task else None,
    }


def _shape(run: Run) -> dict[str, Any]:
    """The resolution and the number of classes that costs are for; None if an older run lacks them."""
    price = run.config.get("cost")
    noted = price if isinstance(price, Mapping) else {}
    return {"resolution": noted.get("resolution"), "classes": noted.get("num_classes")}


def _differs(name: str, facts: Sequence[Mapping[str, Any]]) -> bool:
    """Whether runs have different values; what an older run has not noted differs from nothing."""
    known = [one[name] for one in facts if one[name] is not None]
    return any(value != known[0] for value in known)


def _values(name: str, facts: Sequence[Mapping[str, Any]], runs: Sequence[str]) -> str:
    """``epochs is 6 in runs/a and runs/b, 12 in runs/c``."""
    of_value: dict[Any, list[str]] = {}
    for one, run in zip(facts, runs, strict=True):
        of_value.setdefault(one[name], []).append(run)
    said = (f"{value} in {' and '.join(which)}" for value, which in of_value.items() if value is not None)
    return f"{name} is {', '.join(said)}"
