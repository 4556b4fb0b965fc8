"""What the end of a trial makes of its row: its costs, and its reward or its error."""

from __future__ import annotations

from nas.spec.objective import Objective
from nas.spec.trial import Outcome, Row

SECONDS = "seconds"
"""The duration of a trial, where a search aims at it: what its evaluation says of it, or else as measured."""


def ended(row: Row, outcome: Outcome, objective: Objective) -> Row:
    """``row``, ``done`` or ``failed`` by ``outcome``; failed, too, if a cost that counts is unknown."""
    took = {SECONDS: outcome.seconds} if SECONDS in objective.costs else {}
    row = row._replace(costs={**took, **outcome.costs, **row.costs})
    if row.flops is None and "flops" in row.costs:
        row = row._replace(flops=int(row.costs["flops"]))
    if outcome.accuracy is None:
        return row._replace(status="failed", error=outcome.error)
    if lack := objective.lack(row.costs):
        return row._replace(status="failed", error=lack)
    said = row.costs if row.repeat_of is None else {}  # a repeat takes no time
    return row._replace(
        status="done",
        accuracy=outcome.accuracy,
        reward=objective(outcome.accuracy, row.costs),
        epochs=outcome.epochs,
        seconds=said.get(SECONDS, outcome.seconds),
    )
