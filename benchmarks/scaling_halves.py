"""Does the model's direction move less than the grid's choice, each made from half of the training runs?

    nas scale --phi 1 --seed 0 --run runs/s0
    python benchmarks/scaling_halves.py runs/s0 runs/s1 ...

Each network of a scaling run was trained on several seeds; every other one makes a half. The move is the
largest difference between the coefficients that the two halves choose.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from script import make_parser, print_marks

from nas import open_run
from nas.runs.scaling_direction import find_direction
from nas.runs.scaling_results import compare, scaling_of
from nas.spec.settings import Settings
from scaling_search import Coefficients


def halves(trials: pd.DataFrame) -> list[pd.DataFrame]:
    """Every other training run of each network."""
    number = trials.groupby("arch").cumcount()
    return [trials[number % 2 == half] for half in (0, 1)]


def choices(trials: pd.DataFrame, settings: Settings) -> tuple[Coefficients, Coefficients]:
    """What the grid chooses, the best mean, and the model."""
    scaling = scaling_of(settings)
    compared = compare(trials, scaling, settings.recipe)
    best = compared[compared["chosen"]].iloc[0]
    found = find_direction(trials, settings)
    assert found is not None
    return Coefficients(best["alpha"], best["beta"], best["gamma"]), found.coefficients


def moved(one: Coefficients, other: Coefficients) -> float:
    """The largest difference."""
    return max(abs(a - b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def main() -> int:
    """Prints the choices and moves of each run, and whether the model's are smaller."""
    parser = make_parser(__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="Finished runs of nas scale, at least two seeds.")
    moves = []
    for directory in parser.parse_args().runs:
        run = open_run(directory)
        (grids, models) = zip(*(choices(half, run.settings) for half in halves(run.trials())), strict=True)
        moves.append((moved(*grids), moved(*models)))
        print(
            f"{directory.name}: grid {grids[0]} and {grids[1]}, moved by {moves[-1][0]:.2f}; "
            f"model {models[0]} and {models[1]}, moved by {moves[-1][1]:.2f}"
        )
    grid, model = np.mean(moves, axis=0)
    print(f"mean move: grid {grid:.2f}, model {model:.2f}")
    return print_marks({"the model's direction moves less than the grid's": bool(model < grid)})


if __name__ == "__main__":
    sys.exit(main())
