"""The page's figures, as plotly's JSON. Colours are names of CSS variables, which the page's script looks
up, so that figures follow the page's light or dark colours."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.numbers import unit_words
from reports.page.points import Points, evenly

Figure = dict[str, Any]

CATEGORIES = tuple(f"var(--c{number})" for number in range(1, 8))
DASHES = ("solid", "dash")
MOST_CURVES = len(CATEGORIES) * len(DASHES)
MOST_DOTS = 2000
LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
DOTTED = {"color": "var(--rest)", "dash": "dot", "width": 1.5}


def axis(title: str, **options: Any) -> dict[str, Any]:
    """An axis; ``options`` are plotly's."""
    return {
        "title": {"text": title, "standoff": 12},
        "gridcolor": "var(--grid)",
        "linecolor": "var(--rule)",
        "zeroline": False,
        "automargin": True,
        **options,
    }


def figure(
    traces: Sequence[Mapping[str, Any]], x: Mapping[str, Any], y: Mapping[str, Any], **layout: Any
) -> Figure:
    """Traces on two axes; ``layout`` is plotly's."""
    return {
        "data": list(traces),
        "layout": {
            "xaxis": dict(x),
            "yaxis": dict(y),
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": "system-ui, sans-serif", "size": 12, "color": "var(--muted)"},
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "hoverlabel": {
                "bgcolor": "var(--paper)",
                "bordercolor": "var(--rule)",
                "font": {"color": "var(--ink)", "size": 12},
            },
            "legend": LEGEND,
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "var(--muted)", "activecolor": "var(--front)"},
            "showlegend": len(traces) > 1,
            **layout,
        },
    }


def scatter(x: Any, y: Any, mode: str, **options: Any) -> dict[str, Any]:
    """A trace of lines, markers or both; ``options`` are plotly's."""
    x, y = (np.asarray(values, np.float64).tolist() for values in (x, y))
    return {"type": "scatter", "mode": mode, "x": x, "y": y, **options}


def span(values: Any) -> list[float] | None:
    """A range around equal values, where plotly would show -1 to 1; None leaves it to plotly."""
    numbers = np.asarray(values, np.float64)
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    return None if high - low > 1e-9 * abs(high) else [float(low - 0.06), float(high + 0.06)]


def label(text: object) -> str:
    """``text`` for plotly, which reads ``<b>`` and ``&amp;`` as HTML."""
    return html.escape(str(text), quote=False)


def front_figure(points: Points, cost: str, known: Sequence[Mapping[str, Any]] = ()) -> Figure:
    """Accuracy against ``cost``; ``customdata`` are rows of the table, the last trace is the pinned one.

    ``known`` networks, with a ``name``, are marked.
    """
    table, front = points.table, points.fronts[cost]
    rest = np.setdiff1d(np.arange(len(table)), front)

    def trace(rows: Any, mode: str, **options: Any) -> dict[str, Any]:
        chosen, numbers = table.iloc[list(rows)], [int(row) for row in rows]
        x, y = chosen[cost], chosen["accuracy"]
        return scatter(x, y, mode, customdata=numbers, hoverinfo="none", **options)

    grey = {"color": "var(--rest)", "size": 6, "opacity": 0.45 if len(rest) > 300 else 0.8}
    blue = {"color": "var(--front)", "size": 9, "line": {"color": "var(--paper)", "width": 1}}
    star = {**blue, "color": "var(--best)", "size": 15, "symbol": "star"}
    ring = {"color": "rgba(0,0,0,0)", "size": 18, "line": {"color": "var(--ink)", "width": 2}}
    steps: dict[str, Any] = {"line": {"shape": "hv", "width": 1.5, "color": "var(--front)"}}
    if "accuracy_error" in table and table["accuracy_error"].iloc[front].notna().any():
        errors = table["accuracy_error"].iloc[front].astype(float).tolist()
        bars = {"type": "data", "array": errors, "thickness": 1, "width": 0, "color": "var(--front)"}
        steps["error_y"] = bars
    traces = [
        trace(rest, "markers", name="other networks", marker=grey),
        trace(front, "lines+markers", name="Pareto front", marker=blue, **steps),
        trace([points.best], "markers", name="best", marker=star),
        *([_known_trace(known, cost)] if known else []),
        trace([], "markers", name="pinned", marker=ring, showlegend=False),
    ]
    better = ", more is better" if cost in points.maximize else ""
    x = axis(
        points.costs[cost] + unit_words(cost) + better, tickformat=ticks(table[cost]), rangemode="normal"
    )
    seen = [*table["accuracy"], *(row["accuracy"] for row in known)]
    return figure(traces, x, axis(points.measured, range=span(pd.Series(seen))), hovermode="closest")


def _known_trace(known: Sequence[Mapping[str, Any]], cost: str) -> dict[str, Any]:
    """Networks with their names beside them; nothing to pin."""
    mark = {"color": "var(--ink)", "size": 10, "symbol": "diamond-open"}
    known = [row for row in known if row.get(cost) is not None]
    names = [label(row["name"]) for row in known]
    x, y = ([row[column] for row in known] for column in (cost, "accuracy"))
    sides = [("bottom center", "top center")[number % 2] for number in range(len(known))]
    more = {"text": names, "textposition": sides, "hoverinfo": "skip"}
    return scatter(x, y, "markers+text", name="known networks", marker=mark, **more)


def ticks(values: pd.Series) -> str:
    """How an axis writes numbers: ``300M``; or ``0.02``, in place of ``20m``, where all are below 1000."""
    return "~s" if values.astype(float).max() >= 1000 else "~g"


