"""The page of one training: its accuracies, its learning curve, its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.numbers import count, duration
from reports.page.drawing import LEGEND, draw
from reports.page.markup import Html, join, tag
from reports.page.parts import copyable, plot, section
from reports.page.plots import Figure, axis, figure, line, span
from reports.page.points import drawable


@dataclass(frozen=True)
class TrainingRun:
    """What one training came to.

    Args:
        network: ``arch``, ``flops``, ``params``, ``resolution``.
        curve: ``epoch``, ``train_loss``, ``valid_loss``, ``accuracy``, ``seconds``; one row or more.
        test_accuracy: None if the data has no test part.
    """

    network: Mapping[str, object]
    curve: pd.DataFrame
    test_accuracy: float | None


def training_figures(run: TrainingRun) -> dict[str, Figure]:
    """By the names that ``training_sections`` refers to."""
    curve = run.curve
    x = axis("epoch", dtick=1 if len(curve) <= 12 else None)
    mode = "lines+markers" if len(curve) <= 60 else "lines"
    accuracy = line(curve["epoch"], curve["accuracy"], "validation accuracy", "var(--front)", mode)
    losses = [
        line(curve["epoch"], curve[column], name, f"var(--{color})", mode)
        for column, name, color in (
            ("train_loss", "training loss", "rest"),
            ("valid_loss", "validation loss", "front"),
        )
    ]
    return {
        "accuracy": figure([accuracy], x, axis("accuracy", range=span(curve["accuracy"]))),
        "losses": figure(losses, x, axis("cross-entropy")),
    }


def training_sections(run: TrainingRun) -> Html:
    """The page's parts, down to the drawing of the network."""
    network, last = run.network, run.curve.iloc[-1]
    test = "-" if run.test_accuracy is None else f"{run.test_accuracy:.4f}"
    tiles = [
        ("validation accuracy", f"{last['accuracy']:.4f}", f"after epoch {last['epoch']:.0f}"),
        ("test accuracy", test, "the data has no test part" if run.test_accuracy is None else "at the end"),
        ("FLOPs", count(float(str(network["flops"]))), f"at {network['resolution']} px"),
        ("parameters", count(float(str(network["params"]))), "with 1000 classes"),
        ("training", duration(float(last["seconds"])), f"{len(run.curve)} epochs"),
    ]
    cells = (
        tag("div", tag("dt", name), tag("dd", value), tag("dd", note, class_="note"), class_="tile")
        for name, value, note in tiles
    )
    hint = "Only the training loss has label smoothing and augmentation, where the recipe has them."
    rows = drawable(str(network["arch"]))
    return join(
        tag("dl", *cells, class_="tiles"),
        section(
            "Learning curve",
            tag("p", hint, class_="hint"),
            plot("accuracy", "Validation accuracy after each epoch"),
            plot("losses", "Training and validation loss of each epoch"),
        ),
        section(
            "Network",
            tag("p", LEGEND),
            draw(rows, "The trained network") if rows else "",
            copyable(str(network["arch"]), whole=True),
        ),
    )
