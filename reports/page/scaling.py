"""The page's part on a scaling run: grid, choice at equal compute, family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.numbers import count
from reports.page.markup import Html, join, tag
from reports.page.parts import data_table, plot, section
from reports.page.plots import Figure, axis, figure, label
from reports.page.points import accuracy_text

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
        compared: as of ``nas.runs.scaling_results.compare``.
        phi: at which it compared.
        grid: every network of the grid: ``alpha``, ``beta``, ``gamma``, ``growth`` of FLOPs over the base
            and ``compared``; None if coefficients were given.
        band: growths between which networks were compared.
        family: as of ``nas.runs.family_files.family_frame``; None until it is made.
        published: the same of EfficientNet as released.
        coefficients: of the family, as text.
        verdict: the choice in words, line by line.
    """

    compared: pd.DataFrame
    phi: float
    grid: pd.DataFrame | None
    band: tuple[float, float]
    family: pd.DataFrame | None
    published: pd.DataFrame
    coefficients: str = ""
    verdict: tuple[str, ...] = ()


def triple(row: Mapping[Any, Any]) -> str:
    """``α 1.25  β 1.1  γ 1.15``"""
    return "  ".join(f"{greek} {row[name]:.3g}" for name, greek in GREEK.items())


def scaling_figures(run: ScalingRun) -> dict[str, Figure]:
    """By the names that ``scaling_sections`` refers to."""
    figures = {"means": means_figure(run.compared)}
    if run.grid is not None:
        figures["grid"] = grid_figure(run.grid, run.compared, run.band)
    if run.family is not None:
        figures |= {f"family-{column}": family_figure(run.family, run.published, column) for column in CURVES}
    return figures


def grid_figure(grid: pd.DataFrame, compared: pd.DataFrame, band: tuple[float, float]) -> Figure:
    """Every network of the grid by its realised FLOPs; the shaded band was compared."""
    chosen = compared[compared["chosen"]]
    kinds: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
        "too cheap or too dear": (
            grid[~grid["compared"].astype(bool)],
            {"color": "var(--rest)", "size": 7, "opacity": 0.7, "symbol": "circle-open"},
        ),
        "compared": (grid[grid["compared"].astype(bool)], {"color": "var(--front)", "size": 9}),
        "chosen": (chosen, {"color": "var(--best)", "size": 15, "symbol": "star"}),
    }
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": rows["growth"].astype(float).tolist(),
            "y": rows["gamma"].astype(float).tolist(),
            "text": [triple(row) for row in rows.to_dict("records")],
            "hovertemplate": "%{text}<br>%{x:.3f} times the base's FLOPs<extra></extra>",
            "marker": marker,
        }
        for name, (rows, marker) in kinds.items()
    ]
    shade = {
        "type": "rect", "xref": "x", "yref": "paper", "x0": band[0], "x1": band[1], "y0": 0, "y1": 1,
        "fillcolor": "var(--front)", "opacity": 0.1, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    return figure(
        traces,
        axis("realised FLOPs over the base's"),
        axis("γ (resolution)"),
        shapes=[shade],
        hovermode="closest",
    )


def means_figure(compared: pd.DataFrame) -> Figure:
    """Mean rewards with standard errors, the best on top."""
    rows = compared.to_dict("records")
    several = compared["strategy"].nunique() > 1
    names = [label(f"{row['strategy']}  {triple(row)}" if several else triple(row)) for row in rows]
    ticks = [" · ".join(f"{row[name]:.3g}" for name in GREEK) for row in rows]
    kinds = {
        "chosen": ([row["chosen"] for row in rows], "var(--best)", "star", 15),
        "not told apart from it": (
            [row["tied"] and not row["chosen"] for row in rows],
            "var(--front)",
            "circle",
            9,
        ),
        "other": ([not row["tied"] for row in rows], "var(--rest)", "circle-open", 9),
    }
    traces = []
    for kind, (mask, color, symbol, size) in kinds.items():
        mine = [index for index, is_kind in enumerate(mask) if is_kind]
        if not mine:
            continue
        errors = [float(rows[index]["reward_error"]) for index in mine]
        known = not any(map(pd.isna, errors))
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": kind,
                "x": [float(rows[index]["reward"]) for index in mine],
                "y": mine,
                "text": [f"{names[index]}<br>accuracy {accuracy_text(rows[index])}" for index in mine],
                "hovertemplate": "%{text}<br>reward %{x:.4f}<extra></extra>",
                "marker": {"color": color, "symbol": symbol, "size": size},
                **(
                    {
                        "error_x": {
                            "type": "data",
                            "array": errors,
                            "color": color,
                            "thickness": 1.5,
                            "width": 3,
                        }
                    }
                    if known
                    else {}
                ),
            }
        )
    y = axis("α · β · γ", tickvals=list(range(len(rows))), ticktext=ticks, range=[len(rows) - 0.5, -0.5])
    return figure(traces, axis("mean reward"), y, hovermode="closest")


