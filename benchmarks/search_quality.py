"""How many trials controllers need on real accuracies: ours, and Optuna's samplers.

    python benchmarks/search_quality.py [--seeds 20] [--trials 500] [--problems ...] [--controllers ...]

accel         ImageNet accuracies of MnasNet's family: boosted trees fitted on all of Accel-NASBench, with the
              reward ACC x (FLOPs / 400M)^-0.07
accel-noise   the same, but the controller sees accuracies with seed noise of 0.26 % top-1
macro         NAS-Bench-Macro, CIFAR-10: the controller sees one of three seeds, and their mean is judged
macro-reward  the same, with the reward ACC x (FLOPs / 55.4M)^-0.07

Writes results.csv (a row per run), table.txt and figure.svg in ``--out``. Runs already in results.csv are not
repeated, so the script can be stopped and started again. With ``--workers``, several trials run at a time,
and a controller is asked for the next one before it is told the results of the others. Settings follow the
controller's name: evolution:population=50,sample=25.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a process per core instead

import functools
import json
import multiprocessing
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import kendalltau
from script import ACCEL_TABLE, MACRO_TABLE, make_parser
from sklearn.model_selection import KFold, cross_val_predict

import controllers
from nas.search.tables import Table, read_table
from nas.spec.objective import Objective
from search_spaces import PRESETS, SPACES, Actions, Cost, SearchSpace, cost

TREES = {
    "n_estimators": 3000,
    "max_depth": 3,
    "learning_rate": 0.05,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "random_state": 0,
    "n_jobs": 1,
}
SEED_NOISE = 0.0026
MARKS = (20, 50, 100, 200, 300, 400, 500)
CURVE = (*range(10, 100, 5), *range(100, 501, 20))
OPTUNA = {
    "optuna-tpe": ("optuna:TPESampler", {"constant_liar": True}),
    "optuna-gp": ("optuna:GPSampler", {}),
    "optuna-nsga2": ("optuna:NSGAIISampler", {"population_size": 20}),
}
DEFAULT = ("dyna", "random", "evolution", "evolution:population=50,sample=25", "rnn", *OPTUNA)
PROBLEMS = ("accel", "accel-noise", "macro", "macro-reward")
MOST = {"macro": 200, "macro-reward": 200}
"""Trials for a problem on which every controller has found the best by then."""
SLOW = "optuna-gp"
"""Its proposals take longer with every trial, so it runs only ``--slow-trials``."""


@dataclass(frozen=True)
class Problem:
    """A space to search, what the controller sees of it, and how the result is judged.

    Attributes:
        see: (actions, rng) -> an accuracy with seed noise.
        judge: actions -> the true accuracy.
        objective: (accuracy, flops) -> reward.
        reference: the reward of the best network or of EfficientNet-B0, see ``best``.
        best: whether ``reference`` is the optimum.
    """

    space: SearchSpace
    see: Callable[[Actions, np.random.Generator], float]
    judge: Callable[[Actions], float]
    objective: Callable[[float, float], float]
    reference: float
    best: bool

    def price(self, actions: Actions) -> Cost:
        """The exact cost of a network."""
        return cost(self.space.decode(actions), self.space.num_classes)

    def reward(self, actions: Actions) -> float:
        """The reward by which a network is judged."""
        return self.objective(self.judge(actions), self.price(actions).flops)


@functools.cache
def find_problem(name: str, oracle: str) -> Problem:
    """The problem ``name`` of ``PROBLEMS``; ``oracle`` is the file with the fitted trees."""
    return accel(oracle, SEED_NOISE * (name == "accel-noise")) if "accel" in name else macro("reward" in name)


def accel(oracle: str, noise: float) -> Problem:
    """Accel-NASBench's networks with the accuracies that the trees predict."""
    space, objective = SPACES["accel-nasbench"], Objective(400e6)
    trees = xgboost.Booster(model_file=oracle)
    trees.set_param({"nthread": 1})

    @functools.lru_cache(maxsize=100_000)
    def judge(actions: Actions) -> float:
        return float(trees.inplace_predict(values(space, np.array([actions])))[0])

    def see(actions: Actions, rng: np.random.Generator) -> float:
        return judge(actions) + noise * float(rng.standard_normal())

    b0 = PRESETS["efficientnet-b0"]
    reference = objective(judge(space.encode(b0)), cost(b0).flops)
    return Problem(space, see, judge, objective, reference, best=False)


def macro(trade: bool) -> Problem:
    """NAS-Bench-Macro's table, for accuracy alone or for the reward."""
    space, known = SPACES["nasbench-macro"], json.loads(MACRO_TABLE.read_text())
    accuracies = Table(MACRO_TABLE, space).accuracies  # identities let two codes give the same network
    objective = Objective(55.4e6, None if trade else 0.0)

    def see(actions: Actions, rng: np.random.Generator) -> float:
        return float(known["".join(map(str, actions))]["test_acc"][rng.integers(3)]) / 100

    def judge(actions: Actions) -> float:
        return accuracies[space.decode(actions)]

    rewards = [objective(value, cost(arch, space.num_classes).flops) for arch, value in accuracies.items()]
    return Problem(space, see, judge, objective, max(rewards), best=True)


