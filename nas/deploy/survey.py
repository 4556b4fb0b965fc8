"""Measures many networks into a table, one row as soon as each is measured, so that it can go on later."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nas.deploy.device import Conditions, Device
from nas.deploy.latency_model import LatencyModel, fit_model
from nas.errors import InputError
from nas.files import exists, locked, read_json, read_text, write_csv, write_json
from search_spaces import ArchSpec, SearchSpace

STEADY = "steady_ratio"
TABLE, ASKED, LOCK = "latency.csv", "measure.json", "measure.lock"


def survey(
    archs: Sequence[ArchSpec],
    device: Device,
    directory: Path,
    asked: Mapping[str, Any],
    on_row: Callable[[int, pd.DataFrame], None] = lambda _number, _table: None,
) -> pd.DataFrame:
    """Measures those of ``archs`` that ``directory`` has no row of; one row per network, in their order.

    Args:
        directory: made if it does not exist; otherwise it must be one of a survey that asked for the same.
        asked: what was asked, as JSON values.
        on_row: called with the number of rows, and the table, when it begins and after each measurement.

    Raises:
        InputError: if the directory is another one's, or a measurement fails; what is measured is kept.
    """
    table = open_survey(directory, asked)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(directory / LOCK))
        except BlockingIOError:
            raise InputError(
                f"directory must be free, and another process measures there: {directory}"
            ) from None
        on_row(len(table), table)
        known = set(table["arch"]) if len(table) else set()
        for arch in archs:
            if str(arch) in known:
                continue
            row = {"arch": str(arch), **dataclasses.asdict(device.measure(arch))}
            table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
            write_csv(directory / TABLE, table)
            on_row(len(table), table)
    return table.set_index("arch").loc[[str(arch) for arch in archs]].reset_index()


def open_survey(directory: Path, asked: Mapping[str, Any]) -> pd.DataFrame:
    """The rows there are; makes the directory if there is none. Errors as ``survey``."""
    note = directory / ASKED
    if not exists(directory):
        directory.mkdir(parents=True)
        write_json(note, asked)
        return pd.DataFrame()
    try:
        before = read_json(note)
        text = read_text(directory / TABLE) if exists(directory / TABLE) else ""
        table = pd.read_csv(io.StringIO(text)) if text else pd.DataFrame()
    except (OSError, ValueError) as error:
        raise InputError(f"directory must be new, or one of nas measure ({error}), got {directory}") from None
    for name, value in asked.items():
        if before.get(name) != value:
            rule = f"directory must be one of the same {name}, which is {before.get(name)!r} there"
            raise InputError(f"{rule}, got {value!r}: {directory}")
    return table


def asked_of(space: SearchSpace, device: Device, conditions: Conditions, seed: int) -> dict[str, Any]:
    """All that the rows of a survey must have in common; more networks of the same may follow."""
    facts = {name: getattr(conditions, name) for name in ("threads", "batch", "classes", "seconds")}
    reference = str(conditions.reference or "")
    return {
        "space": space.name,
        "resolution": space.resolution,
        "seed": seed,
        "device": device.name,
        **facts,
        "reference": reference,
    }


def ratios_of(table: pd.DataFrame) -> pd.Series[float]:
    """Each network's ratio to the reference by which latencies are compared, as in a search.

    It is that of undisturbed runs, or, in a survey that an older version began, the median over blocks.
    """
    steady = STEADY in table and bool(table[STEADY].notna().all())
    return table[STEADY if steady else "ratio"]


def fit_survey(
    table: pd.DataFrame, space: SearchSpace, device: Device, conditions: Conditions
) -> LatencyModel:
    """A model of the latencies in a survey's table. Errors as ``fit_model``.

    What counts is each network's ratio to the reference, see ``ratios_of``, times the reference's median in
    the whole survey: a noisy minute slows both down. Without a reference it is the latency as measured.
    """
    quiet, latencies = 0.0, table["milliseconds"]
    if conditions.reference is not None:
        quiet = float(table["reference_milliseconds"].median())
        latencies = ratios_of(table) * quiet
    runtime = {"cpu": "onnxruntime", "torch-cpu": "torch", "cuda": "torch"}.get(device.name)
    names = ["nas-scaling", *filter(None, [runtime])]
    facts = {name: getattr(conditions, name) for name in ("threads", "batch", "classes")}
    return fit_model(
        space,
        [ArchSpec.parse(text) for text in table["arch"]],
        latencies,
        {
            **facts,
            "device": device.name,
            "reference": str(conditions.reference or ""),
            "reference_milliseconds": quiet,
            "steady": conditions.reference is not None and ratios_of(table).name == STEADY,
            "versions": {name: importlib.metadata.version(name) for name in names},
        },
    )
