"""A device that measures, in a search: each network before its training, one at a time on each machine.

trial --> Measuring --its network--> the device, in a process of its own --> Epoch.measures
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.deploy.device import Conditions
from nas.deploy.devices import LOCAL, only_measures, open_device
from nas.errors import InputError
from nas.files import locked
from nas.launch.measures import LATENCY
from nas.runs.kinds import space_of
from nas.spec.listener import Listener
from nas.spec.settings import Settings
from nas.spec.trial import Epoch, Evaluator, Trial
from nas.training.pulse import PULSE
from search_spaces import PRESETS, ArchSpec, SearchSpace

SECONDS = 1.0
"""How long a network of a search runs at least; with the reference in between, about twice as long."""
TIME_LIMIT = 300.0
"""Seconds after which a measurement in a search has failed, unless a trial may take less."""
SHARE = 0.5
"""A measurement may take at most this share of a trial's own time limit."""
REFERENCE = PRESETS["efficientnet-lite0"]
"""The network that runs in between on this machine, as in ``nas measure``."""


class NotMeasured(Exception):  # noqa: N818 - a trial's row shows this name
    """A network's latency could not be measured: its trial has failed, and the search goes on."""


def reference_of(device: str) -> ArchSpec | None:
    """The network that runs in between on a device of this machine; None elsewhere."""
    return REFERENCE if device in LOCAL else None


def conditions_of(settings: Settings, space: SearchSpace, reference: ArchSpec | None = None) -> Conditions:
    """How a search measures the networks of ``space``."""
    limit = settings.resources.trial_timeout
    return Conditions(
        classes=space.num_classes,
        seconds=SECONDS,
        timeout=TIME_LIMIT if limit is None else min(TIME_LIMIT, SHARE * limit),
        reference=reference,
    )


def tried(settings: Settings, listener: Listener) -> Settings:
    """``settings`` after one measurement, if their device only measures; with the reference's latency.

    On this machine the reference network is measured, elsewhere the first network of the space.

    Raises:
        InputError: if there is no such device, or it cannot measure.
    """
    if not only_measures(settings.device):
        return settings
    space = space_of(settings)
    local = settings.device in LOCAL
    first = REFERENCE if local else space.first
    device = open_device(settings.device, conditions_of(settings, space))
    with turn():
        milliseconds = device.measure(first).milliseconds
    if not local:
        listener.say("Each network is measured before its training; trials take turns.")
        return settings
    listener.say(
        "Each network is measured before its training: its ratio to efficientnet-lite0, times the "
        f"{milliseconds:.3g} ms that this takes here now."
    )
    return replace(settings, reference_ms=milliseconds)


@dataclass(frozen=True)
class Measuring:
    """An evaluator that also measures: the latency of each network comes with its epochs.

    On this machine, where other trials may be training, the latency is the network's ratio to the reference
    that ran in between, times what the reference took when the run began: whatever slows down both does not
    count, and machines of different speed agree. A ``command`` has no reference; its milliseconds count.

    Args:
        evaluator: gives the accuracies.
        reference_ms: of the reference network when the run began; 0 for none.
    """

    evaluator: Evaluator
    device: str
    conditions: Conditions
    reference_ms: float = 0.0

    def latency(self, arch: ArchSpec) -> float:
        """Milliseconds. NotMeasured if the device fails, or takes too long."""
        try:
            device = open_device(self.device, self.conditions)
            with turn():
                found = device.measure(arch)
        except InputError as error:
            raise NotMeasured(str(error)) from None
        if not self.reference_ms:
            return found.milliseconds
        assert found.steady_ratio is not None
        return found.steady_ratio * self.reference_ms

    def __call__(self, trial: Trial) -> Generator[Epoch, None, Epoch | None]:
        """Measures, then evaluates. A network that is trained again was measured before."""
        measured = {} if trial.confirms and not trial.baseline else {LATENCY: self.latency(trial.arch)}
        epochs: Any = iter(self.evaluator(trial))
        while True:
            try:
                epoch = next(epochs)
            except StopIteration as end:
                last: Epoch | None = end.value
                return last
            yield epoch._replace(measures={**(epoch.measures or {}), **measured})


def measuring_seconds(settings: Settings, space: SearchSpace, arch: ArchSpec) -> float:
    """How long it takes to measure ``arch`` in a search, by trying; 0 where nothing is measured.

    Raises:
        InputError: if the device fails.
    """
    if not only_measures(settings.device):
        return 0.0
    device = open_device(settings.device, conditions_of(settings, space, reference_of(settings.device)))
    with turn():
        started = time.monotonic()
        device.measure(arch)
        return time.monotonic() - started


def measuring(evaluator: Evaluator, settings: Settings, space: SearchSpace) -> Evaluator:
    """``evaluator`` with measurements, if the device of ``settings`` only measures."""
    if not only_measures(settings.device):
        return evaluator
    reference = REFERENCE if settings.reference_ms else None
    conditions = conditions_of(settings, space, reference)
    return Measuring(evaluator, settings.device, conditions, settings.reference_ms)


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Waits until no other measurement of this user runs on this machine; the process stays alive meanwhile.

    Two at a time would share caches and memory, and a board can run one network.
    """
    over = threading.Event()

    def beat() -> None:
        while not over.wait(1.0):
            PULSE.beat()

    user = os.getuid() if hasattr(os, "getuid") else "one"
    place = Path(tempfile.gettempdir(), f"nas-measure-{user}.lock")
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        with locked(place, waiting=lambda: None):
            yield
    finally:
        over.set()
        thread.join()
