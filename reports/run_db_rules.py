"""What every row of a ``run.db`` must be: SQLite itself takes any value in any column.

``quick_check`` finds damaged pages only, so each table is checked by one query, before it is read.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from search_spaces import ArchSpec
from search_spaces.limits import MOST_FLOPS, shown

LATER = ("images_per_second", "peak_memory", "test_accuracy", "reason")
"""Columns that older files lack."""
LATER_TABLES = ("baselines", "sessions", "measurements")
"""Tables that they lack."""
MOST_EPOCHS = 10**6
TYPES = {
    "INTEGER": "typeof({0}) = 'integer' AND {0} >= 0",
    "REAL": "{0} < ''",  # SQLite sorts numbers before texts
    "TEXT": "typeof({0}) = 'text'",
}
MEASURED = (
    *("seconds", "worker_seconds", "busy_seconds", "controller_seconds", "images_per_second"),
    *("milliseconds", "low", "high", "ratio", "reference_milliseconds", "usual_milliseconds", "core_share"),
)
COST = "REAL COST"
"""The type of a further column: a measured cost."""
RULES = {
    "status": "{0} IN ('waiting', 'running', 'done', 'failed')",
    "kind": "{0} IN ('ask', 'tell', 'retry')",
    "ended": "{0} IN ('done', 'max_hours')",
    **dict.fromkeys(("accuracy", "test_accuracy"), "{0} BETWEEN 0 AND 1"),
    "reward": "{0} BETWEEN -1e300 AND 1e300",
    **dict.fromkeys(MEASURED, "{0} BETWEEN 0 AND 1e300"),
    **dict.fromkeys(("flops", "params", "activations"), f"{{0}} BETWEEN 1 AND {MOST_FLOPS}"),
    **dict.fromkeys(("epoch", "epochs"), f"{{0}} <= {MOST_EPOCHS}"),
}
"""By column: what its type does not say. ``read_actions`` and ``refuse_foreign`` check two texts, faster."""
LIST = re.compile(r"\[((0|[1-9][0-9]*)(, ?(0|[1-9][0-9]*))*)?\]")
KNOWN = "{0} IN (SELECT trial FROM trials)"
PRICED = "{0} IS NOT NULL OR arch NOT LIKE 'res%-stem%'"
"""Of an ``ArchSpec`` all costs are known; of another network, what its space or its evaluation gives."""
OF_TABLE = {
    "trials": {
        **dict.fromkeys(("flops", "params", "activations"), PRICED),
        "accuracy": "{0} IS NOT NULL OR status <> 'done'",
        "reward": "{0} IS NOT NULL OR status <> 'done'",
        "epochs": "{0} IS NOT NULL OR status <> 'done'",
        "repeat_of": f"{{0}} IS NULL OR ({{0}} < trial AND {KNOWN})",
    },
    "epochs": {"trial": KNOWN},
    "events": {"trial": KNOWN},
    "confirmations": {"trial": KNOWN},
    "baselines": dict.fromkeys(("flops", "params", "activations"), PRICED),
}
"""By table and column: what other columns and tables say of it."""


def refuse_wrong_rows(db: sqlite3.Connection, table: str, columns: Mapping[str, str], *, older: bool) -> None:
    """Refuses a table with a value that nas does not write.

    Args:
        columns: with their SQL types.
        older: whether the file's schema is an older one, which may lack the columns of ``LATER``.

    Raises:
        ValueError: with the column and the value.
    """
    there = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
    if not there and older and table in LATER_TABLES:
        return
    rules = {}
    for name, kind in columns.items():
        if name in there:
            rules[name] = _rule(table, name, kind)
        elif not (older and name in LATER):
            raise ValueError(f"has no {table}.{name}")
    broken = " ".join(f"WHEN ({rule}) IS NOT TRUE THEN '{name}'" for name, rule in rules.items())
    query = f"SELECT CASE {broken} END AS broken FROM {table} WHERE broken IS NOT NULL LIMIT 1"  # noqa: S608
    if row := db.execute(query).fetchone():
        name = row[0]
        query = f'SELECT "{name}" FROM {table} WHERE ({rules[name]}) IS NOT TRUE LIMIT 1'  # noqa: S608
        (value,) = db.execute(query).fetchone() or row
        raise ValueError(f"has {table}.{name} = {shown(value)}")


def read_actions(texts: Sequence[str]) -> list[tuple[int, ...]]:
    """The actions of all trials, from their JSON.

    Raises:
        ValueError: if one is not a flat list of whole numbers.
    """
    together = f"[{','.join(texts)}]"
    try:
        if together.encode().translate(None, b"0123456789, ") == b"[%b]" % (b"[]" * len(texts)):
            return list(map(tuple, json.loads(together)))
    except ValueError:
        pass
    wrong = next((text for text in texts if not LIST.fullmatch(text)), together)
    raise ValueError(f"has trials.actions = {shown(wrong)}")


def is_arch_text(text: str) -> bool:
    """Whether a network's text is like that of an ``ArchSpec``, by the same rule as ``PRICED``."""
    return text.startswith("res") and "-stem" in text


def refuse_foreign(archs: Iterable[str]) -> None:
    """ValueError if one of ``archs`` is no architecture. Their parts repeat, so few need to be parsed."""
    frames: set[tuple[str, ...]] = set()
    stages: set[str] = set()
    for text in archs:
        parts = text.split("-")
        frame, middle = (*parts[:3], parts[-1]), parts[3:-1]
        if frame not in frames or not stages.issuperset(middle):
            try:
                ArchSpec.parse(text)
            except ValueError as error:
                raise ValueError(f"has a wrong trials.arch: {error}") from None
            frames.add(frame)
            stages.update(middle)


def _rule(table: str, name: str, kind: str) -> str:
    """The condition on a column."""
    needed = "NOT NULL" in kind or "PRIMARY KEY" in kind
    further = "{0} BETWEEN -1e300 AND 1e300" if kind == COST else RULES.get(name)
    conditions = [TYPES[kind.split()[0]], *filter(None, [further])]
    rule = " AND ".join(f"({condition})" for condition in conditions)
    rule = rule if needed else f"{{0}} IS NULL OR ({rule})"
    if further := OF_TABLE.get(table, {}).get(name):
        rule = f"({rule}) AND ({further})"
    return rule.format(f'"{name}"')
