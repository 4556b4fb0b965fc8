"""Pareto fronts of DataFrames: the rows that no other row dominates, and the volume that they dominate."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BLOCK = 512
"""Rows that are compared with the front at a time, with four or more objectives."""


def pareto_front(
    df: pd.DataFrame, maximize: Sequence[str] = ("accuracy",), minimize: Sequence[str] = ("flops",)
) -> pd.DataFrame:
    """The rows of ``df`` that no row dominates, in their order; equal rows are on the front together.

    A row dominates another if it is no worse in any column and better in one. Rows with a missing value are
    never on the front, nor, if there is a ``status``, are failed trials. Up to three objectives take
    O(n log n), more take O(n * front).

    Raises:
        ValueError: if there is no objective, or a column is missing.
    """
    candidates, costs = _costs(df, maximize, minimize)
    order = np.lexsort(costs.T[::-1])  # by the first column, then the next
    ordered = costs[order]
    new = np.ones(len(ordered), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    keep = np.empty(len(ordered), bool)
    keep[order] = _on_front(ordered[new])[np.cumsum(new) - 1]
    return candidates[keep]


def split_measures(costs: Sequence[str], maximize: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """What a front of accuracy against ``costs`` maximizes, accuracy first, and what it minimizes.

    Args:
        maximize: those of which more is better, such as ``f1``; others are left out.
    """
    larger = [name for name in costs if name in maximize]
    return ["accuracy", *larger], [name for name in costs if name not in larger]


def hypervolume(
    df: pd.DataFrame,
    maximize: Sequence[str] = ("accuracy",),
    minimize: Sequence[str] = ("flops",),
    *,
    reference: Mapping[str, float],
) -> float:
    """The exact volume of the points that beat ``reference`` and that the front dominates.

    Rows with a missing value, failed trials and rows that are not better than the reference in every column
    add nothing. Only hypervolumes with the same reference can be compared. O(n log n) with one or two
    objectives; with three, also a list insertion per row of the front.

    Args:
        reference: per column, the value that a row must beat to count.

    Raises:
        ValueError: if there are more than three objectives or none, a column is missing, or the reference
            lacks one or is not finite.
    """
    columns = [*maximize, *minimize]
    if len(columns) > 3:
        raise ValueError(f"hypervolume must have at most 3 objectives, got {columns}")
    if set(reference) != set(columns) or not all(map(math.isfinite, reference.values())):
        raise ValueError(f"reference must have a finite number for each of {columns}, got {dict(reference)}")
    _, costs = _costs(df, maximize, minimize)
    worst = np.array([reference[name] for name in columns]) * _signs(maximize, minimize)
    gains = np.unique(worst - costs[(costs < worst).all(axis=1)], axis=0)  # [N, O], all positive
    if np.isinf(gains).any():
        return math.inf
    gains = -np.sort(-gains[:, :1], axis=0) if gains.shape[1] == 1 else gains[::-1]
    if len(columns) == 3:
        return _volume(gains)
    heights = gains[:, 1] if len(columns) == 2 else np.ones(len(gains))
    tops = np.maximum.accumulate(heights)  # from the widest gain to the narrowest
    return float(np.sum(gains[:, 0] * np.diff(tops, prepend=0.0)))


def _costs(
    df: pd.DataFrame, maximize: Sequence[str], minimize: Sequence[str]
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """The rows that may be on a front, and their costs `[N, O]`, all to be minimised. O: objectives."""
    columns = [*maximize, *minimize]
    if not columns:
        raise ValueError("a Pareto front needs at least one column to maximize or minimize")
    missing = [column for column in columns if column not in df]
    if missing:
        raise ValueError(f"columns must be among {list(df.columns)}, got {missing}")
    candidates = df[df["status"] == "done"] if "status" in df else df
    candidates = candidates.dropna(subset=columns)
    return candidates, candidates[columns].to_numpy(np.float64) * _signs(maximize, minimize)


def _signs(maximize: Sequence[str], minimize: Sequence[str]) -> NDArray[np.float64]:
    return np.array([-1.0] * len(maximize) + [1.0] * len(minimize))


def _on_front(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the distinct, lexicographically sorted rows `[N, O]` are not dominated."""
    keep = np.ones(len(costs), bool)
    if costs.shape[1] == 1:
        keep[1:] = False
    elif costs.shape[1] == 2:
        keep[1:] = costs[1:, 1] < np.minimum.accumulate(costs[:-1, 1])
    elif costs.shape[1] == 3:
        steps = _Staircase()
        keep[:] = [steps.add(x, y) for x, y in costs[:, 1:].tolist()]
    else:
        front = costs[:0]
        for start in range(0, len(costs), BLOCK):  # only earlier rows can dominate a row
            rows = np.arange(start, min(start + BLOCK, len(costs)))
            alive = rows[~_dominated(costs[rows], front)]
            alive = alive[~_dominated(costs[alive], costs[alive])]
            keep[rows] = np.isin(rows, alive)
            front = np.concatenate([front, costs[alive]])
    return keep


def _dominated(rows: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of ``rows`` one of ``others`` dominates; equal ones do not."""
    worse = np.zeros((len(rows), len(others)), bool)  # [row, other]: the other is worse in some objective
    equal = np.ones_like(worse)
    for row, other in zip(rows.T, others.T, strict=True):
        worse |= row[:, None] < other
        equal &= row[:, None] == other
    return np.asarray((~worse & ~equal).any(axis=1))


class _Staircase:
    """Points of which none dominates another: x rises and y falls."""

    def __init__(self) -> None:
        self.x: list[float] = []
        self.y: list[float] = []

    def add(self, x: float, y: float) -> bool:
        """Adds a point and removes those that it dominates; False if it is dominated or already there."""
        right = bisect.bisect_right(self.x, x)
        if right and self.y[right - 1] <= y:
            return False
        first = right - 1 if right and self.x[right - 1] == x else right
        last = first
        while last < len(self.x) and self.y[last] >= y:
            last += 1
        self.x[first:last] = [x]
        self.y[first:last] = [y]
        return True


def _volume(gains: NDArray[np.float64]) -> float:
    """The volume of the union of boxes from the origin to ``gains`` `[N, 3]`, sorted, the widest first.

    The union is cut across the first axis, from the far end to the origin. A slice reaches to the end of the
    next box, and its area is that below a staircase, which grows box by box.
    """
    steps, area, parts = _Staircase(), 0.0, []
    ends = [*gains[:, 0].tolist(), 0.0][1:]
    for (x, y, z), end in zip(gains.tolist(), ends, strict=True):
        index = bisect.bisect_right(steps.x, -y)  # the staircase holds negative gains, so y falls along it
        edge, height = y, max(0.0, -steps.y[index - 1]) if index else 0.0  # of the staircase at y
        while height < z:  # towards the origin, until the staircase is as high as the box
            reach = -steps.x[index] if index < len(steps.x) else 0.0
            area += (edge - reach) * (z - height)
            if index == len(steps.x):
                break
            edge, height, index = reach, -steps.y[index], index + 1
        steps.add(-y, -z)
        parts.append((x - end) * area)
    return math.fsum(parts)
