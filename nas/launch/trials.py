"""Runs the trials of a search, in this process or on a cluster."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence

from nas.errors import RunError
from nas.launch.inline import run_inline
from nas.launch.measuring import measuring
from nas.launch.plan import memory_warning
from nas.search.events import ENDED
from nas.search.loop import Search
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.spec.trial import Evaluator
from nas.training.full import FullTraining
from nas.training.proxy import Training


def end_of(resources: Resources) -> float:
    """When a command that begins now should have ended, by ``time.monotonic``."""
    return math.inf if resources.max_hours is None else time.monotonic() + 3600 * resources.max_hours


def run(
    search: Search,
    evaluator: Evaluator,
    resources: Resources,
    settings: Settings,
    notes: Sequence[str],
    *,
    workers: int | None,
) -> None:
    """Runs the search to its end; RunError if it gives up because its first trials all fail.

    Args:
        resources: with the workers that there is room for now.
        workers: how many there may be; None for as many as there is room for at any time.
    """
    finished = [row for row in search.rows.values() if row.status in ENDED]
    search.listener.on_part(search.journal.directory)
    search.listener.on_start(settings, finished, search.standing)
    for note in notes:
        search.listener.say(note)
    if isinstance(evaluator, Training) and (
        warning := memory_warning(search.space, evaluator, resources, settings.seed)
    ):
        search.listener.say(warning)
    inline = resources.address == "inline" or isinstance(evaluator, FullTraining)
    evaluator = measuring(evaluator, settings, search.space)
    if inline:
        run_inline(search, evaluator)
    else:
        from nas.launch.workers import run_ray

        run_ray(search, evaluator, dataclasses.replace(resources, workers=workers))
    if search.gave_up is not None:
        raise RunError(search.gave_up)
