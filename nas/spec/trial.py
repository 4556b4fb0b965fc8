"""One trial: a network and a seed go in, a learning curve and an accuracy come out.

An evaluator is a callable that turns a ``Trial`` into an iterator of epochs. The trial's accuracy is that of
the epoch which the iterator, a generator, returns; if it returns none, that of the last epoch. Every executor
runs it through ``steps``.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from nas.errors import NasError, TrialError
from search_spaces import Actions, Built


class Epoch(NamedTuple):
    """One point of a learning curve; None where something was not measured.

    epoch: passes over the training images so far.
    accuracy: top-1 on the validation split, in [0, 1].
    seconds: since the training run began.
    images_per_second: of this epoch's training, without its evaluation.
    peak_memory: bytes, maximum since the training run began; see ``nas.training.peak_memory.peak``.
    test_accuracy: on the test part, by which nothing is chosen; only after a confirmation's last epoch.
    measures: costs that were measured, by name; see ``nas.spec.targets``.
    """

    epoch: int
    train_loss: float | None
    valid_loss: float | None
    accuracy: float | None
    seconds: float
    images_per_second: float | None = None
    peak_memory: int | None = None
    test_accuracy: float | None = None
    measures: Mapping[str, float] | None = None


def kept_epoch(curve: Sequence[Epoch], keep: str) -> Epoch:
    """The epoch of a learning curve, not empty, whose weights are kept.

    Args:
        keep: ``last``, or ``best``: the highest accuracy; among equals the lowest validation loss, then the
            earliest.
    """
    if keep == "last":
        return curve[-1]
    return max(curve, key=lambda epoch: (epoch.accuracy or 0.0, -(epoch.valid_loss or 0.0)))


def is_over(curve: Sequence[Epoch], epochs: int, patience: int) -> bool:
    """Whether a training run of ``epochs`` ends after the epochs of ``curve``.

    Args:
        patience: it also ends after this many epochs without a higher accuracy than before; 0 for never.
    """
    if len(curve) >= epochs:
        return True
    accuracies = [epoch.accuracy or 0.0 for epoch in curve]
    return 0 < patience < len(curve) and max(accuracies[-patience:]) <= max(accuracies[:-patience])


@dataclass(frozen=True)
class Trial:
    """What an evaluator trains.

    Args:
        arch: the network itself, with which the user's own evaluation is called.
        confirms: whether this is a second training run of a finished trial's network, or of a baseline.
        baseline: the name of the known network that is trained for comparison; it is no trial's.
    """

    trial: int
    arch: Built
    seed: int
    confirms: bool = False
    baseline: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: with an accuracy or an error; for the last four fields see ``Epoch``."""

    accuracy: float | None
    epochs: int
    seconds: float
    worker: str
    error: str | None = None
    images_per_second: float | None = None
    peak_memory: int | None = None
    test_accuracy: float | None = None
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def costs(self) -> dict[str, float]:
        """What was measured of the network's cost: ``measures``, and ``peak_memory``."""
        peak = {} if self.peak_memory is None else {"peak_memory": float(self.peak_memory)}
        return {**peak, **self.measures}


Evaluator = Callable[[Trial], Iterator[Epoch]]


def steps(evaluator: Evaluator, trial: Trial, worker: str) -> Iterator[Epoch | Outcome]:
    """The epochs of ``trial`` and then its ``Outcome``, which records an exception as an error.

    Raises:
        NasError: if the evaluator does: then the network is not to blame, and the trial is not over.
    """
    started = time.perf_counter()
    epochs, accuracy, test, error = 0, None, None, None
    peak, rates = None, []
    measures: dict[str, float] = {}
    returned: Epoch | None = None

    def followed() -> Iterator[Epoch]:
        nonlocal returned
        epochs: Any = evaluator(trial)
        returned = yield from epochs

    try:
        for epoch in followed():
            epochs, accuracy, peak = epoch.epoch, epoch.accuracy, epoch.peak_memory
            test = epoch.test_accuracy
            measures |= epoch.measures or {}
            if epoch.images_per_second:
                rates.append(epoch.images_per_second)
            yield epoch
        if returned:
            accuracy = returned.accuracy
        if accuracy is None or not math.isfinite(accuracy):
            error = f"the evaluator must give a finite accuracy, got {accuracy}"
    except NasError:
        raise
    except Exception as failure:  # noqa: BLE001 - any error of a training run goes to its row
        error = str(failure) if isinstance(failure, TrialError) else f"{type(failure).__name__}: {failure}"
    rate = statistics.harmonic_mean(rates) if rates else None  # all epochs have the same number of images
    seconds = time.perf_counter() - started
    yield Outcome(None if error else accuracy, epochs, seconds, worker, error, rate, peak, test, measures)


class Row(NamedTuple):
    """What the search keeps of a trial; the fields but ``costs`` are columns of the table ``trials``.

    arch: the network as text, by which it is known again.
    flops: None where nobody knows them.
    costs: by name, those of ``Cost`` and what is known so far of the measures.
    """

    trial: int
    status: str
    arch: str
    actions: Actions
    flops: int | None
    seed: int
    repeat_of: int | None
    accuracy: float | None = None
    reward: float | None = None
    error: str | None = None
    epochs: int | None = None
    seconds: float | None = None
    costs: Mapping[str, float] = MappingProxyType({})
