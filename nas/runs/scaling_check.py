"""Does the direction last? The same question at more compute, on fewer networks: ``nas scale --check``."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.runs.run import Run
from nas.runs.scaling_direction import DIMENSIONS, Direction, find_direction, shares_text
from nas.runs.search_results import trial_state
from nas.runs.second_part import SecondPart, with_fresh_seeds
from nas.spec.settings import Settings
from reports.numbers import percent, plural
from scaling_search.direction import triangle

NETWORKS = 10
"""Networks of a check, each trained once: the model needs directions that differ, rather than seeds."""
SURE = 0.95


def checked_part(settings: Settings) -> SecondPart | None:
    """The check; None if none was asked for."""
    scaling = settings.scaling
    if scaling is None or scaling.check is None:
        return None
    name, value = scaling.check
    smaller = dataclasses.replace(scaling, check=None, strategies=("compound",), seeds=1, most=NETWORKS)
    recipe = settings.recipe
    if name == "phi":
        smaller = dataclasses.replace(smaller, phi=value)
    else:
        recipe = dataclasses.replace(recipe, epochs=max(1, round(value * recipe.epochs)))
    target = dataclasses.replace(settings.objective, target_flops=smaller.target_flops)
    second = with_fresh_seeds(
        settings, scaling=smaller, recipe=recipe, trials=len(smaller.candidates), objective=target
    )
    return SecondPart("check", f"The check {_words(name, value)}", second)


def scaling_state(run: Run) -> dict[str, Any]:
    """``trial_state``, also of the check."""
    second = checked_part(run.settings)
    return second.state(run) if second else trial_state(run)


def check_lines(run: Run, found: Direction | None) -> list[str]:
    """Whether the check found another direction, in words; empty without a check, or before it has one."""
    second, settings = checked_part(run.settings), run.settings
    other = second.run(run) if second else None
    checked = find_direction(other.trials(), other.settings) if other else None
    if found is None or checked is None or settings.scaling is None or settings.scaling.check is None:
        return []
    name, value = settings.scaling.check
    line = (
        f"Checked {_words(name, value)} ({plural(checked.trainings, 'training run')}), of the growth in "
        f"compute: {shares_text(checked)}."
    )
    rises = [rise(found, checked, number) for number in range(3)]
    moved = [
        f"{dimension} gets {'more' if chance > SURE else 'less'}"
        for dimension, chance in zip(DIMENSIONS, rises, strict=True)
        if not 1 - SURE <= chance <= SURE
    ]
    if not moved:
        widest = max(zip(rises, DIMENSIONS, strict=True), key=lambda pair: abs(pair[0] - 0.5))
        return [
            line,
            f"That the direction changes cannot be told: {widest[1]} gets "
            f"{'more' if widest[0] > 0.5 else 'less'} there with a probability of "
            f"{percent(max(widest[0], 1 - widest[0]))}.",
        ]
    lines = [line, f"The direction does not last (95 %): there {' and '.join(moved)}."]
    if name == "epochs" and rises[1] < 1 - SURE:
        lines.append(
            "Short training favors width, as ResNet-RS found (arXiv:2103.07579): for networks that will be "
            "trained for long, take the direction of the longer schedule."
        )
    return lines


def rise(before: Direction, after: Direction, dimension: int) -> float:
    """The probability that the share of depth (0), width (1) or resolution (2) is larger ``after``."""
    first, second = (_marginal(one, dimension) for one in (before, after))
    above = second[::-1].cumsum()[::-1]  # at least as large
    return float(first @ (above - second / 2))


def _marginal(found: Direction, dimension: int) -> NDArray[np.float64]:
    """The weight of each share of one dimension, from 0 to 1 in the triangle's steps."""
    _, number = np.unique(triangle()[:, dimension].round(9), return_inverse=True)
    return np.asarray(np.bincount(number, found.posterior.directions), np.float64)


def _words(name: str, value: float) -> str:
    return f"at phi {value:g}" if name == "phi" else f"with {value:g} times the epochs"
