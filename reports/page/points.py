"""The networks that a page shows as points: the fronts, and as many others as can be told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.numbers import cost_text, cost_title, plus_minus
from reports.page.drawing import Block, blocks
from reports.pareto import pareto_front
from reports.run_db import columns_of
from search_spaces import ArchSpec

COSTS = {"flops": "FLOPs", "params": "parameters", "activations": "activations"}
COLUMNS = {
    *columns_of("trials"),
    *("trainings", "accuracy_error", "reward_error", "measured", "p_best", "p_front", "run"),
}
"""Columns of networks that are no further cost."""
MOST_POINTS = 3000
MOST_ON_FRONT = 500


@dataclass(frozen=True)
class Points:
    """What the scatter plots show.

    Args:
        table: rows of ``Run.networks``, numbered from 0.
        fronts: per cost, the numbers of its front's rows, the cheapest first.
        best: the number of the best network's row.
        left_out: networks that are not in ``table``.
        front_size: how many networks are on the front of the first cost, shown or not.
        measured: what their accuracies are, such as ``macro F1``.
        costs: the titles of their costs, by name; the first is FLOPs, where these are known.
    """

    table: pd.DataFrame
    fronts: Mapping[str, NDArray[np.int64]]
    best: int
    left_out: int
    front_size: int
    measured: str = "accuracy"
    costs: Mapping[str, str] = field(default_factory=lambda: COSTS)

    @property
    def first(self) -> str:
        """The cost that is shown first."""
        return next(iter(self.costs))


def costs_of(networks: pd.DataFrame, first: str = "") -> dict[str, str]:
    """The titles of the costs that all of these networks have.

    Where FLOPs are unknown, ``first`` comes first, or else the seconds of their trials.
    """
    further = (
        name
        for name in networks.select_dtypes("number")
        if name not in COLUMNS and networks[name].notna().all()
    )
    known = {name: title for name, title in COSTS.items() if networks[name].notna().all()}
    found = {**known, **{str(name): cost_title(str(name)) for name in further}}
    if "flops" in found:
        return found
    first = first if first in found else "seconds"
    return {first: cost_title(first), **found}


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Up to ``most`` of the indices below ``count``, the first and the last among them."""
    return np.unique(np.linspace(0, max(0, count - 1), min(most, count)).astype(np.int64))


def choose_points(
    networks: pd.DataFrame,
    best: int,
    most: int = MOST_POINTS,
    measured: str = "accuracy",
    first: str = "",
) -> Points:
    """The fronts, the best network, those nearest to a front and an even sample of the rest.

    They are ``most`` in all, half of them on a front or nearest to one. A front of more than
    ``MOST_ON_FRONT`` networks is sampled evenly too.

    Args:
        networks: one finished network or more, from ``Run.networks``.
        best: the trial of the best network, which is among them.
        measured: see ``Points``.
        first: the cost to show first, where FLOPs are unknown.
    """
    table, costs = networks.reset_index(drop=True), costs_of(networks, first)
    fronts = {cost: pareto_front(table, ["accuracy"], [cost]).sort_values([cost, "trial"]) for cost in costs}
    front_size = len(fronts[next(iter(costs))])
    fronts = {cost: front.iloc[evenly(len(front), MOST_ON_FRONT)] for cost, front in fronts.items()}
    best_row = int((table["trial"] == best).argmax())
    gap = np.min([_gap(table, front, cost) for cost, front in fronts.items()], axis=0)
    must = np.zeros(len(table), bool)
    must[[best_row, *(row for front in fronts.values() for row in front.index)]] = True
    order = np.argsort(np.where(must, -1.0, gap), kind="stable")
    if len(order) > most:
        sure = max(int(must.sum()), most // 2)
        far = sure + evenly(len(order) - sure, max(0, most - sure))
        order = np.concatenate([order[:sure], order[far]])
    kept = np.sort(order)
    return Points(
        table.loc[kept].reset_index(drop=True),
        {cost: np.searchsorted(kept, front.index.to_numpy(np.int64)) for cost, front in fronts.items()},
        int(np.searchsorted(kept, best_row)),
        len(table) - len(kept),
        front_size,
        measured,
        costs,
    )


def _gap(table: pd.DataFrame, front: pd.DataFrame, cost: str) -> NDArray[np.float64]:
    """How much more accurate the front is at each row's cost: `[N]`; infinite if the cost is missing."""
    below = np.searchsorted(front[cost].to_numpy(np.float64), table[cost].to_numpy(np.float64), "right") - 1
    ceiling = np.append(front["accuracy"].to_numpy(np.float64), np.inf)  # -1, below the front, is infinite
    gap = ceiling[below] - table["accuracy"].to_numpy(np.float64)
    return np.where(np.isnan(gap), np.inf, gap)


def accuracy_text(row: Mapping[Any, Any]) -> str:
    """A mean accuracy and, if the noise is known, its standard error."""
    return plus_minus(row["accuracy"], row.get("accuracy_error"))


def drawable(arch: str) -> list[Block]:
    """The blocks of ``arch``; none if it is not an architecture, as in a ``run.db`` edited by hand."""
    try:
        return blocks(ArchSpec.parse(arch))
    except ValueError:
        return []


def points_json(points: Points) -> tuple[dict[str, Any], list[Block]]:
    """The points as columns for the script, and the distinct blocks that ``blocks`` refers to by number."""
    numbers: dict[Block, int] = {}
    rows = points.table.to_dict("records")
    drawings = [[numbers.setdefault(block, len(numbers)) for block in drawable(row["arch"])] for row in rows]
    columns: dict[str, Any] = {
        "trial": [int(row["trial"]) for row in rows],
        "arch": [str(row["arch"]) for row in rows],
        "accuracy": points.table["accuracy"].astype(float).tolist(),
        **{cost: points.table[cost].astype(float).tolist() for cost in points.costs},
        "names": ["accuracy", *points.costs.values(), "reward"],
        "text": [
            [
                accuracy_text(row),
                *(cost_text(cost, row[cost]) for cost in points.costs),
                f"{row['reward']:.4f}",
            ]
            for row in rows
        ],
        "blocks": drawings,
        "best": points.best,
        "first": points.first,
    }
    return columns, list(numbers)
