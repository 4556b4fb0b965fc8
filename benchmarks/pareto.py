"""All budgets from one search: networks found by ``--reward pareto``, and by Optuna's samplers.

    python benchmarks/pareto.py [--seeds 20] [--trials 100] [--opponent-trials 300] [--samplers ...]

Accel-NASBench, three objectives: accuracy on ImageNet, milliseconds per image on an A100 (1000 / throughput),
and latency on a ZCU102 in milliseconds. Boosted trees, fitted on the table's networks, give all three for any
network of its space. The controller knows both latencies, as ``--device predictor:FILE`` predicts them.

Hypervolume: beyond the lowest accuracy and the highest latencies of the table, as a share of the box from
there to its highest accuracy and to zero. Budgets: both latencies at 10, 30, 50, 70 and 90 % of the table;
for each, the best network is compared with that of a search for this budget alone (``alone``, reward hard).

Marks: the median hypervolume of ours after ``--trials`` is at least that of the best opponent at its end; and
for each budget, the mean accuracy of the best network after ``--trials`` is within 0.1 points of that of the
search for it alone, of the seeds that both have. ``dyna-long`` is ours for 300 trials, for comparison. Writes
results.csv in ``--out``; what is there is not run again.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a process per core instead

import functools
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import xgboost
from numpy.typing import NDArray
from scipy.stats import kendalltau
from script import ACCEL_TABLE, make_parser, print_marks
from search_quality import TREES, values
from sklearn.model_selection import KFold, cross_val_predict

import controllers
import reports
from search_spaces import SPACES, Actions, Cost, cost

SPACE = SPACES["accel-nasbench"]
COSTS = ("a100", "zcu102")
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
CURVE = (20, 50, 100, 150, 200, 300)
CLOSE = 0.001
"""The mark for one budget: 0.1 points of accuracy."""
OPTUNA = {
    "optuna-nsga2": lambda seed: optuna.samplers.NSGAIISampler(population_size=20, seed=seed),
    "optuna-nsga2-50": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "optuna-nsga3": lambda seed: optuna.samplers.NSGAIIISampler(population_size=20, seed=seed),
    "optuna-tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "optuna-gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}
LONG, LONG_TRIALS = "dyna-long", 300
"""Ours with as many trials as opponents have."""
SLOW = "optuna-gp"
"""Its proposals, by expected hypervolume improvement, take seconds; it runs for ``--slow-trials``."""


def table() -> pd.DataFrame:
    """Accel-NASBench's networks: ``accuracy`` and both latencies, without those that lack one."""
    frame = pd.read_csv(ACCEL_TABLE)
    frame = frame.assign(
        accuracy=frame["val_top1"] / 100,
        a100=1000 / frame["throughput_a100_mean"],
        zcu102=frame["latency_zcu102_mean"],
    )
    return frame.dropna(subset=["accuracy", *COSTS])


class Oracle:
    """Accuracy and latencies of any network; trees for the accuracy and for the latencies' logarithms."""

    def __init__(self, folder: Path) -> None:
        self.trees = {
            name: xgboost.Booster(model_file=str(folder / f"{name}.json")) for name in ("accuracy", *COSTS)
        }
        for trees in self.trees.values():
            trees.set_param({"nthread": 1})
        self.memory: dict[str, dict[bytes, float]] = {name: {} for name in self.trees}
        frame = table()
        self.worst = {"accuracy": float(frame["accuracy"].min()), **frame[[*COSTS]].max().to_dict()}
        self.volume = float(frame["accuracy"].max() - frame["accuracy"].min()) * float(
            np.prod([self.worst[name] for name in COSTS])
        )
        self.budgets = [{name: float(frame[name].quantile(share)) for name in COSTS} for share in SHARES]

    def __call__(self, name: str, networks: NDArray[np.int64]) -> NDArray[np.float64]:
        """``name`` of networks `[N, D]`; each is predicted once."""
        memory, keys = self.memory[name], [row.tobytes() for row in networks]
        if new := {key: row for key, row in zip(keys, networks, strict=True) if key not in memory}:
            features = values(SPACE, np.array([*new.values()]))
            found = np.asarray(self.trees[name].inplace_predict(features), np.float64)
            memory.update(zip(new, found if name == "accuracy" else np.exp(found), strict=True))
        return np.array([memory[key] for key in keys])


