"""Measures the networks of a run's front on a device, and keeps the results in the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from nas.deploy.device import Conditions, Device
from nas.deploy.devices import only_measures, open_device
from nas.deploy.latency_model import Predictor
from nas.errors import InputError
from nas.files import is_file
from nas.launch.measures import Latency, open_latency
from nas.launch.measuring import REFERENCE, turn
from nas.runs.kinds import space_of
from nas.runs.next_steps import is_arch
from nas.runs.run import Run
from nas.search.journal import Journal
from nas.spec.own import is_own
from nas.spec.settings import Settings
from nas.spec.task import Task
from search_spaces import ArchSpec


def front_networks(run: Run) -> list[str]:
    """The networks of the front, and the best one, as text.

    Raises:
        InputError: if none has finished, or they are none that can be measured.
    """
    front, best = run.pareto()["arch"].tolist(), run.best_trial()["arch"]
    if not is_arch(best):
        raise InputError(f"front must have networks that are ArchSpecs, got {best} in {run.directory}")
    return [*dict.fromkeys([*front, best])]


def classes_of(run: Run) -> int:
    """How many outputs the networks of a run have."""
    model, task = model_of(run.settings), run.settings.task
    if model:
        return model.model.classes
    if task is None and is_own(run.settings.space):  # whose code a run alone does not run
        return Task().classes
    return task.classes if task else space_of(run.settings).num_classes


def model_of(settings: Settings) -> Predictor | None:
    """The model that predicted the latencies of a run; None if there was none, or its file has changed."""
    kind, _, file = settings.device.partition(":")
    if kind != "predictor" or not is_file(Path(file)):
        return None
    try:
        latency = open_latency(settings)
    except InputError:
        return None
    return latency.device if isinstance(latency, Latency) and isinstance(latency.device, Predictor) else None


def usual_milliseconds(settings: Settings, device: Device, conditions: Conditions) -> float | None:
    """What the reference takes where the run's latencies come from, if that is the device; else None."""
    if only_measures(settings.device):
        same = settings.device == device.name and conditions.reference == REFERENCE
        same = same and conditions.threads == conditions.batch == 1
        return settings.reference_ms or None if same else None
    found = model_of(settings)
    if found is None or found.model.device != device.name or not found.model.reference:
        return None
    asked = (str(conditions.reference), conditions.threads, conditions.batch)
    same = asked == (found.model.reference, found.model.threads, found.model.batch)
    return found.model.reference_milliseconds if same else None


def measure_front(
    run: Run,
    device: str,
    conditions: Conditions,
    on_row: Callable[[int, pd.DataFrame], None] = lambda _number, _table: None,
) -> pd.DataFrame:
    """Measures each network of the front; every result is kept in the run as soon as it is there.

    Args:
        on_row: called with the number of networks measured so far, and their table.

    Returns:
        the measured rows of ``Run.networks``, the cheapest first, with ``ratio``, and with ``low`` and
        ``high``, the quartiles of ``latency_measured`` in milliseconds.

    Raises:
        InputError: if the device cannot measure, no trial has finished, or another process writes the run.
    """
    opened = open_device(device, conditions)
    if not opened.measures:
        raise InputError(f"device must be one that measures, such as cpu, got {device}")
    archs = front_networks(run)
    usual = usual_milliseconds(run.settings, opened, conditions)
    facts = {
        "device": opened.name,
        "precision": "float32",
        **{name: getattr(conditions, name) for name in ("threads", "batch", "classes")},
        "reference": str(conditions.reference or "") or None,
        "usual_milliseconds": usual,
    }
    model = model_of(run.settings)  # its own latencies rest on the same ratio
    by_steady = only_measures(run.settings.device) or (model is not None and model.model.steady)
    rows: list[dict[str, object]] = []
    on_row(0, pd.DataFrame())
    with Journal(run.directory) as journal:
        for arch in archs:
            with turn():
                found = dataclasses.asdict(opened.measure(ArchSpec.parse(arch)))
            steady = found.pop("steady_ratio")
            if by_steady and steady is not None:
                found["ratio"] = steady
            journal.measure({"arch": arch, **facts, **found})
            rows.append({"arch": arch, **found})
            on_row(len(rows), pd.DataFrame(rows))
    measured = pd.DataFrame(rows).set_index("arch")[["ratio", "milliseconds", "low", "high"]]
    networks = Run(run.directory).networks()
    networks = networks[networks["arch"].isin(archs)].join(measured.astype(np.float64), on="arch")
    usually = networks["latency_measured"] / networks.pop("milliseconds")
    networks[["low", "high"]] = networks[["low", "high"]].mul(usually, axis=0)
    first = run.costs[0] if run.costs else "flops"
    return networks.sort_values([first, "trial"])
