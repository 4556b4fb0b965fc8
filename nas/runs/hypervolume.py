"""The hypervolume of a run: how good its networks are for all budgets at once, as one number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import reports
from nas.runs.run import Run

MOST_COSTS = 2
"""Costs of a hypervolume: with accuracy, three objectives."""


def volume_costs(runs: Sequence[Run]) -> tuple[str, ...]:
    """The costs that hypervolumes of these runs are of: those that all aimed at, at most two.

    If they have none in common, FLOPs, where all know them.
    """
    first, *others = (run.costs for run in runs)
    common = tuple(name for name in first if all(name in costs for costs in others))
    known = all(run.networks()["flops"].notna().all() for run in runs)
    return common[:MOST_COSTS] or (("flops",) if known else ())


def reference_of(runs: Sequence[Run]) -> dict[str, float]:
    """The reference of the hypervolume: accuracy 0 at the largest costs of all networks that were trained."""
    reference = {"accuracy": 0.0}
    for name in volume_costs(runs):
        largest = [networks[name].max() for run in runs if name in (networks := run.networks())]
        known = [float(value) for value in largest if value > 0]
        reference[name] = max(known, default=1.0)
    return reference


def hypervolume_of(run: Run, reference: Mapping[str, float]) -> float:
    """The hypervolume of accuracy against the reference's costs, over their product.

    This is the best accuracy within budgets, averaged over all budgets up to the reference; it counts as 0
    below the smallest network.
    """
    costs, networks = [name for name in reference if name != "accuracy"], run.networks()
    if any(name not in networks for name in costs):
        return 0.0
    volume = reports.hypervolume(networks, minimize=costs, reference=reference)
    return volume / math.prod(reference[name] for name in costs)
