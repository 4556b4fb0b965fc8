"""The page's sections on a scaling run: grid, choice at equal compute, family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.numbers import factor, growth
from reports.page.markup import Html, join, tag
from reports.page.parts import ARCHITECTURE, bullets, data_table, key, plot, section, titled
from reports.page.plots import DOTTED, Figure, axis, figure, label, scatter
from reports.page.points import accuracy_text
from reports.scaling_tables import family_cells

GREEK = {"alpha": "α", "beta": "β", "gamma": "γ"}
CURVES = {
    "flops": "FLOPs",
    "params": "parameters",
    "resolution": "resolution (px)",
    "growth": "FLOPs over the base's",
}


@dataclass(frozen=True)
class ScalingRun:
    """What a scaling run compared and made.

    Args:
        compared: from ``nas.runs.scaling_results.compare``.
        phi: the phi at which networks were compared.
        grid: every network of the grid: ``alpha``, ``beta``, ``gamma``, ``growth`` of its ``cost`` over the
            base's and ``compared``; None if coefficients were given.
        band: least and greatest growth of the networks compared.
        family: from ``nas.runs.family_files.family_frame``; None until it is made.
        published: the same for EfficientNet as released.
        coefficients: the family's, as text.
        verdict: the choice in words, line by line.
        cost: what the networks compared have as much of: ``FLOPs`` or ``latency``.
    """

    compared: pd.DataFrame
    phi: float
    grid: pd.DataFrame | None
    band: tuple[float, float]
    family: pd.DataFrame | None
    published: pd.DataFrame
    coefficients: str = ""
    verdict: tuple[str, ...] = ()
    cost: str = "FLOPs"


def triple(row: Mapping[Any, Any]) -> str:
    """``α 1.25  β 1.1  γ 1.15``"""
    return "  ".join(f"{greek} {factor(row[name])}" for name, greek in GREEK.items())


def scaling_figures(run: ScalingRun) -> dict[str, Figure]:
    """The figures, by the names that ``scaling_sections`` uses."""
    figures = {"means": means_figure(run.compared)}
    if run.grid is not None:
        figures["grid"] = grid_figure(run.grid, run)
    if run.family is not None:
        figures |= {f"family-{column}": family_figure(run.family, run.published, column) for column in CURVES}
    return figures


def grid_figure(grid: pd.DataFrame, run: ScalingRun) -> Figure:
    """Every network of the grid by its realised cost; those in the shaded band were compared."""
    inside, band = grid["compared"].astype(bool), run.band
    column = "latency_growth" if run.cost == "latency" else "growth"
    chosen = run.compared[run.compared["chosen"]].assign(growth=lambda rows: rows[column])
    hollow = {"color": "var(--rest)", "size": 7, "opacity": 0.7, "symbol": "circle-open"}
    star = {"color": "var(--best)", "size": 15, "symbol": "star"}
    kinds: list[tuple[str, pd.DataFrame, dict[str, Any]]] = [
        ("too cheap or too dear", grid[~inside], hollow),
        ("compared", grid[inside], {"color": "var(--front)", "size": 9}),
        ("chosen", chosen, star),
    ]
    traces = [
        scatter(
            rows["growth"],
            rows["gamma"],
            "markers",
            name=name,
            text=[triple(row) for row in rows.to_dict("records")],
            hovertemplate=f"%{{text}}<br>%{{x:.2f}}x the base's {run.cost}<extra></extra>",
            marker=marker,
        )
        for name, rows, marker in kinds
    ]
    shade = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": band[0], "x1": band[1], "y0": 0, "y1": 1,
        "fillcolor": "var(--front)", "opacity": 0.1, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    x = axis(f"realised {run.cost} over the base's")
    return figure(traces, x, axis("γ (resolution)"), shapes=[shade], hovermode="closest")


def means_figure(compared: pd.DataFrame) -> Figure:
    """Mean rewards with standard errors, the best on top."""
    rows = compared.to_dict("records")
    several = compared["strategy"].nunique() > 1
    names = [label(f"{row['strategy']}  {triple(row)}" if several else triple(row)) for row in rows]
    ticks = [" · ".join(factor(row[name]) for name in GREEK) for row in rows]
    looks = {
        "chosen": ("var(--best)", "star", 15),
        "not told apart from it": ("var(--front)", "circle", 9),
        "other": ("var(--rest)", "circle-open", 9),
    }
    kinds = [
        "chosen" if row["chosen"] else "not told apart from it" if row["tied"] else "other" for row in rows
    ]
    traces = []
    for kind, (color, symbol, size) in looks.items():
        mine = [index for index, its_kind in enumerate(kinds) if its_kind == kind]
        if not mine:
            continue
        trace = scatter(
            [rows[index]["reward"] for index in mine],
            mine,
            "markers",
            name=kind,
            text=[f"{names[index]}<br>accuracy {accuracy_text(rows[index])}" for index in mine],
            hovertemplate="%{text}<br>reward %{x:.4f}<extra></extra>",
            marker={"color": color, "symbol": symbol, "size": size},
        )
        errors = [float(rows[index]["reward_error"]) for index in mine]
        if not any(map(pd.isna, errors)):
            bars = {"type": "data", "array": errors, "color": color, "thickness": 1.5, "width": 3}
            trace["error_x"] = bars
        traces.append(trace)
    y = axis("α · β · γ", tickvals=list(range(len(rows))), ticktext=ticks, range=[len(rows) - 0.5, -0.5])
    return figure(traces, axis("mean reward"), y, hovermode="closest")


def family_figure(family: pd.DataFrame, published: pd.DataFrame, column: str) -> Figure:
    """One size of the family by phi, beside the published models; growth is also shown beside 2^phi."""
    published = published.dropna(subset=["phi"])
    published = published[published["phi"] <= max(family["phi"].max(), 1)]
    traces = []
    if column == "growth":
        doubled = [2**phi for phi in family["phi"].astype(float).tolist()]
        traces.append(scatter(family["phi"], doubled, "lines", name="2^phi", line=DOTTED, hoverinfo="skip"))
    for frame, name, color, dash, symbol in (
        (published, "EfficientNet", "var(--best)", "dash", "square"),
        (family, "this family", "var(--front)", "solid", "circle"),
    ):
        trace = scatter(
            frame["phi"],
            frame[column],
            "lines+markers",
            name=name,
            text=[label(model) for model in frame["model"]],
            hovertemplate=f"{name} %{{text}}: %{{y:.4s}}<extra></extra>",
            line={"color": color, "dash": dash, "width": 2},
            marker={"color": color, "symbol": symbol, "size": 7},
        )
        traces.append(trace)
    y = axis("", tickformat="~s")
    if column != "resolution":
        sizes = [*family[column], *published[column]]
        powers = range(math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes))))
        digits = (1, 2, 5) if len(powers) < 4 else (1,)
        y |= {"type": "log", "tickvals": [digit * 10.0**power for power in powers for digit in digits]}
    return figure(traces, axis("phi", dtick=1), y, showlegend=False)


def scaling_sections(run: ScalingRun) -> Html:
    """The grid and the choice, then the family."""
    grid, height = "", f"height:{max(320, 110 + 26 * len(run.compared))}px"
    if run.grid is not None:
        inside = int(run.grid["compared"].sum())
        note = (
            f"Each point is one network of the grid. {inside} of {len(run.grid)} lie within "
            f"{growth(run.band[0])} to {growth(run.band[1])} the base's {run.cost} and were compared: "
            "a network that costs more should be better, but that does not say how to share the compute."
        )
        grid = titled("The grid", tag("p", note), plot("grid", f"The grid by realised {run.cost}", height))
    means = titled(
        "At equal latency" if run.cost == "latency" else "At equal compute",
        tag("p", "Mean reward of each network, with its standard error."),
        plot("means", "Mean rewards of the networks compared", height),
    )
    words = bullets(run.verdict) if run.verdict else ""
    first = section(f"Scaling at phi {run.phi:g}", words, tag("div", grid, means, class_="pair"))
    return first if run.family is None else join(first, _family_section(run, run.family))


def _family_section(run: ScalingRun, family: pd.DataFrame) -> Html:
    published = key("published", "EfficientNet as published")
    plots = [titled(title, plot(f"family-{column}", f"{title} by phi")) for column, title in CURVES.items()]
    cells = family_cells(family)
    header = [title for title in cells[0] if title not in ("2^phi", "dropout")]
    rows = [
        (*(row[title] for title in header), arch) for row, arch in zip(cells, family["arch"], strict=True)
    ]
    return section(
        "The family",
        tag("p", run.coefficients) if run.coefficients else "",
        tag("p", key("family", "this family"), published, key("ideal", "2^phi")),
        tag("div", *plots, class_="quad"),
        data_table((*header, ARCHITECTURE), rows, "family"),
    )
