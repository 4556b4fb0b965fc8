"""The hypervolume of a run: how good its networks are for all budgets at once, as one number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import reports
from nas.runs.run import Run
from reports.pareto import split_measures

MOST_COSTS = 2
"""Costs of a hypervolume: with accuracy, three objectives."""


def volume_costs(runs: Sequence[Run]) -> tuple[str, ...]:
    """The costs that hypervolumes of these runs are of: those that all aimed at, at most two.

    If they have none in common, FLOPs, where all know them.
    """
    sides = [{name: name in run.maximized for name in run.costs} for run in runs]
    common = tuple(name for name in runs[0].costs if all(one.get(name) is sides[0][name] for one in sides))
    known = all(run.networks()["flops"].notna().all() for run in runs)
    return common[:MOST_COSTS] or (("flops",) if known else ())


def reference_of(runs: Sequence[Run]) -> dict[str, float]:
    """The reference of the hypervolume: accuracy 0 at the largest costs of all networks that were trained.

    Of what is maximized it is 0, too, or the smallest value if that is below.
    """
    reference = {"accuracy": 0.0}
    for name in volume_costs(runs):
        if name in runs[0].maximized:
            reference[name] = min(0.0, *(float(run.networks()[name].min()) for run in runs))
            continue
        largest = [networks[name].max() for run in runs if name in (networks := run.networks())]
        known = [float(value) for value in largest if value > 0]
        reference[name] = max(known, default=1.0)
    return reference


def hypervolume_of(run: Run, reference: Mapping[str, float]) -> float:
    """The hypervolume of accuracy against the reference's costs, over their product.

    This is the best accuracy within budgets, averaged over all budgets up to the reference; it counts as 0
    below the smallest network. What is maximized multiplies the accuracy, as it does for a width of 1.
    """
    costs, networks = [name for name in reference if name != "accuracy"], run.networks()
    if any(name not in networks for name in costs):
        return 0.0
    larger, smaller = split_measures(costs, run.maximized)
    volume = reports.hypervolume(networks, larger, smaller, reference=reference)
    return volume / math.prod(reference[name] for name in smaller)
