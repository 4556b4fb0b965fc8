"""What a person sees of an audit: the networks, best first, and the verdict."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

import reports
from nas.audit import findings, verdict
from nas.run import Run
from reports.tables import MOST_NETWORKS


def audit_parts(run: Run) -> list[RenderableType]:
    """A table, and lines."""
    found = findings(run)
    more = len(found.table) - MOST_NETWORKS
    left = [f"{more} more are in {run.directory / 'audit.csv'}"] if more > 0 else []
    return [reports.audit_table(found.table), *map(Text, [*left, "", *verdict(found)])]
