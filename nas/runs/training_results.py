"""What a run of ``nas train`` found: its learning curve, accuracies and weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import reports
from nas.errors import InputError, command
from nas.files import write_csv
from nas.runs.run import Run
from nas.runs.training_metrics import metrics_json, read_metrics, write_metrics
from nas.search.events import ENDED
from nas.spec.task import Task
from nas.spec.trial import Epoch, kept_epoch
from nas.training import weights
from reports.numbers import plural, plus_minus
from reports.page import Page, TrainingRun
from search_spaces import ArchSpec


def training_facts(run: Run, _random: Run | None = None) -> dict[str, Any]:
    """The training run in numbers; while it is in progress, those of the epochs so far.

    Returns:
        ``accuracy`` is on the validation part, of the epoch whose weights are kept; ``test_accuracy`` is None
        before the end, and if the data has no test part. FLOPs and parameters are with the classes and
        channels of the images; in older runs, with 1000 and 3.

    Raises:
        InputError: if there is no trial yet, or the epochs or weights are missing or damaged.
    """
    settings = run.settings
    trials = run.trials().to_dict("records")
    if not trials:
        raise InputError(f"run must have begun its training, and it has not: {run.directory}")
    trial = trials[0]
    epochs = learning_curve(run)
    curve = reports.plain(epochs)
    last = curve[-1] if curve else {}
    done = trial["status"] == "done"
    if done and not curve:
        raise InputError(f"run must hold the epochs of its training run, and has none: {run.directory}")
    kept = kept_epoch([Epoch(**row) for row in curve], settings.keep) if curve else None
    test = json.loads(weights.read_header(run.directory)["test_accuracy"]) if done else None
    return {
        "run": str(run.directory),
        "status": trial["status"],
        "error": trial["error"] or None,
        "arch": trial["arch"],
        **{name: int(trial[name]) for name in ("flops", "params", "activations")},
        "resolution": run.best().resolution if done else ArchSpec.parse(settings.networks[0]).resolution,
        "data": settings.data,
        "epochs": len(curve),
        "of_epochs": settings.recipe.epochs,
        "accuracy": kept and kept.accuracy,
        "test_accuracy": test,
        "seconds": last.get("seconds"),
        "curve": curve,
        **(_kept_facts(settings.task, settings.keep, kept, test) if settings.task else {}),
        **({"metrics": metrics} if done and (metrics := metrics_json(run.directory)) else {}),
        **int8_facts(run),
    }


def _kept_facts(task: Task, keep: str, kept: Epoch | None, test: float | None) -> dict[str, Any]:
    """What older runs do not know: which epoch is kept, and how sure its accuracies are."""
    valid = kept.accuracy if kept else None
    return {
        "keep": keep,
        "kept_epoch": kept and kept.epoch,
        "accuracy_error": None if valid is None else float(reports.binomial_error(valid, task.valid)),
        "test_accuracy_error": None if test is None else float(reports.binomial_error(test, task.test)),
        "classes": task.classes,
        "images": {"train": task.train, "valid": task.valid, "test": task.test},
    }


def training_verdict(facts: dict[str, Any]) -> str:
    """What a finished training run found, from its ``training_facts``, in one sentence."""
    kept, epochs, of_epochs = facts.get("kept_epoch"), facts["epochs"], facts["of_epochs"]
    best = facts.get("keep") == "best" and epochs > 1
    when = f"the best of {epochs} epochs (epoch {kept})" if best else f"after {plural(epochs, 'epoch')}"
    if epochs < of_epochs:
        when += f"; it ended before epoch {of_epochs} because the accuracy no longer rose"
    valid = f"{_measured(facts, 'accuracy', 'valid')}, {when}"
    if facts["test_accuracy"] is None:
        return f"Validation accuracy {valid}; the data has no test part."
    return f"Test accuracy {_measured(facts, 'test_accuracy', 'test')}; validation accuracy {valid}."


def _measured(facts: dict[str, Any], name: str, part: str) -> str:
    """``0.8120 ±0.0251 on 242 images``; the value alone in older runs."""
    images = facts["images"][part] if "images" in facts else 0
    value = plus_minus(facts[name], facts.get(f"{name}_error"))
    return f"{value} on {plural(images, 'image')}" if images else value


def training_state(run: Run) -> dict[str, Any]:
    """``training_facts``, and whether the training run is ``over``."""
    facts = training_facts(run)
    return {**facts, "over": facts["status"] in ENDED}


PRECISIONS = ("float32", "int8")


def int8_facts(run: Run) -> dict[str, Any]:
    """Accuracy and latency in float and in int8, as the last ``nas export --int8`` found them.

    Nothing if there was none.
    """
    found = run.measurements()
    found = found[found["accuracy"].notna()].drop_duplicates("precision", keep="last")
    if set(found["precision"]) != set(PRECISIONS):
        return {}
    rows = {row["precision"]: row for row in reports.plain(found)}
    shared = {name: rows["int8"][name] for name in ("part", "images")}
    names = ("accuracy", "milliseconds")
    return {"int8": {**shared, **{one: {name: rows[one][name] for name in names} for one in PRECISIONS}}}


def int8_lines(facts: Mapping[str, Any]) -> list[str]:
    """``int8_facts`` in words."""
    if not (found := facts.get("int8")):
        return []
    full, short = found["float32"], found["int8"]
    return [
        f"In int8 its accuracy is {short['accuracy']:.4f} at {short['milliseconds']:.2f} ms an image, in "
        f"float {full['accuracy']:.4f} at {full['milliseconds']:.2f} ms "
        f"({plural(int(found['images']), 'image')} of the {found['part']} part; onnxruntime, one thread)."
    ]


def training_page(page: Page, run: Run, _random: Run | None) -> Page:
    """The page with the learning curve, and the metrics of the kept weights."""
    shown = TrainingRun(training_facts(run), page.epochs, read_metrics(run.directory))
    return dataclasses.replace(page, training=shown)


def trained_steps(directory: Path) -> list[tuple[str, str]]:
    """What to do with a trained network: words, and the command or the lines of Python."""
    return [
        ("Name the classes of images", command("predict", directory, "photos")),
        ("Use it in Python", usage(directory)),
        ("Use it without nas", command("export", directory, "--to", "onnx")),
        ("Look at the network", command("show", directory)),
    ]


def usage(directory: Path) -> str:
    """Three lines of Python that classify images with the weights of a run."""
    return (
        "from nas import load_classifier\n"
        f"classify = load_classifier({json.dumps(str(directory))})\n"
        'classify(["photo.jpg"])  # [(class, probability)]'
    )


def learning_curve(run: Run) -> pd.DataFrame:
    """``Run.epochs`` without ``trial``, as there is only one."""
    return run.epochs().drop(columns="trial")


def write_training_tables(run: Run) -> None:
    """Writes ``curve.csv``, a row per epoch, and the tables of ``nas.runs.training_metrics``."""
    write_csv(run.directory / "curve.csv", learning_curve(run))
    write_metrics(run.directory)


def trained_network(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """The network, and what ``best.json`` says of its training and weights.

    Raises:
        InputError: if the weights are missing or damaged.
    """
    header = weights.read_header(run.directory)
    known = {name: json.loads(header[name]) for name in ("epochs", "test_accuracy")}
    if "kept_epoch" in header:
        known["kept_epoch"] = json.loads(header["kept_epoch"])
    return run.best_trial(), {**known, "weights": weights.NAME}
