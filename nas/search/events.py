"""Asks and tells of a run, in order, and whether they lead to its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nas.spec.trial import Row

ENDED = ("done", "failed")
"""The statuses of a trial that is over."""


class Event(NamedTuple):
    """An ``ask`` or ``tell`` of a trial; the reward is None for an ``ask`` and for a failed trial."""

    kind: str
    trial: int
    reward: float | None


def check_events(events: Sequence[Event], rows: Mapping[int, Row]) -> None:
    """Each trial is asked for in its turn, and told once, after that, if it has ended.

    Raises:
        ValueError: if ``events`` do not lead to ``rows``, the trials by number.
    """
    asked, told = 0, set[int]()
    for number, event in enumerate(events):
        row = rows[event.trial]
        if event.kind == "ask":
            fits = row.trial == asked
            asked += 1
        else:
            fits = row.trial < asked and row.trial not in told and row.status in ENDED
            told.add(row.trial)
        if not fits:
            raise ValueError(f"event {number}, {event.kind}, does not fit trial {row.trial}, {row.status}")
    if ended := {row.trial for row in rows.values() if row.status in ENDED} - told:
        raise ValueError(f"trial {min(ended)} has ended, but was not told")
    if asked < len(rows):
        raise ValueError(f"{len(rows)} trials must be asked for, got {asked}")
