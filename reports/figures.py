"""Figures for papers: the front, the progress, a family beside the published one. Imports matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from reports.baseline import best_so_far
from reports.numbers import cost_title, factor, unit_words

BLUE, ORANGE, VERMILION, GREEN, GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#9A9A9A"
"""Okabe and Ito's colours, which colour-blind readers tell apart."""

LINES = (BLUE, VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9", "#000000")

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 24,  # room for the legend below it
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "nas",
}
DPI = 300
MANY = 2000
"""With this many points or more, an SVG has them as pixels."""


def draw_search(
    trials: pd.DataFrame,
    networks: pd.DataFrame,
    front: pd.DataFrame,
    best: int,
    random: Mapping[str, Any],
    cost: str = "flops",
) -> Figure:
    """The front beside the progress.

    Args:
        trials, networks: a run's, as ``nas.open_run`` gives them.
        front: of accuracy against ``cost`` alone.
        best: the chosen trial.
        random: ``counts`` of trials, ``random_so_far``, the expected best rewards, and ``rests_on``, the size
            of the sample; may be empty.
        cost: against which the front is drawn, a column of ``networks``.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_front(left, networks, front, best, cost)
        _draw_progress(right, trials[trials["status"] == "done"], random)
    return figure


def draw_family(family: pd.DataFrame, published: pd.DataFrame, grid: pd.DataFrame | None = None) -> Figure:
    """A family's cost, model by model, beside the published one; and the grid that it came from.

    Args:
        family, published: with the columns of ``family.csv``.
        grid: with the columns of ``grid.csv``; None if nothing was trained.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2 if grid is None else 10.2, 3.2), layout="constrained")
        axes = figure.subplots(1, 2 if grid is None else 3)
        families = ((published, ORANGE, "s", "EfficientNet as published"), (family, BLUE, "o", "this family"))
        names = list(dict.fromkeys([*family["model"], *published["model"]]))
        names = [name for name in names if name in set(family["model"])]
        for frame, color, marker, label in families:
            style: dict[str, Any] = {"color": color, "marker": marker, "markersize": 4, "linewidth": 1.2}
            known = frame[frame["model"].isin(names)]
            axes[0].plot([names.index(name) for name in known["model"]], known["flops"], label=label, **style)
            axes[1].plot(known["flops"], known["params"], label=label, **style)
        axes[0].set_xticks(range(len(names)), names)
        axes[0].set(title="Compute of the family", ylabel="FLOPs (multiply-adds)", yscale="log")
        axes[1].set(title="Parameters against compute", xlabel="FLOPs (multiply-adds)", ylabel="parameters")
        axes[1].set(xscale="log", yscale="log")
        for axis in (axes[0].yaxis, axes[1].xaxis, axes[1].yaxis):
            _count_axis(axis)
        _legend(axes[0])
        _legend(axes[1])
        if grid is not None:
            _draw_grid(axes[2], grid)
    return figure


