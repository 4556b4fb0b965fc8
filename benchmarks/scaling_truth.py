"""Does a model of all training runs choose a better direction to scale in than the grid's luckiest network?

    python benchmarks/scaling_truth.py [--runs 100] [--trainings 30] [--seed 0]

Simulated truths on EfficientNet-B0's grid: the best direction is drawn from the whole triangle of shares, or
is one of five; what a wrong direction costs is drawn, too. Networks have a misfit, and training runs noise.
All networks are trained equally often. The grid chooses the best mean; the model is fitted to the same
training runs. The regret is the accuracy that the chosen direction loses. Then the same networks are trained
again: how much does the coefficient (alpha, beta or gamma) change that changes most?
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
from numpy.typing import NDArray
from script import make_parser, print_marks

from scaling_search import Grid, Posterior, coefficients_of, distinct, within
from scaling_search.direction import fit, log_growths, shares_of
from search_spaces import PRESETS, cost

NOISE, MISFIT, GAIN = 0.0084, 0.003, 0.02
"""Deviations between training runs of one network, as measured, and of networks from the model; the accuracy
that twice the compute adds."""
CURVATURE, CURVATURE_FACTOR = 0.02, 3
"""What a wrong direction costs: median, and the factor of one deviation."""
DIRECTIONS: dict[str, tuple[float, float, float] | None] = {
    "anywhere": None,
    "published": (0.28, 0.29, 0.43),
    "equal": (1 / 3, 1 / 3, 1 / 3),
    "depth": (0.7, 0.15, 0.15),
    "width": (0.1, 0.7, 0.2),
    "resolution": (0.1, 0.1, 0.8),
}
Array = NDArray[np.float64]


def true_means(growths: Array, best: Array, curvature: float, rng: np.random.Generator) -> Array:
    """What the networks would reach on average, if ``best`` `[3]` were the best shares: `[N]`."""
    compute = growths.sum(axis=1)
    away = ((growths / compute[:, None] - best) ** 2).sum(axis=1)
    return (GAIN - curvature * away) * compute + rng.normal(0, MISFIT, len(growths))


def trained(means: Array, trainings: int, growths: Array, rng: np.random.Generator) -> tuple[int, Posterior]:
    """The network with the best mean, and the model, after equally many training runs of each network."""
    runs = [
        mean + rng.normal(0, NOISE, len(range(number, trainings, len(means))))
        for number, mean in enumerate(means)
    ]
    squares = float(sum(((one - one.mean()) ** 2).sum() for one in runs))
    found, counts = (np.array([f(one) for one in runs], float) for f in (np.mean, len))
    return int(found.argmax()), fit(growths, found, counts, squares)


def main() -> int:
    """Prints regrets, how often intervals hold the truth, changes between seeds, and the marks."""
    parser = make_parser(__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--trainings", type=int, default=30, help="at least one of each of the 15 networks")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    base, grid = PRESETS["efficientnet-b0"], Grid()
    target = grid.product * cost(base).flops
    kept = within(distinct(base, grid.triples()), target, grid.flops_tolerance)
    growths = np.array([log_growths(base, arch) for arch in kept])
    shares = np.array([shares_of(triples[0]) for triples in kept.values()])
    rng, marks = np.random.default_rng(asked.seed), {}
    for name, direction in DIRECTIONS.items():
        regrets, moves, held = [], [], []
        for _ in range(asked.runs):
            best = rng.dirichlet(np.ones(3)) if direction is None else np.array(direction)
            curvature = float(CURVATURE * CURVATURE_FACTOR ** rng.normal())
            means = true_means(growths, best, curvature, rng)
            both = [trained(means, asked.trainings, growths, rng) for _ in range(2)]
            choices = np.array([(shares[lucky], posterior.best) for lucky, posterior in both])  # [2, 2, 3]
            triples = [
                [dataclasses.astuple(coefficients_of(choice, grid.product)) for choice in pair]
                for pair in choices
            ]
            regrets.append(curvature * ((choices[0] - best) ** 2).sum(axis=1))
            moves.append(np.abs(np.diff(triples, axis=0)[0]).max(axis=1))
            intervals = [both[0][1].interval(axis) for axis in range(3)]
            held.append([low <= share <= high for (low, high), share in zip(intervals, best, strict=True)])
        lucky, modelled = 100 * np.median(regrets, axis=0)
        cover, (grid_moves, model_moves) = np.mean(held, axis=0), np.array(moves).T
        print(
            f"{name}: median regret in points: grid {lucky:.3f}, model {modelled:.3f}; 90 % intervals of "
            f"depth, width, resolution hold the truth in {cover[0]:.0%}, {cover[1]:.0%}, {cover[2]:.0%}; "
            f"between seeds a coefficient changes by {np.median(grid_moves):.3f} (grid) and "
            f"{np.median(model_moves):.3f} (model) in the median, by at most 0.1 in "
            f"{np.mean(grid_moves <= 0.1):.0%} and {np.mean(model_moves <= 0.1):.0%}",
            flush=True,
        )
        marks[f"{name}: at most half the grid's median regret"] = modelled <= lucky / 2
        if direction is None:
            marks["intervals hold the truth in 85 to 95 % of the cases"] = 0.85 <= cover.mean() <= 0.95
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
