"""The page's section on classes: how well each is told apart, and what it is taken for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reports.metrics import Metrics
from reports.metrics_words import share_text, weak_lines
from reports.page.markup import Html, join
from reports.page.parts import bullets, data_table, hint, plot, section, tiles
from reports.page.plots import Figure, axis, figure, label

PARTS = {"test": "test images", "valid": "validation images"}
"""The first that there is, is shown."""
MOST_ROWS = 100
"""Classes in the table; ``classes.csv`` has all."""
MOST_SQUARES = 60
"""A confusion matrix of more classes cannot be read."""
MOST_NUMBERS = 12
"""Up to this many classes, the squares hold their numbers."""


def class_figures(metrics: Mapping[str, Metrics]) -> dict[str, Figure]:
    """The confusion matrix, if there are metrics, of not too many classes."""
    shown = _shown(metrics)
    if shown is None or len(shown[1].classes) > MOST_SQUARES:
        return {}
    found = shown[1]
    counts = found.confusion
    images = counts.sum(1, keepdims=True)
    shares = np.divide(counts, images, out=np.zeros(counts.shape), where=images > 0)
    names = [label(name) for name in found.classes]
    places = list(range(len(names)))  # equal names, or names that are numbers, would share a square
    heat = {
        "type": "heatmap",
        "x": places,
        "y": places,
        "z": shares.tolist(),
        "hovertext": [[_hover(names, counts, row, column) for column in places] for row in places],
        "hoverinfo": "text",
        "colorscale": [[0, "var(--paper)"], [1, "var(--front)"]],
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    if len(names) <= MOST_NUMBERS:
        heat["text"] = [[str(number or "") for number in row] for row in counts.tolist()]
        heat["texttemplate"] = "%{text}"
    ticks = {"tickmode": "array", "tickvals": places, "ticktext": [_short(name) for name in names]}
    x = axis("taken for", **ticks, showgrid=False, tickangle=-45)
    y = axis("class", **ticks, showgrid=False, autorange="reversed")
    return {"confusion": figure([heat], x, y)}


def class_section(metrics: Mapping[str, Metrics]) -> Html:
    """The metrics, a row per class, and the place of the confusion matrix; nothing without metrics."""
    shown = _shown(metrics)
    if shown is None:
        return Html("")
    part, found = shown
    rows = found.by_class().to_dict("records")
    left = len(rows) - MOST_ROWS
    if left > 0:
        rows = found.weakest(MOST_ROWS).to_dict("records")
    header = ("class", "precision", "recall", "F1", "images", "predicted")
    body = [
        (
            str(row["class"]),
            *(share_text(row[name]) for name in ("precision", "recall", "f1")),
            f"{row['images']:,}",
            f"{row['predicted']:,}",
        )
        for row in rows
    ]
    numbers = [
        ("balanced accuracy", f"{found.balanced_accuracy:.4f}", "mean recall of the classes"),
        ("macro F1", f"{found.macro_f1:.4f}", "mean F1 of the classes"),
        ("calibration error", f"{found.calibration_error:.4f}", "of the probabilities"),
    ]
    if found.top_5_accuracy is not None:
        numbers.append(("top-5 accuracy", f"{found.top_5_accuracy:.4f}", "right among five"))
    square = ""
    if len(found.classes) <= MOST_SQUARES:
        square = plot("confusion", "What images of each class were taken for", _height(len(found.classes)))
    return join(
        tiles(numbers),
        section(
            "Classes",
            hint(f"On {found.images:,} {PARTS[part]}, by the weights that are kept."),
            bullets(weak_lines(found)),
            data_table(header, body, "classes"),
            hint(f"{left:,} classes with a higher F1 or without images are in classes.csv.")
            if left > 0
            else "",
            square,
            hint("Each row is a class; the darker a square, the larger its share.") if square else "",
        ),
    )


def _shown(metrics: Mapping[str, Metrics]) -> tuple[str, Metrics] | None:
    return next(((part, metrics[part]) for part in PARTS if part in metrics), None)


def _hover(names: list[str], counts: NDArray[np.int64], row: int, column: int) -> str:
    of = int(counts[row].sum())
    return f"{names[row]}, taken for {names[column]}: {counts[row, column]:,} of {of:,}"


def _short(name: str) -> str:
    """A name that leaves room for the squares."""
    return name if len(name) <= 16 else f"{name[:15]}…"


def _height(classes: int) -> str:
    return f"height: {min(900, 160 + 34 * classes)}px"
