"""Tables of a scaling run for the terminal: the grid's networks, the family, and what explains it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import pandas as pd

from reports.fitted import FittedTable
from reports.numbers import cost_text, count, factor, growth, plus_minus
from reports.tables import known

Pair = tuple[float, float]
WIDE = 0.05
"""An interval of alpha that is wider than the grid's usual step is shown after alpha."""


def grid_table(compared: pd.DataFrame, measured: str = "accuracy") -> FittedTable:
    """The networks that were compared: ``*`` is chosen, ``=`` cannot be told apart from it.

    The brackets after alpha hold the range that gives the same network; ``growth`` is FLOPs over the base's,
    ``trained`` the same for what the proxy trains, ``slower`` the latency over the base's.

    Args:
        compared: from ``nas.runs.scaling_results.compare``.
        measured: what accuracies are.
    """
    several = compared["strategy"].nunique() > 1
    timed = ["latency", "slower"] if "latency" in compared else []
    numbers = ["beta", "gamma", "px", *timed, "growth", "trained", measured, "reward"]
    table = FittedTable("  alpha", *numbers, least=("trained", "px"))
    if several:
        table.add_words("strategy", max(map(len, ",".join(compared["strategy"]).split(","))))
    for row in compared.to_dict("records"):
        mark = "*" if row["chosen"] else "=" if row["tied"] else " "
        cells = [
            f"{mark} {factor(row['alpha'])}{_interval(row)}",
            factor(row["beta"]),
            factor(row["gamma"]),
            str(row["resolution"]),
            *([cost_text("latency", row["latency"]), growth(row["latency_growth"])] if timed else []),
            growth(row["growth"]),
            growth(row["trained_growth"]),
            plus_minus(row["accuracy"], row["accuracy_error"]),
            f"{row['reward']:.4f}",
        ]
        table.add_row(*cells, *([row["strategy"]] if several else []))
    return table


def _interval(row: dict[Hashable, Any]) -> str:
    low, high = row.get("alpha_low", float("nan")), row.get("alpha_high", float("nan"))
    return f" ({low:.2f}-{high:.2f})" if high - low > WIDE else ""


def family_table(family: pd.DataFrame) -> FittedTable:
    """A family in numbers, from the columns of ``family.csv``."""
    rows = family_cells(family)
    first, *numbers = rows[0]
    table = FittedTable(first, *numbers, least=("dropout", "activations", "2^phi"))
    for row in rows:
        table.add_row(*row.values())
    return table


def family_cells(family: pd.DataFrame) -> list[dict[str, str]]:
    """Each model of a family as texts, by the titles of their columns."""
    return [
        {
            "model": row["model"],
            "phi": known(row["phi"], "{:g}".format),
            "depth": f"{row['depth']:.3g}",
            "width": f"{row['width']:.3g}",
            "px": str(row["resolution"]),
            "FLOPs": count(row["flops"]),
            "growth": growth(row["growth"]),
            "2^phi": known(row["nominal_growth"], growth),
            **(
                {"latency": cost_text("latency", row["latency"]), "slower": growth(row["latency_growth"])}
                if "latency" in row
                else {}
            ),
            "params": count(row["params"]),
            "activations": count(row["activations"]),
            "dropout": f"{row['dropout']:g}",
        }
        for row in family.to_dict("records")
    ]


def family_stages_table(family: pd.DataFrame) -> FittedTable:
    """A family's layers and channels, stage by stage."""
    table = FittedTable("model")
    table.add_words("layers per stage")
    table.add_words("channels: stem, stages, head")
    channels = [f"{row.stem_channels} {row.channels} {row.head_channels}" for row in family.itertuples()]
    for row in zip(family["model"], _aligned(family["repeats"]), _aligned(channels), strict=True):
        table.add_row(*row)
    return table


def _aligned(texts: Iterable[str]) -> list[str]:
    """Lines of numbers between spaces, with each column of numbers right-aligned."""
    rows = [text.split() for text in texts]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [" ".join(map(str.rjust, row, widths)) for row in rows]


