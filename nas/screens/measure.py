"""What ``nas measure`` prints, and its JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nas.deploy.latency_model import LatencyModel
from nas.deploy.protocol import Measurement
from nas.errors import command, command_line
from nas.runs.device_results import device_sentence
from nas.screens.words import Steps, print_parts
from reports import plain
from reports.fitted import FittedTable
from reports.measured import LATENCY
from reports.numbers import cost_text, count, memory, percent
from reports.tables import device_text, known_in
from search_spaces import ArchSpec, cost

if TYPE_CHECKING:
    import pandas as pd

SHARED = 0.9
"""A process that had its core for a smaller share of the time says so."""
COEFFICIENTS = "coefficients"


class Row(NamedTuple):
    """A network as it was named, and its latency; ``measured`` is None where that was not measured."""

    name: str
    arch: ArchSpec
    milliseconds: float
    measured: Measurement | None


def print_measurements(
    console: Console, rows: Sequence[Row], facts: Mapping[str, Any], reference: str
) -> None:
    """Prints a table of networks, and how to read it."""
    titles = ("network", "ms", "quartiles", "ratio", "memory", "FLOPs", "px")
    lines = [cells(row) for row in rows]
    shown = [index for index in range(len(titles)) if any(line[index] for line in lines)]
    table = FittedTable(*(titles[index] for index in shown), least=("px", "memory", "quartiles"))
    for line in lines:
        table.add_row(*(line[index] for index in shown))
    measured = [row.measured for row in rows if row.measured]
    batch = "one image" if facts.get("batch", 1) == 1 else f"{facts['batch']} images"
    first = f"Latency of {batch} on {facts['device']}"
    if "threads" in facts:
        first += f", {facts['threads']} thread{'s' * (facts['threads'] > 1)}"
    notes = []
    known = [one.reference_milliseconds for one in measured if one.reference_milliseconds]
    if known:
        low, high = min(known), max(known)
        taken = f"{low:.2f} ms" if len(known) == 1 else f"{low:.2f} to {high:.2f} ms"
        notes.append(f"ratio: to {reference}, which ran in between and took {taken}.")
    share = min((one.core_share for one in measured if one.core_share is not None), default=1.0)
    if share < SHARED:
        notes.append(
            f"Other processes had the core for {percent(1 - share)} of the time; that time is not counted."
        )
    print_parts(console, [f"{first}:", "", table, *[""] * bool(notes), *notes])


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table."""
    found = row.measured
    return (
        row.name if len(row.name) <= 40 else f"{row.name[:37]}...",
        f"{row.milliseconds:.2f}",
        f"{found.low:.2f}-{found.high:.2f}" if found else "",
        f"{found.ratio:.3f}" if found and found.ratio else "",
        memory(found.peak_memory) if found and found.peak_memory else "",
        count(cost(row.arch).flops),
        str(row.arch.resolution),
    )


def measure_json(rows: Sequence[Row], facts: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """The measurements as JSON values; memory in bytes."""
    networks = []
    for row in rows:
        found = dataclasses.asdict(row.measured) if row.measured else {"milliseconds": row.milliseconds}
        networks.append({"name": row.name, "arch": str(row.arch), **found})
    return {**facts, "reference": None if reference == "none" else reference, "networks": networks}


def print_front(console: Console, found: pd.DataFrame, facts: Mapping[str, Any], directory: Path) -> None:
    """Prints the networks of a front as they were measured, beside what was predicted."""
    predicted = known_in(found, LATENCY)
    titles = ["predicted"] * predicted + ["measured"] + ["error"] * predicted + ["quartiles", "ratio"]
    table = FittedTable("trial", "accuracy", *titles, "FLOPs", least=("quartiles", "ratio"))
    for row in found.to_dict("records"):
        measured = [cost_text(LATENCY, row["latency_measured"])]
        if predicted:
            measured = [
                cost_text(LATENCY, row[LATENCY]),
                *measured,
                device_text("latency_error", row["latency_error"]),
            ]
        table.add_row(
            str(row["trial"]),
            f"{row['accuracy']:.4f}",
            *measured,
            f"{row['low']:.2f}-{row['high']:.2f}",
            "" if math.isnan(row["ratio"]) else f"{row['ratio']:.3f}",
            count(row["flops"]),
        )
    steps = Steps([("See them in the report", command("report", directory))])
    print_parts(console, [device_sentence(facts), "", table, "", steps])


def front_json(found: pd.DataFrame, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same as JSON values."""
    names = (
        "trial",
        "arch",
        "accuracy",
        LATENCY,
        "latency_measured",
        "latency_error",
        "low",
        "high",
        "ratio",
    )
    return {**facts, "networks": list(plain(found[[name for name in names if name in found]]))}


class Surveying:
    """The progress of measuring many networks."""

    def __init__(self, console: Console, networks: int) -> None:
        words = TextColumn("{task.description}")
        self.bar = Progress(
            words,
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("Measuring", total=networks)

    def __enter__(self) -> Surveying:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def on_row(self, number: int, table: pd.DataFrame) -> None:
        """Shows how many rows there are, and the latest."""
        latest = f", latest {table['milliseconds'].iloc[-1]:.2f} ms" if number else ""
        self.bar.update(self.task, completed=number, description=f"Measuring{latest}")


def print_model(console: Console, model: LatencyModel, file: Path, directory: Path) -> None:
    """Says how good a fitted model is, and how to use it."""
    found = model.held_out
    table = FittedTable("", "Kendall tau", "within 10 %", "median error")
    table.add_row("predictor", f"{found.tau:.3f}", percent(found.within), f"{100 * found.error:.1f} %")
    table.add_row("FLOPs alone", f"{found.flops_tau:.3f}", "", "")
    first = f"{model.networks} networks of {model.space} on {model.device}, each predicted from others:"
    steps = [
        ("Predict", command_line("measure", "ARCH", "--device", f"predictor:{file}")),
        (
            "Measure more",
            command_line(
                "measure",
                "--space",
                model.space,
                "--run",
                directory,
                "--fit",
                file,
                "--networks",
                2 * model.networks,
            ),
        ),
    ]
    print_parts(console, [first, "", table, "", found.verdict(), "", Steps(steps)])


def model_json(model: LatencyModel) -> dict[str, Any]:
    """The model without its coefficients."""
    facts: dict[str, Any] = dataclasses.asdict(model)
    return {name: value for name, value in facts.items() if name != COEFFICIENTS}
