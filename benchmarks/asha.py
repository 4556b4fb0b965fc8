"""What would ASHA have saved on a finished scaling run, and would the choice be the same? Replays its curves.

    python benchmarks/asha.py RUN [RUN ...]

Feeds the learning curves of RUN, trial by trial, to Ray Tune's scheduler with the settings of
``--scheduler asha``; prints the share of epochs that are left, and the network chosen with and without.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import pandas as pd

from nas import open_run
from nas.config import read_settings
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


def main() -> None:
    """Prints one line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+")
    for name in parser.parse_args().runs:
        run = open_run(name)
        settings = read_settings(run.directory)
        left = stopped(run, settings.recipe.epochs)
        share = left["epochs"].sum() / run.trials()["epochs"].sum()
        full, fewer = (compare(trials, settings.scaling, settings.recipe) for trials in (run.trials(), left))
        chosen, other = (frame[frame["chosen"]].iloc[0] for frame in (full, fewer))
        rank = full.index[full["arch"] == other["arch"]][0] + 1
        triples = (f"({row['alpha']:g}, {row['beta']:g}, {row['gamma']:g})" for row in (chosen, other))
        choices = " and with ASHA ".join(triples)
        print(f"{name}: {share:.0%} of the epochs; chosen {choices}, which is number {rank} of {len(full)}")


if __name__ == "__main__":
    main()
