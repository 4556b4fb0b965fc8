"""Latencies for a scaling run: of the grid's networks before they are compared, and of a family's models."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from nas.deploy.device import Conditions, Device
from nas.deploy.devices import open_device
from nas.launch.measuring import SECONDS, TIME_LIMIT, reference_of, turn
from nas.runs.family_files import read_family, write_family
from nas.spec.listener import Listener
from nas.spec.scaling import Scaling
from scaling_search import Model
from search_spaces import ArchSpec, canonical


def latencies_of(
    archs: Sequence[ArchSpec], device: str, classes: int, listener: Listener
) -> dict[str, float]:
    """Milliseconds of networks, by their canonical texts; each is measured once.

    On this machine they are ratios to the reference network that ran in between, times the median of its
    latencies.

    Raises:
        InputError: if the device cannot be used, or does not know a network.
    """
    between = reference_of(device)
    conditions = Conditions(classes=classes, seconds=SECONDS, timeout=TIME_LIMIT, reference=between)
    opened = open_device(device, conditions)
    known = list(dict.fromkeys(map(canonical, archs)))
    if opened.predicts:
        return dict(zip(map(str, known), opened.predict(known).tolist(), strict=True))
    found = [_measured(opened, arch, number, len(known), listener) for number, arch in enumerate(known)]
    listener.progress("Measuring", len(known), len(known))
    usual = statistics.median(usual for _, usual in found)
    return {str(arch): ratio * usual for arch, (ratio, _) in zip(known, found, strict=True)}


def _measured(
    device: Device, arch: ArchSpec, number: int, of: int, listener: Listener
) -> tuple[float, float]:
    """The ratio to the reference, and the reference's milliseconds; without one, the network's own and 1."""
    listener.progress("Measuring", number, of)
    with turn():
        found = device.measure(arch)
    if found.steady_ratio is None or found.reference_milliseconds is None:
        return found.milliseconds, 1.0
    return found.steady_ratio, found.reference_milliseconds


def with_latencies(scaling: Scaling, device: str, listener: Listener) -> Scaling:
    """``scaling`` that compares networks of equal latency; errors as ``latencies_of``."""
    archs = [scaling.arch, *scaling.classes]
    latencies = latencies_of(archs, device, scaling.num_classes, listener)
    return dataclasses.replace(scaling, latencies=latencies)


def write_latencies(directory: Path, device: str, listener: Listener) -> dict[str, Model]:
    """Adds to a family what each of its models takes on a device; errors as ``latencies_of``."""
    family, coefficients = read_family(directory / "family.json")
    archs = [model.arch for model in family.values()]
    classes = next(iter(family.values())).num_classes
    found = latencies_of(archs, device, classes, listener)
    family = {
        name: dataclasses.replace(model, latency=found[str(canonical(model.arch))])
        for name, model in family.items()
    }
    write_family(directory, family, coefficients)
    return family
