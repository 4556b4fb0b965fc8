"""Latencies for a scaling run: of the grid's networks before they are compared, and of a family's models."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from nas.deploy.device import Conditions, Device
from nas.deploy.devices import PROGRAM, open_device
from nas.files import exists, is_file
from nas.launch.measuring import SECONDS, TIME_LIMIT, reference_of, turn
from nas.runs.config import read_settings
from nas.runs.family_files import read_family, write_family
from nas.runs.page import write_page
from nas.runs.run import Run
from nas.spec.listener import Listener
from nas.spec.scaling import Scaling
from scaling_search import Model
from search_spaces import ArchSpec, canonical

NOTHING: Mapping[str, float] = MappingProxyType({})


class Latencies(NamedTuple):
    """Milliseconds of networks, by their canonical texts.

    reference_ms: what the reference that ran in between takes; 0 without one.
    """

    milliseconds: dict[str, float]
    reference_ms: float = 0.0


def latencies_of(
    archs: Sequence[ArchSpec],
    device: str,
    classes: int,
    listener: Listener,
    known: Mapping[str, float] = NOTHING,
    reference_ms: float = 0.0,
) -> Latencies:
    """The latencies of networks; each is measured once, and those that are ``known`` not again.

    On this machine they are ratios to the reference network that ran in between, times what it takes.

    Args:
        reference_ms: that, from earlier measurements; 0 takes its median in these.

    Raises:
        InputError: if the device cannot be used, or does not know a network.
    """
    between = reference_of(device)
    conditions = Conditions(classes=classes, seconds=SECONDS, timeout=TIME_LIMIT, reference=between)
    opened = open_device(device, conditions)
    all_of_them = list(dict.fromkeys(map(canonical, archs)))
    if opened.predicts:
        return Latencies(dict(zip(map(str, all_of_them), opened.predict(all_of_them).tolist(), strict=True)))
    new = [arch for arch in all_of_them if str(arch) not in known]
    found = [_measured(opened, arch, number, len(new), listener) for number, arch in enumerate(new)]
    listener.progress("Measuring", len(new), len(new))
    usual = reference_ms or (statistics.median(usual for _, usual in found) if found else 0.0)
    measured = {str(arch): ratio * (usual or 1.0) for arch, (ratio, _) in zip(new, found, strict=True)}
    milliseconds = {**known, **measured}
    return Latencies({str(arch): milliseconds[str(arch)] for arch in all_of_them}, usual)


def _measured(
    device: Device, arch: ArchSpec, number: int, of: int, listener: Listener
) -> tuple[float, float]:
    """The ratio to the reference, and the reference's milliseconds; without one, the network's own and 0."""
    listener.progress("Measuring", number, of)
    with turn():
        found = device.measure(arch)
    if found.steady_ratio is None or found.reference_milliseconds is None:
        return found.milliseconds, 0.0
    return found.steady_ratio, found.reference_milliseconds


def with_latencies(scaling: Scaling, listener: Listener) -> Scaling:
    """``scaling`` that compares networks of equal latency on its device; errors as ``latencies_of``."""
    archs = [scaling.arch, *scaling.classes]
    found = latencies_of(archs, scaling.device, scaling.num_classes, listener)
    return dataclasses.replace(
        scaling,
        latencies=found.milliseconds,
        reference_ms=found.reference_ms,
        latency_classes=scaling.num_classes,
    )


def write_latencies(directory: Path, scaling: Scaling, listener: Listener) -> dict[str, Model]:
    """Adds to a family what each of its models takes on the device of ``scaling``.

    Those of the grid, and B0 with them, are known if they were measured with as many classes.

    Raises:
        InputError: as ``latencies_of``.
    """
    family, coefficients = read_family(directory / "family.json")
    archs = [model.arch for model in family.values()]
    classes = next(iter(family.values())).num_classes
    known = scaling.latencies if classes == scaling.latency_classes else NOTHING
    found = latencies_of(archs, scaling.device, classes, listener, known, scaling.reference_ms)
    family = {
        name: dataclasses.replace(model, latency=found.milliseconds[str(canonical(model.arch))])
        for name, model in family.items()
    }
    write_family(directory, family, coefficients)
    return family


def lacks_latencies(directory: Path) -> bool:
    """Whether a scaling run is over but for the latencies of its family, as after a kill."""
    scaling, file = read_settings(directory).scaling, directory / "family.json"
    if scaling is None or not scaling.device or not (exists(directory / "best.json") and is_file(file)):
        return False
    return any(model.latency is None for model in read_family(file)[0].values())


def add_latencies(directory: Path, listener: Listener, *, trusted: bool = True) -> None:
    """Adds the latencies that a scaling run still lacks, to its family and its page.

    Args:
        trusted: whether a program that the run names may run; otherwise a line says what is missing.

    Raises:
        InputError: as ``latencies_of``.
    """
    if not lacks_latencies(directory):
        return
    scaling = read_settings(directory).scaling
    assert scaling is not None
    if scaling.device.startswith(PROGRAM) and not trusted:
        listener.say(
            f"The family has no latencies: nas resume --trust-code runs the program that gives them, "
            f"{scaling.device}."
        )
        return
    write_latencies(directory, scaling, listener)
    write_page(Run(directory))
