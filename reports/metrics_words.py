"""Metrics in words and as tables, for the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reports.fitted import FittedTable, SideBySide
from reports.metrics import Metrics
from reports.numbers import percent, plural

NAMED = 3
"""Weak classes, and mistakes, that are named in a sentence."""
MOST_NEVER = 10
MOST_CLASSES = 50
"""Classes in a table on the terminal; with more, the weakest."""
MOST_SQUARE = 12
"""A confusion matrix of more classes is not printed."""


def metrics_line(metrics: Metrics) -> str:
    """``Balanced accuracy 0.80, macro F1 0.79, in the top 5 0.98, calibration error 0.043.``"""
    top = metrics.top_5_accuracy
    return (
        f"Balanced accuracy {metrics.balanced_accuracy:.4f}, macro F1 {metrics.macro_f1:.4f}, "
        + ("" if top is None else f"top-5 accuracy {top:.4f}, ")
        + f"calibration error {metrics.calibration_error:.4f}."
    )


def weak_lines(metrics: Metrics) -> list[str]:
    """The weakest classes, those that are never predicted, and the commonest mistakes, a sentence each."""
    weak = metrics.weakest(NAMED)
    named = [f"{row['class']} (F1 {row['f1']:.2f})" for row in weak[weak["f1"] < 1].to_dict("records")]
    lines = [f"Weakest classes: {', '.join(named)}."] if named else ["No image was taken for another class."]
    if never := metrics.never_predicted:
        more = f" and {len(never) - MOST_NEVER:,} more" if len(never) > MOST_NEVER else ""
        lines.append(f"Never predicted: {', '.join(never[:MOST_NEVER])}{more}.")
    mistakes = [mistake(row) for row in metrics.confused(NAMED).to_dict("records")]
    return lines + [f"Commonest mistakes: {', '.join(mistakes)}."] * bool(mistakes)


def mistake(row: Mapping[Any, Any]) -> str:
    """A row of ``Metrics.confused``: ``cat taken for dog (12 images, 30 % of cat)``."""
    images = f"{plural(row['images'], 'image')}, {percent(row['share'])} of {row['class']}"
    return f"{row['class']} taken for {row['taken_for']} ({images})"


def classes_table(metrics: Metrics) -> FittedTable:
    """A row per class, in their order; of very many, those with the lowest F1."""
    rows = metrics.by_class()
    table = FittedTable("class", "precision", "recall", "F1", "images", "predicted", least=("predicted",))
    if len(rows) > MOST_CLASSES:
        rows = metrics.weakest(MOST_CLASSES)
    for row in rows.to_dict("records"):
        shares = (share_text(row[name]) for name in ("precision", "recall", "f1"))
        table.add_row(str(row["class"]), *shares, f"{row['images']:,}", f"{row['predicted']:,}")
    return table


def share_text(value: float) -> str:
    """``0.8120``, or ``-`` where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def confusion_square(metrics: Metrics) -> SideBySide:
    """The confusion matrix: what an image is, to the left; what it was taken for, above."""
    columns = [
        (name, [f"{number:,}" if number else "." for number in metrics.confusion[:, label].tolist()])
        for label, name in enumerate(metrics.classes)
    ]
    return SideBySide(metrics.classes, columns)
