"""Which of the networks of a run is best: by reward, within budgets, or under another objective.

Networks are the rows of ``Run.networks``, and ``known`` are the names of ``Run.known_costs``.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

import reports
from nas.errors import InputError
from nas.spec.objective import Objective
from nas.spec.targets import parse_value, plain_value
from search_spaces.limits import shown
from search_spaces.names import unknown


def highest_reward(networks: pd.DataFrame) -> dict[str, Any]:
    """The row with the highest reward, or the first of several."""
    return _row(networks.loc[[networks["reward"].idxmax()]])


def within(
    networks: pd.DataFrame, budgets: Mapping[str, float], known: Sequence[str], maximized: Sequence[str] = ()
) -> dict[str, Any]:
    """The row with the highest accuracy within ``budgets``, by the names of costs.

    Of what is maximized, a budget is the least that is wanted.

    Raises:
        InputError: if the networks have no such cost, or none of them is within all budgets.
    """
    for name in budgets:
        if name not in known:
            raise InputError(f"budget: {unknown('measure', name, known)}")
    fits = networks
    for name, value in budgets.items():
        fits = fits[fits[name] >= value if name in maximized else fits[name] <= value]
    if fits.empty:
        asked = ", ".join(f"{name}={reports.cost_text(name, value)}" for name, value in budgets.items())
        reached = {
            name: networks[name].max() if name in maximized else networks[name].min()
            for name in budgets
            if len(networks)
        }
        most = ", ".join(f"{name} {reports.cost_text(name, value)}" for name, value in reached.items())
        word = "best" if set(reached) & set(maximized) else "least"
        raise InputError(
            f"budget must leave one of the {len(networks)} networks that were tried ({word}: {most}), "
            f"got {asked}"
        )
    return _row(fits.sort_values(["accuracy", "trial"], ascending=[False, True]))


def ranked(
    networks: pd.DataFrame, objective: Objective, known: Sequence[str], cost: str = "flops"
) -> pd.DataFrame:
    """The networks under ``objective``, the best first, with the ``reward`` that they had as ``old_reward``.

    Args:
        cost: takes the place of the objective's FLOPs.

    Raises:
        ValueError: if the networks lack one of the objective's costs.
    """
    for name in objective.costs:
        if name not in known:
            raise ValueError(f"target: {unknown('measure', name, known)}")
    networks = networks.drop(columns=["p_best", "reward_error"], errors="ignore")
    networks = networks[networks[list(objective.costs)].notna().all(axis=1)]
    rows: Any = networks.assign(flops=networks[cost])[["flops", *objective.names_beside_flops]]
    rewards = [
        objective(accuracy, costs)
        for accuracy, costs in zip(networks["accuracy"], rows.to_dict("records"), strict=True)
    ]
    networks = networks.assign(reward=rewards, old_reward=networks["reward"])
    return networks.sort_values(["reward", "trial"], ascending=[False, True])


def read_budgets(given: Mapping[str, float | str]) -> dict[str, float]:
    """Budgets by the names of costs: milliseconds, bytes or a number, or a text with its unit.

    Raises:
        InputError: if one cannot be read, or is not positive and finite.
    """
    try:
        return {name: parse_value(name, _budget_text(name, given[name]), "budget") for name in given}
    except ValueError as error:
        raise InputError(str(error)) from None


def _budget_text(name: str, value: object) -> str:
    """A budget as a text with its unit; ValueError if it is neither a number nor a text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"budget {name} must be a number or a text, got {shown(value)}")
    return plain_value(name, float(value))


def _row(networks: pd.DataFrame) -> dict[str, Any]:
    """The first row, by column."""
    return {str(column): value for column, value in networks.to_dict("records")[0].items()}
