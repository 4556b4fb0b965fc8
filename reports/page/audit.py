"""The page's section on an audit: the verdict, and the accuracies that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.page.markup import Html, tag
from reports.page.parts import bullets, plot, section, titled
from reports.page.plots import DOTTED, Figure, axis, figure, label, scatter

FIGURES = {
    "seeds": ("seed_1", "seed_2", "Two training runs of each network"),
    "longer": ("accuracy", "long_accuracy", "The proxy and the longer schedule"),
    "reference": ("accuracy", "reference", "The proxy and the reference"),
}
"""The columns across and up, and the title."""
AXES = {
    "seed_1": "{}, first training run",
    "seed_2": "{}, second training run",
    "accuracy": "mean {} under the proxy",
    "long_accuracy": "mean {}, longer schedule",
    "reference": "accuracy of the reference",
}
"""The titles, around what accuracies are."""


@dataclass(frozen=True)
class AuditRun:
    """What an audit found.

    Args:
        table: from ``nas.runs.audit_results.Findings``.
        verdict: in words, line by line.
    """

    table: pd.DataFrame
    verdict: tuple[str, ...]


def shown(table: pd.DataFrame) -> dict[str, tuple[str, str, str]]:
    """Those of ``FIGURES`` that ``table`` has the columns for."""
    return {f"audit-{name}": values for name, values in FIGURES.items() if {*values[:2]} <= set(table)}


def audit_figures(audit: AuditRun, measured: str) -> dict[str, Figure]:
    """The figures, by the names that ``audit_section`` uses."""
    return {
        name: agreement_figure(audit.table, x, y, measured) for name, (x, y, _) in shown(audit.table).items()
    }


def agreement_figure(table: pd.DataFrame, x: str, y: str, measured: str) -> Figure:
    """One point per network that has both; two seeds of one schedule get a diagonal, too."""
    known = table.dropna(subset=[x, y])
    points = scatter(
        known[x],
        known[y],
        "markers",
        text=[label(f"network {number}") for number in known["network"]],
        hovertemplate="%{text}: %{x:.4f}, %{y:.4f}<extra></extra>",
        marker={"color": "var(--front)", "size": 9, "opacity": 0.8},
    )
    traces = [points]
    if x == "seed_1" and len(known):
        ends = (known[[x, y]].min().min(), known[[x, y]].max().max())
        traces.append(scatter(ends, ends, "lines", hoverinfo="skip", line=DOTTED))
    titles = (axis(AXES[column].format(measured)) for column in (x, y))
    return figure(traces, *titles, hovermode="closest", showlegend=False)


def audit_section(audit: AuditRun) -> Html:
    """The verdict and the figures."""
    plots = [titled(title, plot(name, title)) for name, (_, _, title) in shown(audit.table).items()]
    return section("Is the proxy any good?", bullets(audit.verdict), tag("div", *plots, class_="pair"))
