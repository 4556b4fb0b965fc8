"""What would ASHA have saved on a finished run, and would the choice be the same? Replays its curves.

    python benchmarks/asha.py RUN [RUN ...]

Feeds the learning curves of RUN, trial by trial, to Ray Tune's scheduler with the settings of
``--scheduler asha``; prints the share of epochs that are left. Of a scaling run: the network chosen with and
without. Of a search or an audit: the rank of the best trial that is left, and how well what a controller is
told, and what was measured until then, agree with the accuracy after the whole training.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from nas import open_run
from nas.config import read_settings
from nas.learning_curves import final_accuracy
from nas.ray_tune import asha
from nas.run import Run
from nas.scaling import compare


def stopped(run: Run, epochs: int) -> pd.DataFrame:
    """The trials as ASHA leaves them: ``epochs`` and ``accuracy`` of where each would have stopped."""
    trials, scheduler = run.trials().set_index("trial", drop=False), asha(epochs)
    for number, curve in run.epochs().groupby("trial"):
        trial: Any = SimpleNamespace(trial_id=str(number))
        scheduler.on_trial_add(None, trial)  # type: ignore[arg-type]
        for point in curve.itertuples():
            result = {"epoch": point.epoch, "accuracy": point.accuracy}
            trials.loc[number, ["epochs", "accuracy"]] = point.epoch, point.accuracy
            if scheduler.on_trial_result(None, trial, result) == "STOP":  # type: ignore[arg-type]
                break
    return trials


def told(run: Run, left: pd.DataFrame, epochs: int) -> list[float]:
    """Where the curve of each trial that ``stopped`` has left points to, judging by those before."""
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


def search_line(run: Run, left: pd.DataFrame, epochs: int) -> str:
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
    """Prints one line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+")
    for name in parser.parse_args().runs:
        run = open_run(name)
        settings = read_settings(run.directory)
        left = stopped(run, settings.recipe.epochs)
        share = left["epochs"].sum() / run.trials()["epochs"].sum()
        if settings.scaling is None:
            print(f"{name}: {share:.0%} of the epochs; {search_line(run, left, settings.recipe.epochs)}")
            continue
        full, fewer = (compare(trials, settings.scaling, settings.recipe) for trials in (run.trials(), left))
        chosen, other = (frame[frame["chosen"]].iloc[0] for frame in (full, fewer))
        rank = full.index[full["arch"] == other["arch"]][0] + 1
        triples = (f"({row['alpha']:g}, {row['beta']:g}, {row['gamma']:g})" for row in (chosen, other))
        choices = " and with ASHA ".join(triples)
        print(f"{name}: {share:.0%} of the epochs; chosen {choices}, which is number {rank} of {len(full)}")


if __name__ == "__main__":
    main()
