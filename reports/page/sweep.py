"""The page's section on a sweep: accuracy along each line, and what larger networks would reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.numbers import growth, plus_minus
from reports.page.markup import Html, tag
from reports.page.parts import ARCHITECTURE, bullets, data_table, hint, plot, section
from reports.page.plots import CATEGORIES, DASHES, Figure, axis, figure, label, scatter
from reports.page.points import accuracy_text
from reports.scaling_tables import sweep_cells


@dataclass(frozen=True)
class SweepRun:
    """What a sweep found.

    Args:
        table: ``nas.runs.sweep_results.Swept.table``.
        curves: ``line``, ``growth``, ``accuracy``, ``low``, ``high``, from ``nas.runs.sweep_results.curves``.
        forecast: ``nas.runs.sweep_results.Swept.forecast``.
        verdict: further findings in words, line by line.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    forecast: pd.DataFrame
    verdict: tuple[str, ...]


def sweep_figure(sweep: SweepRun, measured: str) -> Figure:
    """Accuracy with standard errors against realised FLOPs; each line's law is dashed, in its band."""
    traces = []
    for number, (name, line) in enumerate(sweep.table.groupby("line", sort=False)):
        color, dash = CATEGORIES[number % len(CATEGORIES)], DASHES[number // len(CATEGORIES) % len(DASHES)]
        law = sweep.curves[sweep.curves["line"] == name]
        group = {"legendgroup": str(number), "hoverinfo": "skip", "showlegend": False}
        if len(law):
            there, back = [*law["growth"]], [*law["growth"][::-1]]
            edge = [*law["high"], *law["low"][::-1]]
            shade = {"fill": "toself", "fillcolor": color, "opacity": 0.08, "line": {"width": 0}}
            traces.append(scatter(there + back, edge, "lines", **shade, **group))
            dashed = {"color": color, "width": 1.25, "dash": "dash"}
            traces.append(scatter(law["growth"], law["accuracy"], "lines", line=dashed, **group))
        rows = line.to_dict("records")
        dots = scatter(
            line["growth"],
            line["accuracy"],
            "lines+markers",
            name=label(name),
            legendgroup=str(number),
            text=[f"{_factors(row)}<br>{accuracy_text(row)}" for row in rows],
            hovertemplate="%{text}<br>%{x:.2f}x the base's FLOPs<extra></extra>",
            line={"color": color, "width": 2, "dash": dash},
            marker={"color": color, "size": 8},
        )
        errors = line["accuracy_error"].astype(float).tolist()
        if not any(map(pd.isna, errors)):
            dots["error_y"] = {"type": "data", "array": errors, "color": color, "thickness": 1, "width": 3}
        traces.append(dots)
    ticks = [2.0**power for power in range(8)]
    x = axis(
        "realised FLOPs over the base's", type="log", tickvals=ticks, ticktext=[f"{t:g}x" for t in ticks]
    )
    return figure(traces, x, axis(measured), hovermode="closest", showlegend=True)


def _factors(row: Mapping[Any, Any]) -> str:
    return ", ".join(f"{name} {row[name]:.3g}" for name in ("depth", "width", "resolution"))


def sweep_section(sweep: SweepRun, measured: str) -> Html:
    """The figure, the findings and the networks; below them what larger networks would reach."""
    header = ("line", "depth", "width", "resolution", "px", "FLOPs", "growth", measured)
    cells = zip(sweep_cells(sweep.table, measured), sweep.table["arch"], strict=True)
    rows = [(*(row[title] for title in header), arch) for row, arch in cells]
    predicted = [
        (
            row["line"],
            growth(row["growth"]),
            f"{row['accuracy']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}",
            "" if pd.isna(row["measured"]) else plus_minus(row["measured"]),
        )
        for row in sweep.forecast.to_dict("records")
    ]
    titles = ("line", "growth", f"predicted {measured}", "90 %", "measured")
    return section(
        "Accuracy along each line",
        hint(
            f"Mean {measured} with its standard error. Dashed: error as a power law of FLOPs, with its 90 % "
            "band, to four times the largest network that was trained."
        ),
        plot("sweep", f"{measured} by realised FLOPs", "height:460px"),
        bullets(sweep.verdict),
        data_table((*header, ARCHITECTURE), rows, "sweep"),
        tag("h3", "What larger networks would reach") if predicted else "",
        data_table(titles, predicted, "forecast") if predicted else "",
    )
