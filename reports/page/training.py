"""The page of one training run: its accuracies, its learning curve, its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.numbers import count, duration
from reports.page.drawing import LEGEND, draw
from reports.page.markup import Html, join, tag
from reports.page.parts import copyable, hint, plot, section, tiles
from reports.page.plots import Figure, axis, figure, line, span
from reports.page.points import drawable


@dataclass(frozen=True)
class TrainingRun:
    """The results of one training run.

    Args:
        network: ``arch``, ``flops``, ``params``, ``resolution``.
        curve: ``epoch``, ``train_loss``, ``valid_loss``, ``accuracy``, ``seconds``; one row or more.
        test_accuracy: None if the data has no test part.
    """

    network: Mapping[str, object]
    curve: pd.DataFrame
    test_accuracy: float | None


def training_figures(run: TrainingRun) -> dict[str, Figure]:
    """The figures, by the names that ``training_sections`` uses."""
    curve = run.curve
    x = axis("epoch", dtick=1 if len(curve) <= 12 else None)
    mode = "lines+markers" if len(curve) <= 60 else "lines"
    accuracy = line(curve["epoch"], curve["accuracy"], "validation accuracy", "var(--front)", mode)
    losses = [
        line(curve["epoch"], curve["train_loss"], "training loss", "var(--rest)", mode),
        line(curve["epoch"], curve["valid_loss"], "validation loss", "var(--front)", mode),
    ]
    return {
        "accuracy": figure([accuracy], x, axis("accuracy", range=span(curve["accuracy"]))),
        "losses": figure(losses, x, axis("cross-entropy")),
    }


def training_sections(run: TrainingRun) -> Html:
    """The sections, down to the drawing of the network."""
    network, last = run.network, run.curve.iloc[-1]
    test = "-" if run.test_accuracy is None else f"{run.test_accuracy:.4f}"
    numbers = [
        ("validation accuracy", f"{last['accuracy']:.4f}", f"after epoch {last['epoch']:.0f}"),
        ("test accuracy", test, "the data has no test part" if run.test_accuracy is None else "at the end"),
        ("FLOPs", count(float(str(network["flops"]))), f"at {network['resolution']} px"),
        ("parameters", count(float(str(network["params"]))), "with 1000 classes"),
        ("training", duration(float(last["seconds"])), f"{len(run.curve)} epochs"),
    ]
    rows = drawable(str(network["arch"]))
    return join(
        tiles(numbers),
        section(
            "Learning curve",
            hint("Only the training loss includes label smoothing and augmentation, if the recipe has them."),
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
