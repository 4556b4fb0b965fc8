"""What a controller proposes: the share of each choice, over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from search_spaces import Decision

MOST_WINDOWS = 30
LEAST_PROPOSALS = 16


@dataclass(frozen=True)
class Marginals:
    """Shares of the choices, in windows of consecutive proposals. W: windows, C: choices, D: decisions.

    Args:
        decisions: in the space's order.
        ends: the last trial of each window: `[W]`
        size: proposals in a window, give or take one.
        shares: per decision, rows add up to 1: `[W, C]`
    """

    decisions: tuple[Decision, ...]
    ends: NDArray[np.int64]
    size: int
    shares: tuple[NDArray[np.float64], ...]

    def entropy(self) -> NDArray[np.float64]:
        """Each decision's entropy over that of a uniform choice, 1 where nothing is preferred: `[W, D]`

        Miller and Madow's correction compensates for the few proposals in a window.
        """
        columns = []
        for shares in self.shares:
            logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
            bias = ((shares > 0).sum(1) - 1) / (2 * self.size)
            most = np.log(max(2, shares.shape[1]))
            columns.append(np.minimum(1, (bias - (shares * logs).sum(1)) / most))
        return np.stack(columns, axis=1)


def marginals(trials: pd.DataFrame, decisions: Sequence[Decision]) -> Marginals | None:
    """What the controller proposed, failed trials and repeats included.

    Args:
        trials: with ``trial`` and ``actions``, in order.

    Returns:
        None if there are fewer than ``LEAST_PROPOSALS``, or they do not fit the decisions.
    """
    sizes = [len(decision.choices) for decision in decisions]
    windows = min(MOST_WINDOWS, math.isqrt(len(trials)))
    if len(trials) < LEAST_PROPOSALS or not sizes or set(map(len, trials["actions"])) != {len(sizes)}:
        return None
    actions = np.array(trials["actions"].to_list())  # [N, D]
    if (actions < 0).any() or (actions >= sizes).any():
        return None
    edges = np.linspace(0, len(actions), windows + 1).astype(int)
    shares = []
    for column, size in zip(actions.T, sizes, strict=True):
        chosen = np.eye(size)[column]  # [N, C]
        shares.append(np.add.reduceat(chosen, edges[:-1]) / np.diff(edges)[:, None])
    ends = trials["trial"].to_numpy(np.int64)[edges[1:] - 1]
    return Marginals(tuple(decisions), ends, len(actions) // windows, tuple(shares))