def fit(folder: Path) -> None:
    """Writes the trees, and prints how good they are."""
    frame = table()
    features = frame[[decision.name for decision in SPACE.decisions]].to_numpy(float)
    for name in ("accuracy", *COSTS):
        if (folder / f"{name}.json").exists():
            continue
        known = frame[name].to_numpy()
        target = known if name == "accuracy" else np.log(known)
        trees = xgboost.XGBRegressor(**TREES)
        guessed = cross_val_predict(trees, features, target, cv=KFold(5, shuffle=True, random_state=0))
        tau = kendalltau(guessed, target).statistic
        trees.fit(features, target).save_model(folder / f"{name}.json")
        print(f"{name}: {len(known)} networks, 5 folds: Kendall tau {tau:.3f}", flush=True)


@functools.cache
def oracle(folder: str) -> Oracle:
    """The trees in ``folder``."""
    return Oracle(Path(folder))


def price(actions: Actions) -> Cost:
    """The exact cost of a network."""
    return cost(SPACE.decode(actions))


def hard(budget: Mapping[str, float]) -> Callable[[Any, Any], Any]:
    """Accuracies and costs by name -> rewards: less where a cost is beyond the budget."""

    def objective(accuracies: Any, costs: Any) -> Any:
        over = [np.maximum(costs[one] / budget[one], 1.0) for one in COSTS]
        return accuracies / np.prod(over, axis=0)

    return objective


def search(name: str, trees: Oracle, seed: int, trials: int) -> tuple[list[Actions], float]:
    """What ``name`` proposes, and its seconds per trial; ``alone-K`` searches for the K-th budget."""
    if name in OPTUNA:
        return optuna_search(name, trees, seed, trials)
    measures = {one: functools.partial(trees, one) for one in COSTS}
    aim: dict[str, Any] = {"front": COSTS}
    if name.startswith("alone"):
        aim = {"objective": hard(trees.budgets[int(name.removeprefix("alone-"))])}
    controller = controllers.make(
        "random" if name == "random" else "dyna", SPACE, seed=seed, price=price, measures=measures, **aim
    )
    asked, started = [], time.process_time()
    for _ in range(trials):
        actions = controller.ask()
        one = np.array([actions])
        reward = float(trees("accuracy", one)[0])
        if "objective" in aim:
            reward = float(aim["objective"](reward, {c: trees(c, one)[0] for c in COSTS}))
        controller.tell(actions, reward)
        asked.append(actions)
    return asked, (time.process_time() - started) / trials


