"""What ``nas plan`` prints, and its JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console

from nas.launch.plan import Plan, Timed, fit_line
from nas.screens.report import print_parts
from reports.numbers import count, gigabytes, memory, percent, rough_duration
from reports.tables import plain_table, sketch
from search_spaces import cost


def print_plan(console: Console, plan: Plan) -> None:
    """The networks that were timed, and the whole search."""
    table = plain_table("FLOPs", "params", "images/s", "s/trial", "memory", "est.", first="size")
    table.add_column("stages: expansion x layers, kernel, + is SE", overflow="fold")
    for row in plan.timed:
        table.add_row(*cells(row))
    print_parts(console, [table, "", *lines(plan)])


def cells(row: Timed) -> tuple[str, ...]:
    """A row of the table."""
    price, timing = cost(row.candidate.arch), row.timing
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
    """The search in words."""
    resources = plan.resources
    workers = resources.workers or 1
    again = f" and {plan.confirmations} confirmations" if plan.confirmations else ""
    work = f"{plan.trials} trials{again}, {workers} at a time"
    if plan.hours is None or plan.seconds is None:
        said = [f"{work}: how long is unknown, none of these networks fits."]
    else:
        said = [
            f"{work}: about {rough_duration(plan.hours)}, {plan.seconds:.1f} s a trial on average over "
            f"{plan.sampled} random networks, each timed alone."
        ]
        if plan.gpu_hours:
            said.append(f"That is {plan.gpu_hours:.3g} GPU-hours and {plan.cpu_hours:.3g} CPU-core-hours.")
        else:
            said.append(f"That is {plan.cpu_hours:.3g} CPU-core-hours.")
    if plan.available is None:
        said.append(f"Memory: a trial needs up to {gigabytes(plan.largest)}; what is free is not known here.")
    else:
        said.append(
            fit_line(plan.too_large, plan.sampled, plan.largest, plan.available, resources, plan.device)
        )
    return said


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values; memory in bytes."""
    facts = {
        name: value for name, value in dataclasses.asdict(plan).items() if name not in ("timed", "resources")
    }
    networks = []
    for row in plan.timed:
        timing = row.timing._asdict() if row.timing else {}
        networks.append(
            {
                "place": row.place,
                "arch": str(row.candidate.arch),
                **cost(row.candidate.arch)._asdict(),
                "images_per_second": timing.get("images_per_second"),
                "seconds": row.seconds,
                "peak_memory": timing.get("peak_memory"),
                "expected_memory": row.candidate.expected_memory,
            }
        )
    return {**facts, "resources": dataclasses.asdict(plan.resources), "networks": networks}
