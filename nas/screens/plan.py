"""What ``nas plan`` prints, and its JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from rich.console import Console

from nas.launch.plan import Plan, Timed, fit_line
from nas.screens.words import Steps, print_parts
from reports.fitted import FittedTable
from reports.numbers import count, gigabytes, memory, percent, rough_duration
from reports.tables import NARROWEST, STAGES, STAGES_LEGEND, sketch


def print_plan(console: Console, plan: Plan, search: str) -> None:
    """Prints the forecast, the networks that were timed, and the command that begins the ``search``."""
    table = FittedTable(
        "size", "FLOPs", "params", "images/s", "s/trial", "memory", "est.", least=("est.", "params")
    )
    table.add_words(STAGES, NARROWEST)
    for row in plan.timed:
        table.add_row(*cells(row))
    first, *others = lines(plan)
    print_parts(
        console, [first, "", table, STAGES_LEGEND, "", *others, "", Steps([("Start it with", search)])]
    )


def cells(row: Timed) -> tuple[str, ...]:
    """A row of the table: one network that was timed."""
    price, timing = row.candidate.cost, row.timing
    return (
        percent(row.place),
        count(price.flops),
        count(price.params),
        f"{timing.images_per_second:,.0f}" if timing else "",
        "" if row.seconds is None else f"{row.seconds:.1f}",
        memory(timing.peak_memory) if timing and timing.peak_memory else "",
        memory(row.candidate.expected_memory),
        sketch(str(row.candidate.arch)),
    )


def lines(plan: Plan) -> list[str]:
    """The forecast in words."""
    resources = plan.resources
    again = f" and {plan.confirmations} further training runs" if plan.confirmations else ""
    work = f"{plan.trials} trials{again}, {resources.workers or 1} at a time"
    if plan.source_seconds:
        work = f"Fine-tuning the weights ({rough_duration(plan.source_seconds / 3600)}), then {work}"
    if plan.hours is None or plan.seconds is None:
        said = [f"{work}: the time is unknown, because none of these networks fits."]
    else:
        gpus = f"{plan.gpu_hours:.3g} GPU-hours and " if plan.gpu_hours else ""
        said = [
            f"{work}: about {rough_duration(plan.hours)}, {plan.seconds:.1f} s a trial on average over "
            f"{plan.sampled} random networks, each timed alone.",
            *(
                [f"Of each trial, {plan.measuring_seconds:.1f} s measure the network's latency."]
                if plan.measuring_seconds
                else []
            ),
            f"That is {gpus}{plan.cpu_hours:.3g} CPU-core-hours.",
            *limit_lines(plan, plan.hours, plan.seconds),
        ]
    if plan.available is None:
        room = f"Memory: a trial needs up to {gigabytes(plan.largest)}; how much is free is unknown here."
    else:
        room = fit_line(plan.too_large, plan.sampled, plan.largest, plan.available, resources, plan.device)
    return [*said, room]


def limit_lines(plan: Plan, hours: float, seconds: float) -> list[str]:
    """How many trials fit into ``max_hours``; nothing if they all do."""
    limit, workers = plan.resources.max_hours, plan.resources.workers or 1
    if limit is None or hours <= limit:
        return []
    rounds = int((3600 * limit - plan.source_seconds) / seconds) - math.ceil(plan.confirmations / workers)
    return [f"With --max-hours {limit:g} about {max(1, rounds * workers)} of the {plan.trials} trials fit."]


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values; memory in bytes."""
    facts = dataclasses.asdict(plan)
    del facts["timed"]
    resources = facts.pop("resources")
    networks = [
        {
            "place": row.place,
            "arch": str(row.candidate.arch),
            **row.candidate.cost._asdict(),
            "images_per_second": row.timing.images_per_second if row.timing else None,
            "seconds": row.seconds,
            "peak_memory": row.timing.peak_memory if row.timing else None,
            "expected_memory": row.candidate.expected_memory,
        }
        for row in plan.timed
    ]
    return {**facts, "resources": resources, "networks": networks}