def optuna_search(name: str, trees: Oracle, seed: int, trials: int) -> tuple[list[Actions], float]:
    """As ``search``; the sampler sees decisions as categories, and the three objectives."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = ["maximize", *["minimize"] * len(COSTS)]
    study = optuna.create_study(directions=directions, sampler=OPTUNA[name](seed))
    choices = {d.name: optuna.distributions.CategoricalDistribution(d.choices) for d in SPACE.decisions}
    asked, started = [], time.process_time()
    for _ in range(trials):
        trial = study.ask(choices)
        actions = tuple(d.choices.index(trial.params[d.name]) for d in SPACE.decisions)
        study.tell(trial, [float(trees(one, np.array([actions]))[0]) for one in ("accuracy", *COSTS)])
        asked.append(actions)
    return asked, (time.process_time() - started) / trials


def judged(trees: Oracle, asked: list[Actions]) -> dict[str, float]:
    """The hypervolume and the best accuracy within each budget after some numbers of trials."""
    networks = np.array(asked)
    frame = pd.DataFrame({name: trees(name, networks) for name in ("accuracy", *COSTS)})
    found: dict[str, float] = {}
    for mark in (mark for mark in CURVE if mark <= len(frame)):
        seen = frame.head(mark)
        volume = reports.hypervolume(seen, ["accuracy"], COSTS, reference=trees.worst)
        found[f"volume_{mark}"] = volume / trees.volume
        for number, budget in enumerate(trees.budgets):
            fits = np.all([seen[name] <= budget[name] for name in COSTS], axis=0)
            found[f"budget_{number}_{mark}"] = float(seen["accuracy"][fits].max()) if fits.any() else 0.0
    return found


def summary(frame: pd.DataFrame, trials: int) -> tuple[str, dict[str, bool]]:
    """The table, and the marks."""
    volumes = [f"volume_{mark}" for mark in CURVE if f"volume_{mark}" in frame]
    lines = [f"{'median hypervolume after':26}" + "".join(f"{v.removeprefix('volume_'):>9}" for v in volumes)]
    lines[0] += f"{'seconds':>9}{'seeds':>7}"
    names = [name for name in dict.fromkeys(frame["name"]) if not name.startswith("alone")]
    middle = {name: frame[frame["name"] == name][volumes].median() for name in names}
    for name in names:
        own = frame[frame["name"] == name]
        cells = ["" if np.isnan(value) else f"{value:.4f}" for value in middle[name]]
        lines.append(
            f"{name:26}" + "".join(f"{cell:>9}" for cell in cells)
            + f"{own['seconds'].mean():9.3f}{len(own):7}"
        )  # fmt: skip
    marks = {}
    rivals = [name for name in names if name in OPTUNA]
    if "dyna" in names and rivals:
        last = {name: middle[name].dropna() for name in rivals}
        best = max(rivals, key=lambda name: last[name].iloc[-1])
        ours, theirs = middle["dyna"][f"volume_{trials}"], last[best].iloc[-1]
        after = last[best].index[-1].removeprefix("volume_")
        marks[f"hypervolume after {trials} trials {ours:.4f}, {best} after {after} {theirs:.4f}"] = bool(
            ours >= theirs
        )
    lines += ["", f"mean accuracy of the best network within a budget after {trials} trials, in percent"]
    for name in names:
        own = frame[frame["name"] == name]
        at = LONG_TRIALS if name == LONG else trials
        cells = [own[f"budget_{k}_{at}"].mean() for k in range(len(SHARES))]
        lines.append(f"{name:26}" + "".join(f"{100 * cell:9.2f}" for cell in cells))
    alone = [frame[frame["name"] == f"alone-{k}"][f"budget_{k}_{trials}"].mean() for k in range(len(SHARES))]
    if "dyna" in names and not np.isnan(alone).any():
        lines.append(f"{'dyna, for it alone':26}" + "".join(f"{100 * cell:9.2f}" for cell in alone))
        seeds = set(frame.loc[frame["name"] == "alone-0", "seed"])
        ours = frame[(frame["name"] == "dyna") & frame["seed"].isin(seeds)]
        for k, theirs in enumerate(alone):
            short = theirs - ours[f"budget_{k}_{trials}"].mean()
            words = f"budget at {SHARES[k]:.0%}: {100 * short:.2f} points below a search for it alone"
            marks[words] = bool(short <= CLOSE)
    return "\n".join(lines), marks


def main() -> int:
    """Does the missing runs, then prints the table and the marks."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--opponent-trials", type=int, default=300)
    parser.add_argument("--slow-trials", type=int, default=100, help=f"--opponent-trials for {SLOW}")
    parser.add_argument("--samplers", nargs="+", default=["dyna", "alone", LONG, "random", *OPTUNA])
    parser.add_argument("--out", type=Path, default=Path("runs/pareto"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    fit(options.out)
    results = options.out / "results.csv"
    rows = pd.read_csv(results).to_dict("records") if results.exists() else []
    done = {(row["name"], row["seed"]) for row in rows}
    names = [
        one
        for name in options.samplers
        for one in ([f"alone-{k}" for k in range(len(SHARES))] if name == "alone" else [name])
    ]
    trees = oracle(str(options.out))
    for seed in range(options.seeds):
        for name in names:
            if (name, seed) in done:
                continue
            trials = options.trials if name == "dyna" or name.startswith("alone") else options.opponent_trials
            asked, seconds = search(name, trees, seed, options.slow_trials if name == SLOW else trials)
            rows.append({"name": name, "seed": seed, "seconds": seconds, **judged(trees, asked)})
            pd.DataFrame(rows).to_csv(results, index=False, float_format="%.6g")
            print(f"\rseed {seed}, {name}", end="", flush=True)
    frame = pd.DataFrame(rows)
    text, marks = summary(frame[frame["name"].isin(names)], options.trials)
    print(f"\n{text}\n")
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