def draw_sweep(swept: pd.DataFrame, curves: pd.DataFrame, measured: str) -> Figure:
    """Accuracy along each line of a sweep, with standard errors; dashed its power law, in its 90 % band.

    Args:
        swept, curves: from ``nas.runs.sweep_results``.
        measured: what accuracies are.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        axes = figure.subplots()
        for number, (name, line) in enumerate(swept.groupby("line", sort=False)):
            color = LINES[number % len(LINES)]
            law = curves[curves["line"] == name]
            axes.fill_between(law["growth"], law["low"], law["high"], color=color, alpha=0.08, linewidth=0)
            axes.plot(law["growth"], law["accuracy"], color=color, linewidth=0.8, linestyle=(0, (4, 2)))
            errors = None if line["accuracy_error"].isna().any() else line["accuracy_error"]
            axes.errorbar(
                line["growth"], line["accuracy"], errors, color=color, marker="o", markersize=4,
                linewidth=1.2, elinewidth=0.8, capsize=1.5, label=str(name),
            )  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        axes.set(title="Accuracy along each line", xlabel="realised FLOPs over the base's", ylabel=measured)
        _legend(axes)
    return figure


def save(figure: Figure, files: Mapping[str, Path | IO[bytes]]) -> None:
    """Writes ``figure`` to ``files``, by format: ``png``, ``svg``, or any other of matplotlib's.

    Raises:
        ValueError: if matplotlib does not know the format.
        OSError: if a file cannot be written.
    """
    with mpl.rc_context(STYLE):
        for kind, file in files.items():
            metadata = {"Date": None} if kind == "svg" else None  # the same figure gives the same file
            figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)


def _draw_front(
    axes: Axes, networks: pd.DataFrame, front: pd.DataFrame, best: int, cost: str = "flops"
) -> None:
    _draw_dots(axes, networks[cost], networks["accuracy"], "networks")
    steps = front.sort_values(cost)
    falls = len(steps) > 1 and steps["accuracy"].iloc[0] > steps["accuracy"].iloc[-1]  # more is better
    axes.step(steps[cost], steps["accuracy"], where="pre" if falls else "post", color=BLUE, linewidth=1.2)
    known = "accuracy_error" in steps and bool(steps["accuracy_error"].notna().any())
    if known:
        axes.errorbar(
            steps[cost], steps["accuracy"], steps["accuracy_error"], fmt="none", ecolor=BLUE,
            elinewidth=0.7, capsize=1.5, capthick=0.7,
        )  # fmt: skip
    axes.plot(
        steps[cost], steps["accuracy"], "o", color=BLUE, markersize=3 if len(steps) > 40 else 4,
        label="front",
    )  # fmt: skip
    chosen = networks[networks["trial"] == best]
    axes.plot(
        chosen[cost], chosen["accuracy"], "*", color=VERMILION, markersize=11, markeredgecolor="white",
        markeredgewidth=0.6, label="chosen", zorder=5,
    )  # fmt: skip
    x = networks[cost]
    if cost == "flops":
        axes.set(title="Accuracy against compute", xlabel="FLOPs (multiply-adds)")
    else:
        title = cost_title(cost)
        axes.set(title=f"Accuracy against {title}", xlabel=f"{title}{unit_words(cost)}")
    axes.set_ylabel("accuracy ± standard error" if known else "accuracy")
    if x.max() > 8 * x.min():
        axes.set_xscale("log")
    _count_axis(axes.xaxis)
    _leave_out(axes, networks["accuracy"], float(front["accuracy"].min()))
    _legend(axes)


def _draw_progress(axes: Axes, done: pd.DataFrame, random: Mapping[str, Any]) -> None:
    """Rewards by trial, which count from 0 as in ``run.db``."""
    number = done["trial"].to_numpy()
    _draw_dots(axes, number, done["reward"], "trials")
    best = best_so_far(done["reward"])
    axes.step(number, best, where="post", color=BLUE, linewidth=1.4, label="best so far")
    lowest = float(best[0])
    if random.get("random_so_far"):
        label = f"random, expected (n = {random['rests_on']:,})"
        trials, values = np.asarray(random["counts"]) - 1, random["random_so_far"]
        axes.plot(trials, values, color=ORANGE, linewidth=1.4, linestyle=(0, (4, 1.5)), label=label)
        lowest = min(lowest, values[0])
    axes.set(title="Progress", xlabel="trial", ylabel="reward")
    if len(done) > 500:
        axes.set_xscale("symlog", linthresh=10)  # a logarithm has no trial 0
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(left=0)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    _leave_out(axes, done["reward"], min(lowest, float(best[-1])))
    _legend(axes)


def _draw_dots(axes: Axes, x: Any, y: pd.Series, label: str) -> None:
    many = len(y) >= MANY
    axes.scatter(x, y, s=2 if many else 9, color=GREY, alpha=0.5, linewidths=0, rasterized=many, label=label)


def _draw_grid(axes: Axes, grid: pd.DataFrame) -> None:
    ranked = grid.sort_values("reward", ignore_index=True)
    colors = np.where(ranked["chosen"], VERMILION, np.where(ranked["tied"], BLUE, GREY))
    labels = {VERMILION: "chosen", BLUE: "not told apart", GREY: "worse"}
    for color, label in labels.items():
        rows = ranked[colors == color]
        if len(rows):
            errors = None if rows["reward_error"].isna().all() else rows["reward_error"]
            axes.errorbar(
                rows["reward"], rows.index, xerr=errors, fmt="o", color=color, markersize=4, elinewidth=0.8,
                label=label,
            )  # fmt: skip
    names = [
        ", ".join(factor(row[name]) for name in ("alpha", "beta", "gamma"))
        for row in ranked.to_dict("records")
    ]
    axes.set_yticks(range(len(names)), names, fontsize=min(8.0, 130 / len(names) + 1))
    axes.set(title="The grid at equal compute", xlabel="reward", ylabel="alpha, beta, gamma")
    _legend(axes)


def _leave_out(axes: Axes, values: pd.Series, needed: float) -> None:
    """Cuts off the few values far below the rest and says how many; ``needed`` stays visible."""
    low, middle, high = np.nanquantile(values, [0.05, 0.5, 1.0])
    edge = min(needed, float(low) - 0.5 * float(middle - low))
    below = int((values < edge).sum())
    if below and float(values.min()) < edge - 0.2 * float(high - edge):
        pad = 0.06 * (high - edge)
        axes.set_ylim(edge - pad, high + pad)
        axes.annotate(
            f"{below:,} below", (0.99, 0.02), xycoords="axes fraction", ha="right", va="bottom",
            color="#666666", fontsize=7,
        )  # fmt: skip


def _count_axis(axis: Any) -> None:
    """Labels like 300M; on a logarithmic axis at 1, 2 and 5 if it spans less than three decades."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    if axis.get_scale() == "log":
        low, high = sorted(axis.get_view_interval())
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        leads = (1, 2, 5) if high < 1000 * low else (1,)
        ticks = [lead * 10.0**power for power in powers for lead in leads]
        axis.set_ticks([tick for tick in ticks if low <= tick <= high])
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


def _short(value: float) -> str:
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale:
            return f"{value / scale:g}{unit}"
    return f"{value:g}"


def _legend(axes: Axes) -> None:
    """A legend in one line above the axes, where it hides nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=4, handlelength=1.2, columnspacing=0.8,
        handletextpad=0.4, borderaxespad=0.2,
    )  # fmt: skip