MOST_LINES = 1000
"""Between parallel axes; those of the front among them."""


def parallel_figure(points: Points) -> Figure:
    """Each network as a line from axis to axis: accuracy, then the costs that the run aimed at.

    Its colour is its accuracy. The better end of each axis is at the top.
    """
    others = np.setdiff1d(np.arange(len(points.table)), points.front)
    some = others[evenly(len(others), max(0, MOST_LINES - len(points.front)))]
    rows: pd.DataFrame = points.table.iloc[[*some.tolist(), *points.front.tolist()]]
    accuracy = rows["accuracy"].astype(float).tolist()
    dimensions: list[dict[str, Any]] = [{"label": label(points.measured), "values": accuracy}]
    for cost in points.aims:
        values = rows[cost].astype(float)
        ends = [float(values.max()), float(values.min())]
        ends = ends[::-1] if cost in points.maximize else ends
        dimensions.append(
            {
                "label": label(points.costs[cost] + unit_words(cost)),
                "values": values.tolist(),
                "range": ends,
                "tickformat": ticks(values),
            }
        )
    dimensions = [one for one in dimensions if min(one["values"]) < max(one["values"])]
    colors = [[0.0, "var(--grid)"], [1.0, "var(--front)"]]
    trace = {
        "type": "parcoords",
        "line": {"color": accuracy, "colorscale": colors},
        "dimensions": dimensions,
        "labelfont": {"color": "var(--ink)", "size": 12},
        "tickfont": {"color": "var(--muted)", "size": 11},
        "rangefont": {"color": "rgba(0,0,0,0)", "size": 1},
    }
    return figure([trace], axis(""), axis(""), margin={"l": 56, "r": 56, "t": 44, "b": 16})


def progress_figure(
    trials: pd.DataFrame, random_best: pd.DataFrame | None, name: str = "reward"
) -> tuple[Figure, int]:
    """Reward per trial, its mean over windows, the best so far; and how many dots were left out.

    Args:
        name: what rewards are.
        random_best: ``trial`` and ``expected``, the best reward that random search would have by then.
    """
    done = trials.dropna(subset=["reward"])
    x, y = done["trial"].to_numpy(np.int64), done["reward"].to_numpy(np.float64)
    dots = evenly(len(x), MOST_DOTS)
    best = np.maximum.accumulate(y)
    steps = np.flatnonzero(np.r_[True, best[1:] > best[:-1]])
    steps = np.r_[steps, len(x) - 1]  # the last step goes on to the last trial
    marker = {"color": "var(--rest)", "size": 5, "opacity": 0.5 if len(x) > 300 else 0.9}
    traces = [line(x[dots], y[dots], name, "var(--rest)", "markers") | {"marker": marker}]
    windows = min(40, len(x) // 10)
    if windows > 3:
        parts = np.array_split(np.arange(len(x)), windows)
        middle, mean = [x[part].mean() for part in parts], [y[part].mean() for part in parts]
        window = f"mean of {len(x) // windows} trials"
        traces.append(line(middle, mean, window, "var(--front)", "lines"))
    if random_best is not None:
        thin = random_best.iloc[evenly(len(random_best), 500)]
        title = "random search, expected best"
        random = line(thin["trial"], thin["expected"], title, "var(--random)", "lines")
        traces.append(random | {"line": {"color": "var(--random)", "width": 2, "dash": "dash"}})
    record = line(x[steps], best[steps], "best so far", "var(--best)", "lines")
    traces.append(record | {"line": {"color": "var(--best)", "width": 2.5, "shape": "hv"}})
    return figure(traces, axis("trial"), axis(name, range=span(y))), len(x) - len(dots)


def line(x: Any, y: Any, name: str, color: str, mode: str) -> dict[str, Any]:
    """A trace in one colour, which shows its numbers on hovering."""
    look = {"line": {"color": color, "width": 2}, "marker": {"color": color, "size": 6}}
    return scatter(x, y, mode, name=name, hovertemplate="%{x:.0f}: %{y:.4f}", **look)


def curves_figure(
    epochs: pd.DataFrame, front: pd.DataFrame, best: int, measured: str = "accuracy"
) -> tuple[Figure, int] | None:
    """Learning curves of the front, and how many are left out; None if none has several epochs.

    Args:
        front: the cheapest first.
        best: the trial of the best network.
        measured: what accuracies are.
    """
    curves = epochs[epochs["trial"].isin(front["trial"])].dropna(subset=["accuracy"])
    known = [int(trial) for trial in front["trial"] if (curves["trial"] == trial).sum() > 1]
    if not known:
        return None
    chosen = evenly(len(known), MOST_CURVES)
    traces = []
    for number, trial in enumerate(known[index] for index in chosen):
        curve = curves[curves["trial"] == trial]
        name = f"trial {trial}" + " ★" * (trial == best)
        color, dash = CATEGORIES[number % len(CATEGORIES)], DASHES[number // len(CATEGORIES)]
        color = "var(--ink)" if trial == best else color
        curve_line = line(curve["epoch"], curve["accuracy"], name, color, "lines+markers")
        curve_line["line"] = {"color": color, "width": 3.5 if trial == best else 1.75, "dash": dash}
        curve_line["hovertemplate"] = "epoch %{x:.0f}: %{y:.4f}"
        traces.append(curve_line)
    x = axis("epoch", dtick=1 if curves["epoch"].max() <= 12 else None)
    shown = curves.loc[curves["trial"].isin(known), "accuracy"]
    return figure(traces, x, axis(measured, range=span(shown)), showlegend=True), len(known) - len(chosen)