def family_figure(family: pd.DataFrame, published: pd.DataFrame, column: str) -> Figure:
    """One size of the family by phi, against the published models; 2^phi where it is what was meant."""
    published = published.dropna(subset=["phi"])
    published = published[published["phi"] <= max(family["phi"].max(), 1)]
    traces = []
    if column == "growth":
        phis = family["phi"].astype(float).tolist()
        traces.append(
            {
                "type": "scatter", "mode": "lines", "name": "2^phi", "x": phis,
                "y": [2**phi for phi in phis], "line": {"color": "var(--rest)", "dash": "dot", "width": 1.5},
                "hoverinfo": "skip",
            }
        )  # fmt: skip
    for frame, name, color, dash, symbol in (
        (published, "EfficientNet", "var(--best)", "dash", "square"),
        (family, "this family", "var(--front)", "solid", "circle"),
    ):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": frame["phi"].astype(float).tolist(),
                "y": frame[column].astype(float).tolist(),
                "text": [label(model) for model in frame["model"]],
                "hovertemplate": f"{name} %{{text}}: %{{y:.4s}}<extra></extra>",
                "line": {"color": color, "dash": dash, "width": 2},
                "marker": {"color": color, "symbol": symbol, "size": 7},
            }
        )
    y = axis("", tickformat="~s")
    if column != "resolution":
        sizes = [*family[column], *published[column]]
        powers = range(math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes))))
        y |= {"type": "log", "tickvals": [digit * 10.0**power for power in powers for digit in (1, 2, 5)]}
    return figure(traces, axis("phi", dtick=1), y, showlegend=False)


def scaling_sections(run: ScalingRun) -> Html:
    """The grid and the choice, then the family."""
    grid, height = "", f"height:{max(320, 110 + 26 * len(run.compared))}px"
    if run.grid is not None:
        inside = int(run.grid["compared"].sum())
        note = (
            f"Each point is one network of the grid. {inside} of {len(run.grid)} lie within "
            f"{run.band[0]:.2f} to {run.band[1]:.2f} times the base's FLOPs and were compared: "
            "a network that costs more should be better, that says nothing about how to share."
        )
        grid = tag(
            "div", tag("h3", "The grid"), tag("p", note), plot("grid", "The grid by realised FLOPs", height)
        )
    means = tag(
        "div",
        tag("h3", "At equal compute"),
        tag("p", "Mean reward of each network, with its standard error."),
        plot("means", "Mean rewards of the networks compared", height),
    )
    words = tag("ul", *(tag("li", line) for line in run.verdict)) if run.verdict else ""
    first = section(f"Scaling at phi {run.phi:g}", words, tag("div", grid, means, class_="pair"))
    return first if run.family is None else join(first, _family_section(run, run.family))


def _family_section(run: ScalingRun, family: pd.DataFrame) -> Html:
    key = tag(
        "p",
        tag("span", tag("i", class_="swatch family"), "this family", class_="key"),
        tag("span", tag("i", class_="swatch published"), "EfficientNet as published", class_="key"),
        tag("span", tag("i", class_="swatch ideal"), "2^phi", class_="key"),
    )
    plots = [
        tag("div", tag("h3", title), plot(f"family-{column}", f"{title} by phi"))
        for column, title in CURVES.items()
    ]
    header = (
        "model",
        "phi",
        "depth",
        "width",
        "px",
        "FLOPs",
        "growth",
        "params",
        "activations",
        "architecture",
    )
    rows = [
        (
            row["model"],
            "" if pd.isna(row["phi"]) else f"{row['phi']:g}",
            f"{row['depth']:.3g}",
            f"{row['width']:.3g}",
            row["resolution"],
            count(row["flops"]),
            f"{row['growth']:.2f}",
            count(row["params"]),
            count(row["activations"]),
            row["arch"],
        )
        for row in family.to_dict("records")
    ]
    return section(
        "The family",
        tag("p", run.coefficients) if run.coefficients else "",
        key,
        tag("div", *plots, class_="quad"),
        data_table(header, rows, "family"),
    )
