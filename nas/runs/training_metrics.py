"""``metrics.json`` of a training run: how good the kept weights are, on each part not trained on; as tables.

classes.csv     part, class, precision, recall, f1, images, predicted
confusion.csv   part, class, and a column for each class that its images were taken for
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from nas.errors import InputError
from nas.files import exists, read_text, write_csv
from nas.training.weights import METRICS
from reports.metrics import Metrics

PARTS = ("test", "valid")
"""The most important first."""


def read_metrics(directory: Path) -> dict[str, Metrics]:
    """The metrics on each part, the test part first; nothing for older runs, and before the end.

    Raises:
        InputError: if the file is damaged.
    """
    path = directory / METRICS
    if not exists(path):
        return {}
    try:
        found = json.loads(read_text(path))
        return {part: Metrics.from_json(found[part]) for part in PARTS if part in found}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"run must have a readable {METRICS} ({reason}): {directory}") from None


def metrics_json(directory: Path) -> dict[str, Any]:
    """``read_metrics`` as JSON values."""
    return {part: metrics.to_json() for part, metrics in read_metrics(directory).items()}


def write_metrics(directory: Path) -> None:
    """Writes ``classes.csv`` and ``confusion.csv``, if there are metrics."""
    metrics = read_metrics(directory)
    if not metrics:
        return
    write_csv(directory / "classes.csv", _with_parts({part: one.by_class() for part, one in metrics.items()}))
    tables = {part: one.confusion_table() for part, one in metrics.items()}
    for table in tables.values():
        table.insert(0, "class", table.index, allow_duplicates=True)
    write_csv(directory / "confusion.csv", _with_parts(tables))


def _with_parts(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of equal columns one below the other, and in the first column the part."""
    columns = next(iter(tables.values())).columns
    rows = [
        [part, *row] for part, table in tables.items() for row in table.itertuples(index=False, name=None)
    ]
    return pd.DataFrame(rows, columns=["part", *columns])
