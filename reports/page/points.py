"""The networks that a page shows as points: the fronts, and as many others as can be told apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.measured import MEASURED
from reports.numbers import cost_text, cost_title, front_title, plus_minus
from reports.page.drawing import Block, blocks
from reports.pareto import pareto_front, split_measures
from reports.run_db import columns_of
from search_spaces import ArchSpec

COSTS = {"flops": "FLOPs", "params": "parameters", "activations": "activations"}
MEMORY = "peak_memory"
COLUMNS = {
    *columns_of("trials"),
    *("trainings", "accuracy_error", "reward_error", "measured", "p_best", "p_front", "run"),
    *MEASURED,
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
        front: the numbers of the rows on the front of all ``aims``, the cheapest first.
        best: the number of the best network's row.
        left_out: networks that are not in ``table``.
        front_size: how many networks are on that front, shown or not.
        measured: what their accuracies are, such as ``macro F1``.
        costs: the titles of their costs, by name.
        aims: the costs that the run aimed at, of those.
        rewarded: whether a reward weighs accuracy against costs; otherwise it is the accuracy.
        maximize: those of ``costs`` of which more is better; fronts begin with the most of them.
    """

    table: pd.DataFrame
    fronts: Mapping[str, NDArray[np.int64]]
    front: NDArray[np.int64]
    best: int
    left_out: int
    front_size: int
    measured: str = "accuracy"
    costs: Mapping[str, str] = field(default_factory=lambda: COSTS)
    aims: tuple[str, ...] = ("flops",)
    rewarded: bool = True
    maximize: tuple[str, ...] = ()

    @property
    def objectives(self) -> list[str]:
        """The titles of what the front is of, accuracy first."""
        return [self.measured, *(self.costs[name] for name in self.aims)]

    @property
    def against(self) -> str:
        """What the front is of, in words: ``accuracy against FLOPs``."""
        return front_title(self.measured, self.aims, self.maximize, self.costs.__getitem__)

    @property
    def shown(self) -> dict[str, str]:
        """The costs that tables have columns of: not the memory of training, unless the run aimed at it."""
        return {name: title for name, title in self.costs.items() if name != MEMORY or name in self.aims}


def costs_of(networks: pd.DataFrame, aims: Sequence[str]) -> dict[str, str]:
    """The titles of the costs that all of the networks have; FLOPs first, if they are among them."""
    further = (str(name) for name in networks.select_dtypes("number") if name not in COLUMNS)
    names = dict.fromkeys([*COSTS, *further, MEMORY, *aims])
    known = [name for name in names if name in networks and networks[name].notna().all()]
    return {name: COSTS.get(name, cost_title(name)) for name in known}


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Up to ``most`` of the indices below ``count``, the first and the last among them."""
    return np.unique(np.linspace(0, max(0, count - 1), min(most, count)).astype(np.int64))


def choose_points(
    networks: pd.DataFrame,
    best: int,
    most: int = MOST_POINTS,
    measured: str = "accuracy",
    aims: Sequence[str] = ("flops",),
    *,
    rewarded: bool = True,
    maximize: Sequence[str] = (),
) -> Points:
    """The fronts, the best network, those nearest to a front and an even sample of the rest.

    They are ``most`` in all, half of them on a front or nearest to one. A front of more than
    ``MOST_ON_FRONT`` networks is sampled evenly too.

    Args:
        networks: one finished network or more, from ``Run.networks``.
        best: the trial of the best network, which is among them.
        measured, aims, rewarded, maximize: see ``Points``; if not all networks have an aim, the others hold.
    """
    table, costs = networks.reset_index(drop=True), costs_of(networks, aims)
    fronts = {cost: _front(table, [cost], maximize) for cost in costs}
    aimed = tuple(name for name in aims if name in costs) or tuple(costs)[:1]
    own = _front(table, aimed, maximize)
    front_size = len(own)
    own = own.iloc[evenly(len(own), MOST_ON_FRONT)]
    fronts = {cost: front.iloc[evenly(len(front), MOST_ON_FRONT)] for cost, front in fronts.items()}
    best_row = int((table["trial"] == best).argmax())
    gaps = [_gap(table, front, cost, -1.0 if cost in maximize else 1.0) for cost, front in fronts.items()]
    gap = np.min(gaps, axis=0) if gaps else np.zeros(len(table))
    must = np.zeros(len(table), bool)
    must[[best_row, *own.index, *(row for front in fronts.values() for row in front.index)]] = True
    order = np.argsort(np.where(must, -1.0, gap), kind="stable")
    if len(order) > most:
        sure = max(int(must.sum()), most // 2)
        far = sure + evenly(len(order) - sure, max(0, most - sure))
        order = np.concatenate([order[:sure], order[far]])
    kept = np.sort(order)
    return Points(
        table.loc[kept].reset_index(drop=True),
        {cost: np.searchsorted(kept, front.index.to_numpy(np.int64)) for cost, front in fronts.items()},
        np.searchsorted(kept, own.index.to_numpy(np.int64)),
        int(np.searchsorted(kept, best_row)),
        len(table) - len(kept),
        front_size,
        measured,
        costs,
        aimed,
        rewarded,
        tuple(name for name in costs if name in maximize),
    )


def _front(table: pd.DataFrame, costs: Sequence[str], maximize: Sequence[str]) -> pd.DataFrame:
    """The front of accuracy against ``costs``, ordered by the first of them, its better end first."""
    front = pareto_front(table, *split_measures(costs, maximize))
    order = [name not in maximize for name in costs[:1]]
    return front.sort_values([*costs[:1], "trial"], ascending=[*order, True])


def joint_fronts(points: Points) -> dict[str, list[int]]:
    """For each two costs, as ``flops params``, the rows on the front of accuracy against both."""
    return {
        f"{one} {other}": _front(points.table, [one, other], points.maximize).index.sort_values().tolist()
        for one, other in itertools.combinations(points.costs, 2)
    }


def _gap(table: pd.DataFrame, front: pd.DataFrame, cost: str, sign: float) -> NDArray[np.float64]:
    """How much more accurate the front is at each row's cost: `[N]`; infinite if the cost is missing.

    Args:
        sign: -1 if more of the cost is better.
    """
    ordered, own = (sign * frame[cost].to_numpy(np.float64) for frame in (front, table))
    below = np.searchsorted(ordered, own, "right") - 1
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


def names_of(points: Points) -> list[str]:
    """The titles of what is known of a point: its accuracy, its costs and its reward."""
    return ["accuracy", *points.costs.values(), *(["reward"] if points.rewarded else [])]


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
        "names": names_of(points),
        "text": [
            [
                accuracy_text(row),
                *(cost_text(cost, row[cost]) for cost in points.costs),
                *([f"{row['reward']:.4f}"] if points.rewarded else []),
            ]
            for row in rows
        ],
        "costs": dict(points.costs),
        "measured": points.measured,
        "first": next(iter(points.aims), ""),
        "joint": joint_fronts(points),
        "blocks": drawings,
        "best": points.best,
    }
    return columns, list(numbers)
