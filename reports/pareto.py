"""Pareto fronts of DataFrames: the rows that no other row beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def pareto_front(
    df: pd.DataFrame, maximize: Sequence[str] = ("accuracy",), minimize: Sequence[str] = ("flops",)
) -> pd.DataFrame:
    """The rows of ``df`` that no row dominates, in their order; equal rows are on the front together.

    A row dominates another if it is no worse in any column and better in one. Rows with a missing
    value are never on the front, nor are failed trials where there is a ``status``. Two objectives
    take O(n log n).

    Raises:
        ValueError: if there is no objective, or a column is missing.
    """
    columns = [*maximize, *minimize]
    if not columns:
        raise ValueError("a Pareto front needs at least one column to maximize or minimize")
    missing = [column for column in columns if column not in df]
    if missing:
        raise ValueError(f"columns must be among {list(df.columns)}, got {missing}")
    candidates = df[df["status"] == "done"] if "status" in df else df
    candidates = candidates.dropna(subset=columns)
    signs = np.array([-1.0] * len(maximize) + [1.0] * len(minimize))
    costs = candidates[columns].to_numpy(np.float64) * signs  # [N, O], all to be minimised
    unique, inverse = np.unique(
        costs, axis=0, return_inverse=True
    )  # sorted by the first column, then the next
    return candidates[_on_front(unique)[inverse.reshape(-1)]]


def _on_front(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the distinct, lexicographically sorted rows `[N, O]` are not dominated."""
    keep = np.ones(len(costs), bool)
    if costs.shape[1] == 1:
        keep[1:] = False
    elif costs.shape[1] == 2:
        keep[1:] = costs[1:, 1] < np.minimum.accumulate(costs[:-1, 1])
    else:
        front = np.empty_like(costs)
        size = 0
        for index, row in enumerate(costs):  # whatever dominates a row stands before it
            keep[index] = not (front[:size] <= row).all(axis=1).any()
            if keep[index]:
                front[size] = row
                size += 1
    return keep