def sides_table(sides: Iterable[tuple[str, str, float | None, float, float, int, int, float]]) -> FittedTable:
    """Formula, published table and yours, model by model; rows from ``scaling_search.side_by_side``."""
    table = FittedTable("model", "phi", "depth", "width", "px", "FLOPs", "growth")
    before = None
    for model, family, phi, depth, width, resolution, flops, grown in sides:
        name = f"{model if model != before else '':3} {family}"
        numbers = (f"{depth:.3g}", f"{width:.3g}", str(resolution), count(flops), growth(grown))
        table.add_row(name, known(phi, "{:g}".format), *numbers)
        before = model
    return table


def implied_table(
    implied: Iterable[tuple[str, tuple[float, float], tuple[float, float], float]],
) -> FittedTable:
    """The phi that each published coefficient implies; rows from ``scaling_search.implied_phis``."""
    table = FittedTable("model", "from depth", "from width", "from px")
    for model, depth, width, resolution in implied:
        ranges = (f"{max(0.0, low):.2f} to {high:.2f}" for low, high in (depth, width))
        table.add_row(model, *ranges, f"{resolution:.2f}")
    return table


def shares_table(shares: Iterable[tuple[str, Pair, Pair, Pair, Pair, float, float]]) -> FittedTable:
    """FLOPs growth by dimension, before and after rounding, then in all: as meant, and by either rounding.

    Args:
        shares: rows from ``scaling_search.rounding_shares``.
    """
    table = FittedTable("model", "by depth", "by width", "by resolution", "in all", "ceil", "round")
    for model, depth, width, resolution, in_all, *rounded in shares:
        cells = (f"{meant:.2f} -> {real:.2f}" for meant, real in (depth, width, resolution))
        table.add_row(model, *cells, *(f"{times:.2f}" for times in (in_all[0], *rounded)))
    return table


def sweep_table(swept: pd.DataFrame, measured: str = "accuracy") -> FittedTable:
    """The networks of a sweep, line by line.

    Args:
        swept: ``nas.runs.sweep_results.Swept.table``.
        measured: what accuracies are.
    """
    rows = sweep_cells(swept, measured)
    first, *numbers = rows[0]
    table = FittedTable(first, *numbers, least=("trained", "px", "FLOPs"))
    before = None
    for row in rows:
        name, before = "" if row["line"] == before else row["line"], row["line"]
        table.add_row(name, *list(row.values())[1:])
    return table


def sweep_cells(swept: pd.DataFrame, measured: str) -> list[dict[str, str]]:
    """Each network of a sweep as texts, by the titles of their columns; arguments as for ``sweep_table``."""
    return [
        {
            "line": row["line"],
            **{name: f"{row[name]:.3g}" for name in ("depth", "width", "resolution")},
            "px": str(row["px"]),
            "FLOPs": count(row["flops"]),
            "growth": growth(row["growth"]),
            "trained": growth(row["trained_growth"]),
            measured: plus_minus(row["accuracy"], row["accuracy_error"]),
        }
        for row in swept.to_dict("records")
    ]


def forecast_table(forecast: pd.DataFrame, measured: str = "accuracy") -> FittedTable:
    """What larger networks of each line would reach; and its largest, predicted from the others.

    Args:
        forecast: ``nas.runs.sweep_results.Swept.forecast``.
        measured: what accuracies are.
    """
    table = FittedTable("line", "growth", f"predicted {measured}", "90 %", "measured", least=("measured",))
    before = None
    for row in forecast.to_dict("records"):
        name, before = "" if row["line"] == before else row["line"], row["line"]
        band = f"{row['low']:.3f}-{row['high']:.3f}"
        known = "" if pd.isna(row["measured"]) else plus_minus(row["measured"])
        table.add_row(name, growth(row["growth"]), f"{row['accuracy']:.3f}", band, known)
    return table
