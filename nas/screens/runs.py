"""What ``nas runs`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from nas.runs.listing import Listed
from reports.fitted import FittedTable
from reports.numbers import duration, memory


def runs_table(runs: Sequence[Listed]) -> FittedTable:
    """A row per run."""
    table = FittedTable("run", "best", "age", "size", least=("space", "data"))
    for name in ("state", "kind", "space", "data"):
        table.add_words(name)
    for one in runs:
        best = "" if one.best is None else f"{one.best:.4f}"
        numbers = best, duration(one.seconds), memory(one.size)
        table.add_row(one.run, *numbers, one.state, one.kind, one.space, one.data)
    return table
