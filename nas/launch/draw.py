"""Draws the networks that an audit trains, or that are measured to fit a predictor."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.errors import InputError
from nas.search.tables import read_table
from search_spaces import SearchSpace
from search_spaces.limits import shown

MOST_NETWORKS = 10_000
MISSES = 500  # repeated draws in a row, after which a space is taken to have no other networks


def draw_networks(space: SearchSpace, networks: int, seed: int) -> tuple[str, ...]:
    """Draws ``networks`` distinct networks of ``space``, uniformly over its actions.

    Raises:
        InputError: as ``check_number``, or if the space has fewer networks.
    """
    check_number(networks)
    rng = np.random.default_rng(seed)
    drawn: dict[str, None] = {}
    misses = 0
    while len(drawn) < networks and misses < MISSES:
        arch = str(space.decode(space.sample(rng)))
        misses = misses + 1 if arch in drawn else 0
        drawn[arch] = None
    if len(drawn) == networks:
        return tuple(drawn)
    raise InputError(
        f"networks must be at most the {len(drawn)} networks found in `space` {space.name}, got {networks}"
    )


def draw_known(
    space: SearchSpace, file: Path, networks: int, seed: int
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Draws ``networks`` distinct networks of the table in ``file``; returns them and their accuracies.

    Raises:
        InputError: as ``check_number``, or if the table cannot be read or has fewer.
    """
    check_number(networks)
    archs, accuracies = read_table(file, space)
    if len(archs) < networks:
        raise InputError(
            f"networks must be at most the {len(archs)} networks of `reference`, got {networks}: {file}"
        )
    rows = np.random.default_rng(seed).choice(len(archs), networks, replace=False)
    return tuple(str(archs[row]) for row in rows), tuple(float(accuracies[row]) for row in rows)


def check_number(networks: int) -> None:
    """InputError if there are too few networks to rank, or too many to draw."""
    if networks < 2:
        raise InputError(f"networks must be at least 2, got {networks}")
    if networks > MOST_NETWORKS:
        raise InputError(f"networks must be at most {MOST_NETWORKS:,}, got {shown(networks)}")