def values(space: SearchSpace, actions: NDArray[np.int64]) -> NDArray[np.float64]:
    """The chosen values `[N, D]`, which are all numbers."""
    columns = [np.array(d.choices, float)[actions[:, i]] for i, d in enumerate(space.decisions)]
    return np.stack(columns, axis=1)


def fit_oracle(file: Path) -> None:
    """Writes the trees to ``file`` and prints how good they are."""
    space = SPACES["accel-nasbench"]
    archs, accuracies = read_table(ACCEL_TABLE, space)
    features = values(space, np.array([space.encode(arch) for arch in archs]))
    trees = xgboost.XGBRegressor(**TREES)
    folds = KFold(5, shuffle=True, random_state=0)
    predicted = cross_val_predict(trees, features, accuracies, cv=folds)
    r2 = 1 - np.mean((predicted - accuracies) ** 2) / accuracies.var()
    tau = kendalltau(predicted, accuracies).statistic
    trees.fit(features, accuracies).save_model(file)
    print(f"accel: {len(archs)} networks, 5 folds: R2 {r2:.3f}, Kendall tau {tau:.3f}", flush=True)


def make(name: str, problem: Problem, seed: int) -> controllers.Controller:
    """The controller ``name``."""
    kind, _, pairs = name.partition(":")
    settings: dict[str, Any] = dict(pair.split("=") for pair in pairs.split(",")) if pairs else {}
    if name in OPTUNA:
        kind, settings = OPTUNA[name]
    return controllers.make(
        kind,
        problem.space,
        seed=seed,
        objective=problem.objective,
        price=problem.price,
        settings=settings,
    )


def run(problem_name: str, name: str, seed: int, trials: int, workers: int, oracle: str) -> dict[str, Any]:
    """One search as a row of results.csv; a network asked again has the same accuracy again.

    All ``workers`` take equally long: the first result is told when each of them has a trial.
    """
    problem = find_problem(problem_name, oracle)
    controller, rng = make(name, problem, seed), np.random.default_rng([seed, 1])
    seen: dict[Actions, float] = {}
    running: deque[Actions] = deque()
    rewards, seconds = np.empty(trials), np.empty(trials)
    for trial in range(trials):
        started = time.process_time()
        actions = controller.ask()
        seconds[trial] = time.process_time() - started
        if actions not in seen:
            accuracy = problem.see(actions, rng)
            seen[actions] = problem.objective(accuracy, problem.price(actions).flops)
        rewards[trial] = problem.reward(actions)
        running.append(actions)
        if len(running) == workers:
            finished = running.popleft()
            started = time.process_time()
            controller.tell(finished, seen[finished])
            seconds[trial] += time.process_time() - started
    best = np.maximum.accumulate(rewards)
    beaten = np.flatnonzero(rewards >= problem.reference - 1e-12 * problem.best)
    return {
        "problem": problem_name,
        "controller": name,
        "seed": seed,
        "trials": trials,
        "workers": workers,
        "reference": problem.reference,
        "reached_after": int(beaten[0]) + 1 if len(beaten) else None,
        "distinct": len(seen),
        "seconds_per_trial": seconds.mean(),
        **{str(mark): best[mark - 1] for mark in CURVE if mark <= trials},
    }


def quantiles(frame: pd.DataFrame, problem: str, mark: int) -> pd.DataFrame:
    """Quartiles of the best so far at ``mark``, or of the regret in 1/10,000 if the optimum is known."""
    rows = frame[frame["problem"] == problem]
    best = rows[str(mark)]
    if problem in MOST:
        best = 1e4 * (rows["reference"] - best)
    return best.groupby(rows["controller"], sort=False).quantile([0.25, 0.5, 0.75]).unstack()


def table(frame: pd.DataFrame) -> str:
    """For every problem, medians and quartiles at the marks, and trials until the reference is reached."""
    lines = []
    for problem in dict.fromkeys(frame["problem"]):
        rows = frame[frame["problem"] == problem]
        marks = [mark for mark in MARKS if str(mark) in rows and rows[str(mark)].notna().any()]
        quartiles = {mark: quantiles(rows, problem, mark) for mark in marks}
        exact = problem in MOST
        what = "regret in 1/10,000" if exact else "best reward so far"
        goal = "the optimum" if exact else f"EfficientNet-B0's {rows['reference'].iloc[0]:.4f}"
        lines += [
            "",
            f"{problem}: median {what} after each number of trials; trials to {goal}; "
            "seconds per trial; seeds",
        ]
        lines += [
            f"{'':34}" + "".join(f"{mark:>8}" for mark in marks) + f"{'to it':>10}{'seconds':>9}{'seeds':>7}"
        ]
        spreads = [f"quartiles{'' if exact else ' in 1/10,000'}"]
        for name in dict.fromkeys(rows["controller"]):
            own = rows[rows["controller"] == name]
            low, middle, high = ([quartiles[mark].loc[name, q] for mark in marks] for q in (0.25, 0.5, 0.75))
            reached = own["reached_after"].fillna(np.inf).median()
            after = f"{reached:.0f}" if np.isfinite(reached) else f"over {own['trials'].max()}"
            cells = ["" if np.isnan(m) else f"{m:.1f}" if exact else f"{m:.4f}" for m in middle]
            lines.append(
                f"{name:34}"
                + "".join(f"{cell:>8}" for cell in cells)
                + f"{after:>10}{own['seconds_per_trial'].mean():>9.3f}{own['seed'].nunique():>7}"
            )
            scale = 1 if exact else 1e4
            ends = [
                "" if np.isnan(a) else f"{scale * a:.0f}-{scale * b:.0f}"
                for a, b in zip(low, high, strict=True)
            ]
            spreads.append(f"{name:34}" + "".join(f"{end:>11}" for end in ends))
        lines += spreads
    return "\n".join(lines[1:]) + "\n"


