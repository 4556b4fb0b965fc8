"""Runs trials in this process, one after the other; ``nas.launch.ray_tune`` has the other executor."""

from __future__ import annotations

from nas.search.loop import Search
from nas.spec.trial import Evaluator, Outcome, steps


def run_inline(search: Search, evaluator: Evaluator) -> None:
    """Until there is nothing left to start."""
    while (trial := search.next()) is not None:
        for step in steps(evaluator, trial, "inline"):
            if isinstance(step, Outcome):
                search.finish(trial, step)
            else:
                search.epoch(trial, step)
