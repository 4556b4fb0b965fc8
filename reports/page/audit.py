"""The page's part on an audit: the verdict, and the accuracies that it is from."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.page.markup import Html, tag
from reports.page.parts import plot, section
from reports.page.plots import Figure, axis, figure, label

FIGURES = {
    "seeds": ("seed_1", "seed_2", "Two trainings of each network"),
    "longer": ("accuracy", "long_accuracy", "The proxy and the longer schedule"),
    "reference": ("accuracy", "reference", "The proxy and the reference"),
}
"""Columns across and up, and what their figure is called."""
AXES = {
    "seed_1": "accuracy, first training",
    "seed_2": "accuracy, second training",
    "accuracy": "mean accuracy under the proxy",
    "long_accuracy": "mean accuracy, longer schedule",
    "reference": "accuracy of the reference",
}


@dataclass(frozen=True)
class AuditRun:
    """What an audit found.

    Args:
        table: as of ``nas.runs.audit_results.Findings``.
        verdict: in words, line by line.
    """

    table: pd.DataFrame
    verdict: tuple[str, ...]


def audit_figures(audit: AuditRun) -> dict[str, Figure]:
    """By the names that ``audit_section`` refers to."""
    return {
        f"audit-{name}": scatter(audit.table, x, y)
        for name, (x, y, _) in FIGURES.items()
        if {x, y} <= set(audit.table)
    }


def scatter(table: pd.DataFrame, x: str, y: str) -> Figure:
    """One point per network that has both; accuracies of one kind have the diagonal, too."""
    known = table.dropna(subset=[x, y])
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": known[x].astype(float).tolist(),
        "y": known[y].astype(float).tolist(),
        "text": [label(f"network {number}") for number in known["network"]],
        "hovertemplate": "%{text}: %{x:.4f}, %{y:.4f}<extra></extra>",
        "marker": {"color": "var(--front)", "size": 9, "opacity": 0.8},
    }
    traces = [points]
    if x == "seed_1" and len(known):
        ends = [float(known[[x, y]].min().min()), float(known[[x, y]].max().max())]
        traces.append(
            {
                "type": "scatter", "mode": "lines", "x": ends, "y": ends, "hoverinfo": "skip",
                "line": {"color": "var(--rest)", "dash": "dot", "width": 1.5},
            }
        )  # fmt: skip
    return figure(traces, axis(AXES[x]), axis(AXES[y]), hovermode="closest", showlegend=False)


def audit_section(audit: AuditRun) -> Html:
    """The verdict, and each figure."""
    words = tag("ul", *(tag("li", line) for line in audit.verdict))
    plots = [
        tag("div", tag("h3", title), plot(f"audit-{name}", title))
        for name, (x, y, title) in FIGURES.items()
        if {x, y} <= set(audit.table)
    ]
    return section("Is the proxy any good?", words, tag("div", *plots, class_="pair"))
