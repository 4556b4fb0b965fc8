"""What ``nas evaluate`` and ``nas predict`` print, and their JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from nas.errors import shown
from nas.launch.judge import Judged, Prediction
from nas.screens.words import Parts
from reports.fitted import FittedTable
from reports.means import binomial_error
from reports.metrics import Metrics
from reports.metrics_words import (
    MOST_CLASSES,
    MOST_SQUARE,
    classes_table,
    confusion_square,
    metrics_line,
    weak_lines,
)
from reports.numbers import plus_minus


def judged_parts(judged: Judged) -> Parts:
    """The metrics in words, and the classes as tables."""
    metrics = judged.metrics
    error = float(binomial_error(metrics.accuracy, metrics.images))
    of = "" if not judged.broken else f"{metrics.images:,} of the "
    first = f"Accuracy {plus_minus(metrics.accuracy, error)} on {of}{judged.images}."
    return [first, metrics_line(metrics), *weak_lines(metrics), "", *class_parts(metrics)]


def class_parts(metrics: Metrics) -> Parts:
    """The table of classes, and the confusion matrix of a few."""
    number = len(metrics.classes)
    left = number - MOST_CLASSES
    more: list[RenderableType] = (
        [f"The other {left:,} classes have a higher F1, or no images."] if left > 0 else []
    )
    parts: Parts = [classes_table(metrics), *more]
    if number > MOST_SQUARE:
        return parts
    return [
        *parts,
        "",
        "What images of each class (rows) were taken for (columns):",
        confusion_square(metrics),
    ]


def judged_json(run: Path, judged: Judged) -> dict[str, Any]:
    """The metrics as JSON values."""
    return {
        "run": str(run),
        "data": judged.source,
        "part": judged.part,
        **judged.metrics.to_json(),
        "broken": dict(judged.broken),
    }


def least_confident(found: Sequence[Prediction], number: int) -> list[Prediction]:
    """The ``number`` images whose class is the least probable, the least first."""
    return sorted(found, key=lambda one: one.probabilities[0])[:number]


def csv_text(found: Sequence[Prediction], *, spelled: bool = False) -> str:
    """``path, class, probability``, and ``class_2, probability_2, ...`` for further classes.

    Args:
        spelled: for a terminal, whose cursor a control character in a name would move.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    written = shown if spelled else str
    top = len(found[0].classes)
    header = ["path", "class", "probability"]
    for place in range(2, top + 1):
        header += [f"class_{place}", f"probability_{place}"]
    writer.writerow(header)
    for one in found:
        row = [written(one.path)]
        for name, probability in zip(one.classes, one.probabilities, strict=True):
            row += [written(name), f"{probability:.6g}"]
        writer.writerow(row)
    return file.getvalue()


def predictions_json(run: Path, found: Sequence[Prediction], broken: Mapping[str, str]) -> dict[str, Any]:
    """What was found as JSON values."""
    images = [
        {
            "path": one.path,
            "class": one.classes[0],
            "probability": one.probabilities[0],
            "top": [
                {"class": name, "probability": probability}
                for name, probability in zip(one.classes, one.probabilities, strict=True)
            ],
        }
        for one in found
    ]
    return {"run": str(run), "images": images, "broken": dict(broken)}


def predictions_table(found: Sequence[Prediction]) -> FittedTable:
    """A row per image."""
    table = FittedTable("probability")
    table.add_words("class")
    further = len(found[0].classes) > 1
    if further:
        table.add_words("or")
    table.add_words("path")
    for one in found:
        others = zip(one.classes[1:], one.probabilities[1:], strict=True)
        also = ", ".join(f"{name} {probability:.4f}" for name, probability in others)
        table.add_row(f"{one.probabilities[0]:.4f}", one.classes[0], *([also] * further), one.path)
    return table
