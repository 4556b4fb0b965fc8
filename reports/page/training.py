"""The page of one training run: its accuracies, its learning curve, its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from reports.metrics import Metrics
from reports.numbers import count, duration, plural, plus_minus
from reports.page.classes import class_figures, class_section
from reports.page.drawing import LEGEND, draw
from reports.page.markup import Html, join, tag
from reports.page.parts import copyable, hint, plot, section, tiles
from reports.page.plots import Figure, axis, figure, line, span
from reports.page.points import drawable


@dataclass(frozen=True)
class TrainingRun:
    """The results of one training run.

    Args:
        network: ``arch``, ``flops``, ``params``, ``resolution``, ``accuracy``, ``test_accuracy``; except in
            older runs ``classes``, ``kept_epoch`` and both accuracies' ``_error``.
        curve: ``epoch``, ``train_loss``, ``valid_loss``, ``accuracy``, ``seconds``; one row or more.
        metrics: of the kept weights, by part (``test``, ``valid``); empty in older runs.
    """

    network: Mapping[str, Any]
    curve: pd.DataFrame
    metrics: Mapping[str, Metrics] = field(default_factory=dict)


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
        **class_figures(run.metrics),
    }


def training_sections(run: TrainingRun) -> Html:
    """The sections: the accuracies, down to the drawing of the network."""
    network, last = run.network, run.curve.iloc[-1]
    epoch = network.get("kept_epoch", last["epoch"])
    numbers = [
        ("validation accuracy", plus_minus(network["accuracy"], network.get("accuracy_error")),
         f"after epoch {epoch:.0f}"),
        ("test accuracy", *_test(network)),
        ("FLOPs", count(network["flops"]), f"at {network['resolution']} px"),
        ("parameters", count(network["params"]), f"with {network.get('classes', 1000)} classes"),
        ("training", duration(last["seconds"]), plural(len(run.curve), "epoch")),
    ]  # fmt: skip
    rows = drawable(str(network["arch"]))
    return join(
        tiles(numbers),
        section(
            "Learning curve",
            hint("Only the training loss includes label smoothing and augmentation, if the recipe has them."),
            plot("accuracy", "Validation accuracy after each epoch"),
            plot("losses", "Training and validation loss of each epoch"),
        ),
        class_section(run.metrics),
        section(
            "Network",
            tag("p", LEGEND),
            draw(rows, "The trained network") if rows else "",
            copyable(str(network["arch"]), whole=True),
        ),
    )


def _test(network: Mapping[str, Any]) -> tuple[str, str]:
    """The test accuracy, and a note."""
    if network["test_accuracy"] is not None:
        return plus_minus(network["test_accuracy"], network.get("test_accuracy_error")), "at the end"
    over = network["status"] == "done"
    return "-", "the data has no test part" if over else "measured at the end"
