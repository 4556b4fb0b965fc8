"""Why one search for all budgets is behind a search for each: by its model, its trials or its climbing.

    python benchmarks/pareto_gap.py [--seeds 4] [--trials 100]

For the budgets of pareto.py, and after ``--trials`` of the search for all budgets and of the search for each:

tau, error    how the model of accuracy ranks 400 networks near the best one within the budget, and its root
              mean square error on them, in points; they differ from it in 2 to 8 decisions, fit the budget,
              and use at least 75 % of it
found         the best accuracy within the budget, in percent
predicted     the true accuracy of the network that the model then ranks first within the budget, if it were
              trained; evolution finds it
after N more  found, if the search for all budgets is followed by N trials for this budget alone

The last line says how much of the largest expected gain, as evolution finds it with 10,000 networks, the
search for all budgets finds itself. The best network is that of evolution on the trees themselves.
Writes the networks that were asked for in ``--out``/asked; what is there is not run again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pareto import COSTS, SHARES, SPACE, Oracle, fit, hard, oracle, price, search
from scipy.stats import kendalltau
from script import make_parser

import controllers
from controllers.features import Features
from controllers.gaussian_process import GaussianProcess
from controllers.surrogate import Surrogate, without_outliers
from search_spaces import Actions

Networks = NDArray[np.int64]
Values = Callable[[Networks], NDArray[np.float64]]
CHOICES = np.array([len(decision.choices) for decision in SPACE.decisions])
FEATURES = Features(SPACE, price)
AFTER = (1, 3, 10, 20)
ROUNDS, KIDS, KEPT = 25, 400, 60


def asked(name: str, trees: Oracle, seed: int, trials: int, out: Path) -> Networks:
    """The networks `[T, D]` that a search asks for."""
    file = out / "asked" / f"{name}-{seed}-{trials}.npy"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        np.save(file, np.array(search(name, trees, seed, trials)[0]))
    return np.asarray(np.load(file), np.int64)


def costs(trees: Oracle, networks: Networks) -> NDArray[np.float64]:
    """Both latencies `[N, 2]`."""
    return np.stack([trees(name, networks) for name in COSTS], axis=1)


def within(trees: Oracle, number: int, value: Values) -> Values:
    """``value`` of networks that fit the budget, and less the further they are beyond it."""
    budget = np.array([trees.budgets[number][name] for name in COSTS])

    def limited(networks: Networks) -> NDArray[np.float64]:
        over = np.maximum(costs(trees, networks) / budget, 1.0).prod(axis=1)
        return np.where(over > 1, -1 - over, value(networks))

    return limited


def changed(networks: Networks, most: int, rng: np.random.Generator) -> Networks:
    """Networks `[N, D]` with one to ``most`` decisions, each, drawn again."""
    order = np.argsort(rng.random(networks.shape), axis=1)
    drawn = order < rng.integers(1, most + 1, size=(len(networks), 1))
    return np.where(drawn, rng.integers(CHOICES, size=networks.shape), networks)


def evolved(value: Values, parents: Networks, rng: np.random.Generator) -> Networks:
    """The best networks that evolution finds, best first."""
    for _ in range(ROUNDS):
        kids = changed(parents[rng.integers(len(parents), size=KIDS)], 4, rng)
        parents = np.unique(np.concatenate([parents, kids]), axis=0)
        parents = parents[np.argsort(-value(parents), kind="stable")[:KEPT]]
    return parents


def near(trees: Oracle, number: int, best: Networks) -> Networks:
    """Up to 400 networks near ``best`` `[D]`, within the budget and using most of it."""
    rng = np.random.default_rng(number)
    some = np.unique(changed(np.repeat(best[None], 20_000, axis=0), 8, rng), axis=0)
    some = some[(some != best).sum(axis=1) >= 2]
    shares = costs(trees, some) / [trees.budgets[number][name] for name in COSTS]
    return rng.permutation(some[(shares <= 1).all(axis=1) & (shares >= 0.75).all(axis=1)])[:400]


def mean_of(trees: Oracle, networks: Networks) -> Values:
    """The mean of the model of accuracy after these trials."""
    features, accuracies = FEATURES(networks)[0], without_outliers(trees("accuracy", networks))
    process = GaussianProcess(FEATURES.groups)
    process.learn(features, accuracies)
    predict = process.condition(features, accuracies)
    return lambda some: predict(FEATURES(some)[0])[0]


def found(trees: Oracle, number: int, networks: Networks) -> float:
    """The best accuracy within the budget, in percent."""
    return 100 * float(within(trees, number, functools.partial(trees, "accuracy"))(networks).max())


def followed(trees: Oracle, number: int, networks: Networks, seed: int) -> list[float]:
    """``found`` after more trials, for this budget alone, of a search that was told all of these."""
    objective = hard(trees.budgets[number])
    measures = {one: functools.partial(trees, one) for one in COSTS}

    def reward(actions: Actions) -> float:
        one = np.array([actions])
        return float(objective(trees("accuracy", one)[0], {name: trees(name, one)[0] for name in COSTS}))

    controller = controllers.make(
        "dyna", SPACE, seed=seed + 100, price=price, measures=measures, objective=objective
    )
    for actions in map(tuple, networks.tolist()):
        controller.tell(actions, reward(actions))
    bests = []
    for more in range(1, AFTER[-1] + 1):
        actions = controller.ask()
        controller.tell(actions, reward(actions))
        networks = np.vstack([networks, actions])
        if more in AFTER:
            bests.append(found(trees, number, networks))
    return bests


def climbed(trees: Oracle, networks: Networks, seed: int) -> float:
    """The expected gain of what is asked for after these trials, over the largest that evolution finds."""
    measures = {one: functools.partial(trees, one) for one in COSTS}
    controller = controllers.make("dyna", SPACE, seed=seed, price=price, measures=measures, front=COSTS)
    told = [(tuple(row.tolist()), float(trees("accuracy", row[None])[0])) for row in networks]
    for actions, accuracy in told:
        controller.tell(actions, accuracy)
    asked_for = np.array([controller.ask()])
    score = Surrogate(SPACE, None, price, measures, COSTS).improvement(told, [], [])
    parents = np.concatenate([asked_for, networks])
    best = evolved(score, parents, np.random.default_rng(seed))[:1]
    return float(np.exp(score(asked_for)[0] - score(best)[0]))


@functools.cache
def best_within(trees: Oracle, number: int) -> Networks:
    """The best network `[D]` within the budget, or almost."""
    rng = np.random.default_rng(number)
    limited = within(trees, number, functools.partial(trees, "accuracy"))
    starts = [rng.integers(CHOICES, size=(3000, len(CHOICES))) for _ in range(4)]
    return evolved(limited, np.concatenate([evolved(limited, start, rng) for start in starts]), rng)[0]


def compared(trees: Oracle, number: int, seed: int, trials: int, out: Path) -> list[dict[str, object]]:
    """A row for the search for all budgets and one for the search for this one."""
    rng, best = np.random.default_rng(number), best_within(trees, number)
    tests = near(trees, number, best)
    truth, rows = trees("accuracy", tests), []
    for name in ("dyna", f"alone-{number}"):
        networks = asked(name, trees, seed, trials, out)
        mean = mean_of(trees, networks)
        guessed = mean(tests)
        top = evolved(within(trees, number, mean), networks, rng)[:1]
        row = {
            "budget": f"{SHARES[number]:.0%}",
            "search": name.partition("-")[0],
            "tau": kendalltau(guessed, truth).statistic,
            "error": 100 * float(np.sqrt(np.mean((guessed - truth) ** 2))),
            "found": found(trees, number, networks),
            "predicted": 100 * float(trees("accuracy", top)[0]),
            "best": 100 * float(trees("accuracy", best[None])[0]),
        }
        if name == "dyna":
            bests = followed(trees, number, networks, seed)
            row |= {f"{more} more": value for more, value in zip(AFTER, bests, strict=True)}
        rows.append(row)
    return rows


def main() -> int:
    """Prints means over seeds."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("runs/pareto"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    fit(options.out)
    trees, rows, shares = oracle(str(options.out)), [], []
    for seed in range(options.seeds):
        for number in range(len(SHARES)):
            rows += compared(trees, number, seed, options.trials, options.out)
        networks = asked("dyna", trees, seed, options.trials, options.out)
        shares += [climbed(trees, networks[:told], seed) for told in (30, 60, 90)]
        print(f"\rseed {seed}", end="", flush=True)
    frame = pd.DataFrame(rows).groupby(["budget", "search"], sort=False).mean()
    print("\n" + frame.to_string(float_format=lambda value: f"{value:.2f}", na_rep=""))
    print(f"expected gain of what was asked for over the largest: median {np.median(shares):.2f}, "
          f"least {min(shares):.2f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
