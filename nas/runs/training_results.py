"""What a run of ``nas train`` found: its learning curve, accuracies and weights."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pandas as pd

import reports
from nas.errors import InputError
from nas.files import write_csv
from nas.runs.run import Run
from nas.training import weights
from reports.page import Page, TrainingRun
from search_spaces import ArchSpec


def training_facts(run: Run, _random: Run | None = None) -> dict[str, Any]:
    """The training run in numbers; while it is in progress, those of the last epoch.

    Returns:
        ``accuracy`` is on the validation part; ``test_accuracy`` is None before the end, and if the data has
        no test part. FLOPs and parameters are with 3 channels and 1000 classes, as everywhere.

    Raises:
        InputError: if there is no trial yet, or the weights are missing or damaged.
    """
    settings = run.settings
    trials = run.trials().to_dict("records")
    if not trials:
        raise InputError(f"run must have begun its training, and it has not: {run.directory}")
    trial = trials[0]
    curve = reports.plain(learning_curve(run))
    last = curve[-1] if curve else {}
    done = trial["status"] == "done"
    return {
        "run": str(run.directory),
        "status": trial["status"],
        "error": trial["error"] or None,
        "arch": trial["arch"],
        **{name: int(trial[name]) for name in ("flops", "params", "activations")},
        "resolution": ArchSpec.parse(trial["arch"]).resolution,
        "data": settings.data,
        "epochs": len(curve),
        "of_epochs": settings.recipe.epochs,
        "accuracy": last.get("accuracy"),
        "test_accuracy": json.loads(weights.read_header(run.directory)["test_accuracy"]) if done else None,
        "seconds": last.get("seconds"),
        "curve": curve,
    }


def training_state(run: Run) -> dict[str, Any]:
    """``training_facts``, and whether the training run is ``over``."""
    facts = training_facts(run)
    return {**facts, "over": facts["status"] in ("done", "failed")}


def training_page(page: Page, run: Run, _random: Run | None) -> Page:
    """The page with the learning curve."""
    facts = training_facts(run)
    return dataclasses.replace(page, training=TrainingRun(facts, page.epochs, facts["test_accuracy"]))


def learning_curve(run: Run) -> pd.DataFrame:
    """``Run.epochs`` without ``trial``, as there is only one."""
    return run.epochs().drop(columns="trial")


def write_curve(run: Run) -> None:
    """Writes ``curve.csv``: a row per epoch."""
    write_csv(run.directory / "curve.csv", learning_curve(run))


def trained_network(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The network, and what ``best.json`` says of its training and weights.

    Raises:
        InputError: if the weights are missing or damaged.
    """
    header = weights.read_header(run.directory)
    known = {name: json.loads(header[name]) for name in ("epochs", "test_accuracy")}
    return run.best_trial(), {**known, "weights": weights.NAME}