def figure(frame: pd.DataFrame) -> Figure:
    """Medians with quartile bands, a panel per problem."""
    problems = list(dict.fromkeys(frame["problem"]))
    drawn = Figure(figsize=(11, 4.2 * ((len(problems) + 1) // 2)), layout="constrained")
    for number, problem in enumerate(problems, 1):
        axes = drawn.add_subplot((len(problems) + 1) // 2, 2, number)
        marks = [mark for mark in CURVE if f"{mark}" in frame and mark <= MOST.get(problem, mark)]
        curves = {mark: quantiles(frame, problem, mark) for mark in marks}
        for row, name in enumerate(dict.fromkeys(frame.loc[frame["problem"] == problem, "controller"])):
            low, middle, high = (np.array([curves[m].loc[name, q] for m in marks]) for q in (0.25, 0.5, 0.75))
            axes.plot(marks, middle, color=f"C{row}", label=name, linewidth=2.5 if name == "dyna" else 1.2)
            axes.fill_between(marks, low, high, color=f"C{row}", alpha=0.12, linewidth=0)
        if problem in MOST:
            axes.set(ylabel="regret (1/10,000)", ylim=(0, 60))
        else:
            reference = frame.loc[frame["problem"] == problem, "reference"].iloc[0]
            axes.axhline(reference, color="gray", linestyle=":", linewidth=1)
            axes.text(marks[-1], reference, "EfficientNet-B0 ", ha="right", va="bottom", color="gray")
            axes.set(ylabel="best reward so far")
        axes.set(title=problem, xlabel="trials")
        axes.grid(alpha=0.3)
        if number == 1:
            axes.legend(fontsize=8)
    return drawn


def arranged(frame: pd.DataFrame, workers: int, names: Sequence[str]) -> pd.DataFrame:
    """The runs of ``names`` with ``workers`` workers, by problem and name; the longest for each seed."""
    frame = frame[(frame["workers"] == workers) & frame["controller"].isin(names)]
    frame = frame.sort_values("trials").drop_duplicates(["problem", "controller", "seed"], keep="last")
    places = [
        PROBLEMS.index(p) * len(names) + names.index(c) for p, c in frame[["problem", "controller"]].values
    ]
    return frame.assign(place=places).sort_values(["place", "seed"])


def main() -> None:
    """Does the missing runs, then prints the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--slow-trials", type=int, default=200, help=f"--trials for {SLOW}")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=PROBLEMS)
    parser.add_argument("--controllers", nargs="+", default=DEFAULT)
    parser.add_argument("--workers", type=int, default=1, help="trials at a time")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="searches at a time")
    parser.add_argument("--out", type=Path, default=Path("runs/search_quality"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = options.out / "results.csv"
    rows = pd.read_csv(results).to_dict("records") if results.exists() else []
    done = {
        tuple(row[name] for name in ("problem", "controller", "seed", "trials", "workers")) for row in rows
    }
    trials = {name: options.slow_trials if name == SLOW else options.trials for name in options.controllers}
    wanted = [
        (problem, name, seed, min(trials[name], MOST.get(problem, trials[name])), options.workers)
        for seed in range(options.seeds)
        for problem in options.problems
        for name in options.controllers
    ]
    missing = [key for key in wanted if key not in done]
    with tempfile.TemporaryDirectory() as folder:
        oracle = str(Path(folder, "oracle.json"))
        if any("accel" in problem for problem, *_ in missing):
            fit_oracle(Path(oracle))
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.processes, mp_context=spawn) as pool:
            for number, future in enumerate(
                as_completed([pool.submit(run, *key, oracle) for key in missing]), 1
            ):
                rows.append(future.result())
                partial = results.with_suffix(".partial")
                pd.DataFrame(rows).to_csv(partial, index=False, float_format="%.6g")
                partial.replace(results)
                print(f"\r{number} of {len(missing)} runs", end="", flush=True)
    frame = arranged(pd.DataFrame(rows), options.workers, options.controllers)
    text = table(frame)
    (options.out / "table.txt").write_text(text)
    figure(frame).savefig(options.out / "figure.svg")
    print(f"\n{text}\n{options.out}: results.csv, table.txt, figure.svg")


if __name__ == "__main__":
    main()
