"""The chosen network against known ones, which were trained under the very same conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import reports
from nas.runs.run import Run
from nas.spec.objective import Objective
from nas.spec.own import is_own
from nas.spec.targets import COSTS
from nas.spec.task import Task
from reports.numbers import plural, points
from search_spaces import PRESETS

ENOUGH_TO_JUDGE = 30
"""With fewer test images, an accuracy has an error of about 0.09 from them alone, and says too little."""
SURE = 2.0
"""A difference of so many standard errors is no luck: of equal networks, 5 % differ by more."""


def compared(run: Run) -> dict[str, Any] | None:
    """The choice, and each baseline; None if none was trained.

    The choice counts by its confirmations alone: the trial that it was chosen by was lucky.

    Returns:
        the ``part`` whose ``images`` judge: ``test`` where there are enough, None where the user's own
        evaluation does; the ``trainings`` of the choice and its ``flops``, if they are known; and
        ``networks``: name, arch, costs, ``accuracy`` on the validation part with its standard
        ``accuracy_error``, ``reward``, ``trainings``, and by how much the choice is more accurate on
        ``part``, ``difference`` with ``difference_error``.
    """
    settings = run.settings
    known, again, task = run.baselines(), run.confirmations(), settings.task
    if task is None and is_own(settings.evaluator):
        task = Task(valid=0, test=0)
    known = known.dropna(subset=["accuracy"])
    best, trials = run.best_trial(), run.trials()
    again = again.dropna(subset=["accuracy"]).merge(trials[["trial", "arch"]], on="trial")
    own = again[again["arch"] == best["arch"]]
    if known.empty or own.empty or task is None:
        return None
    fresh = pd.concat([again, known])
    tested = task.test >= ENOUGH_TO_JUDGE and bool(fresh["test_accuracy"].notna().all())
    judged, images = ("test_accuracy", task.test) if tested else ("accuracy", task.valid)

    def mean(rows: pd.DataFrame, column: str) -> tuple[float, float]:
        """The mean of a column and its standard error, from seeds and images."""
        noise, value = reports.pooled_deviation(fresh, column), float(rows[column].mean())
        judges = task.valid if column == "accuracy" else images
        by_images = reports.binomial_error(value, judges) if judges else 0.0
        return value, float(np.hypot(by_images, np.nan_to_num(noise) / len(rows) ** 0.5))

    ours, our_error = mean(own, judged)
    networks, further = [], [name for name in run.costs if name not in COSTS]
    for name in sorted(set(known["name"]), key=[*run.settings.baselines].index):
        rows = known[known["name"] == name]
        (accuracy, error), (theirs, their_error) = mean(rows, "accuracy"), mean(rows, judged)
        networks.append(
            {
                "name": name,
                "arch": rows["arch"].iloc[0],
                **{cost: whole(rows[cost].iloc[0]) for cost in COSTS},
                "accuracy": accuracy,
                "accuracy_error": error,
                "reward": reward_of(run.settings.objective, accuracy, rows.iloc[0]),
                **further_of([*settings.objective.measures, *further], rows.iloc[0]),
                "trainings": len(rows),
                "difference": ours - theirs,
                "difference_error": float(np.hypot(our_error, their_error)),
            }
        )
    part = "test" if tested else "validation" if images else None
    return {
        "part": part,
        "images": images,
        "trainings": len(own),
        "flops": whole(best["flops"]),
        "networks": networks,
    }


def whole(cost: Any) -> int | None:
    """A cost of the formulas; None where it is not known."""
    return None if pd.isna(cost) else int(cost)


def further_of(names: Sequence[str], row: Any) -> dict[str, float | None]:
    """What was measured of the costs that no formula gives, by name."""
    known = {name: row.get(name) for name in names}
    return {name: None if pd.isna(value) else float(value) for name, value in known.items()}


def reward_of(objective: Objective, accuracy: float, row: Any) -> float | None:
    """The reward of a network with the costs in ``row``; None if one of them was not measured."""
    costs = {name: float(row[name]) for name in objective.costs if name in row and pd.notna(row[name])}
    return objective(accuracy, costs) if len(costs) == len(objective.costs) else None


def baseline_lines(found: dict[str, Any] | None) -> list[str]:
    """Whether the search was worth it: how much better the choice is than the first known network.

    Where that is no published one, such as the source with fewer channels, the next is told too.
    """
    if found is None:
        return []
    known = found["networks"]
    first = baseline_line(found, known[0])
    return [first] if known[0]["name"] in PRESETS else [first, *(baseline_line(found, k) for k in known[1:2])]


def baseline_line(found: dict[str, Any], known: dict[str, Any]) -> str:
    """How much better the choice is than a known network, in one sentence."""
    difference, error = known["difference"], known["difference_error"]
    sizes = known["flops"] and found["flops"]
    against = f"{known['name']} at {sizes / known['flops']:.2g}x its FLOPs" if sizes else known["name"]
    if abs(difference) <= SURE * error:
        words = f"cannot be told from {against}: the difference is {points(difference, error)}"
    else:
        words = (
            f"is {points(abs(difference), error)} {'better' if difference > 0 else 'worse'} than {against}"
        )
    judges = f"{found['images']:,} {found['part']} images, " if found["images"] else ""
    return f"The choice {words} ({judges}{plural(found['trainings'], 'fresh training run')} of each)."
