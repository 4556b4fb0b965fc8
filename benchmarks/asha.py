"""What does ASHA save, and is the choice as good? Compares searches, and replays learning curves.

    for seed in 0 1 2; do
      nas search --space mnas --seed $seed --run runs/whole-$seed
      nas search --space mnas --seed $seed --run runs/asha-$seed --scheduler asha
    done
    python benchmarks/asha.py runs/whole-* runs/asha-*

For each search: the epochs and seconds of training, and the reward of the chosen network in the fresh
training runs at the end. For a run without a scheduler, what ASHA would have done: Ray Tune's scheduler,
with the settings of ``--scheduler asha``, sees the learning curves one trial after another, and the share of
epochs that it would have trained is printed. For a scaling run, also the network chosen with and without
ASHA. For a search or an audit, the rank of the best trial that ASHA trains to the end, and how well the
accuracy after the whole training agrees with what a controller is told and with the last accuracy before ASHA
stopped the trial.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau
from script import make_parser

from nas import open_run
from nas.launch.asha import Asha
from nas.runs.config import read_settings
from nas.runs.run import Run
from nas.runs.scaling_results import compare
from nas.search.learning_curves import final_accuracy
from nas.spec.settings import Settings


def stopped(run: Run, epochs: int) -> pd.DataFrame:
    """The trials as under ASHA: ``epochs`` and ``accuracy`` where each would have stopped."""
    trials, asha = run.trials().set_index("trial", drop=False), Asha(epochs)
    for number, curve in run.epochs().groupby("trial"):
        for point in curve.itertuples():
            trials.loc[number, ["epochs", "accuracy"]] = point.epoch, point.accuracy
            if asha.stops(number, point.epoch, point.accuracy):
                break
    return trials


def told(run: Run, left: pd.DataFrame, epochs: int) -> list[float]:
    """The accuracy that each curve from ``stopped`` points to, judging by earlier trials."""
    curves = {
        trial: list(zip(curve["epoch"], curve["accuracy"], strict=True))
        for trial, curve in run.epochs().groupby("trial")
    }
    whole = left["epochs"] == epochs
    return [
        final_accuracy(
            row.epochs, row.accuracy, [curves[t] for t in left.index[whole] if t < row.trial], epochs
        )
        for row in left.itertuples()
    ]


def spent_line(run: Run, settings: Settings) -> str:
    """The training that a search spent, and its choice's reward in fresh training runs."""
    trials, again, best = run.trials(), run.confirmations(), run.best_trial()
    fresh = again.loc[again["trial"] == best["trial"], "accuracy"].mean()
    reward = f"{settings.objective(fresh, best['flops']):.4f}" if fresh >= 0 else "none"
    share = trials["epochs"].sum() / (settings.recipe.epochs * trials["repeat_of"].isna().sum())
    return (
        f"trained {trials['epochs'].sum()} epochs, {share:.0%} of all, in {trials['seconds'].sum():.0f} s; "
        f"reward of the choice {best['reward']:.4f}, in its fresh training runs {reward}"
    )


def replay_line(run: Run, left: pd.DataFrame, epochs: int) -> str:
    """What ASHA does to a search or an audit."""
    full = run.trials().set_index("trial")["accuracy"]
    best = left[left["epochs"] == epochs]["accuracy"].idxmax()
    rank = int((full > full[best]).sum()) + 1
    parts = [f"best left is number {rank} of {len(full)}"]
    for name, values in {"told": np.array(told(run, left, epochs)), "measured": left["accuracy"]}.items():
        tau, off = kendalltau(values, full).statistic, np.abs(values - full).mean()
        parts.append(f"{name}: tau {tau:.3f}, off by {off:.3f}")
    return "; ".join(parts)


def main() -> None:
    """Prints one line per run."""
    parser = make_parser(__doc__)
    parser.add_argument("runs", nargs="+")
    for name in parser.parse_args().runs:
        run = open_run(name)
        settings = read_settings(run.directory)
        epochs = settings.recipe.epochs
        if settings.kind == "search":
            print(f"{name}: {spent_line(run, settings)}")
        if settings.scheduler == "asha":
            continue
        left = stopped(run, epochs)
        share = left["epochs"].sum() / run.trials()["epochs"].sum()
        if settings.scaling is None:
            print(f"{name}, replayed: {share:.0%} of the epochs; {replay_line(run, left, epochs)}")
            continue
        full, fewer = (compare(trials, settings.scaling, settings.recipe) for trials in (run.trials(), left))
        chosen, other = (frame[frame["chosen"]].iloc[0] for frame in (full, fewer))
        rank = full.index[full["arch"] == other["arch"]][0] + 1
        triples = (f"({row['alpha']:g}, {row['beta']:g}, {row['gamma']:g})" for row in (chosen, other))
        choices = " and with ASHA ".join(triples)
        print(f"{name}: {share:.0%} of the epochs; chosen {choices}, which is number {rank} of {len(full)}")


if __name__ == "__main__":
    main()
