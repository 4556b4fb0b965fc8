"""Runs trials in this process, one after another; ``nas.launch.workers`` runs them on Ray."""

from __future__ import annotations

from nas.search.loop import Search
from nas.spec.trial import Evaluator, Outcome, steps


def run_inline(search: Search, evaluator: Evaluator) -> None:
    """Runs trials until none is left to start."""
    with search.session:
        search.session.staff(1)
        while (trial := search.next()) is not None:
            for step in steps(evaluator, trial, "inline"):
                if isinstance(step, Outcome):
                    search.finish(trial, step)
                else:
                    search.epoch(trial, step)
