"""What a search may know of costs before a trial: of a device, and of the columns of a table.

A device is anything with ``predict``; ``nas.deploy.devices`` opens those that have a name.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from controllers import Measure as OfActions
from nas.errors import InputError
from nas.runs.kinds import space_of
from nas.search.measures import Measures, known_cost, of_actions
from nas.search.predictor import Predictor
from nas.search.tables import Table
from nas.spec.objective import Objective
from nas.spec.settings import Settings
from nas.spec.targets import COSTS
from search_spaces import ArchSpec, SearchSpace

LATENCY = "latency"
"""The cost that a device predicts, in milliseconds."""
PEAK = "peak_memory"
"""What every training run measures."""


class Predicts(Protocol):
    """A device that a search can ask; one that only measures has ``predicts = False``."""

    def predict(self, archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
        """The latency of each network in milliseconds, `[N]`.

        Raises:
            InputError: if it does not know a network; NaN says the same.
        """


def open_device(text: str, space: SearchSpace) -> Predicts:
    """The device that ``text`` names, for networks of ``space``; InputError if it cannot be used."""
    try:
        module = importlib.import_module("nas.deploy.devices")
    except ModuleNotFoundError:
        raise InputError(f"device must be one that this version knows, got {text}") from None
    opened: Predicts = module.open_device(text, space=space)
    if not getattr(opened, "predicts", hasattr(opened, "predict")):
        raise InputError(f"device must be table:FILE or predictor:FILE for a search, got {text}")
    return opened


def columns_for(settings: Settings) -> tuple[str, ...]:
    """The costs that an evaluator has to give: those that neither a formula nor a device does."""
    given = {LATENCY} if settings.device else set()
    return tuple(name for name in settings.objective.measures if name not in given and name != PEAK)


def find_measures(settings: Settings, evaluator: object) -> Measures:
    """The costs that are known before a trial; InputError if the device cannot be used."""
    known: dict[str, Any] = {}
    if isinstance(evaluator, Table | Predictor):
        known = dict(evaluator.measures)
    if settings.device:
        known[LATENCY] = functools.partial(latencies, open_device(settings.device, space_of(settings)))
    return known


def latencies(device: Predicts, archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
    """What ``device`` predicts, `[N]`; NaN for networks that it does not know."""
    try:
        return device.predict(archs)
    except InputError:
        if len(archs) == 1:
            return np.array([np.nan])
        return np.concatenate([latencies(device, [arch]) for arch in archs])


def check_measures(settings: Settings) -> None:
    """InputError if nothing gives one of the costs that the objective asks for."""
    trains = settings.evaluator == "train"
    for name in columns_for(settings) if trains else ():
        hint = "`device` gives latency, " if name == LATENCY else ""
        raise InputError(
            f"target must be flops, params, activations or peak_memory where networks are trained ({hint}"
            f"a table has other columns), got {name}"
        )
    if PEAK in settings.objective.measures and not trains:
        raise InputError(f"target must be a cost that is known where nothing is trained, got {PEAK}")


def for_controller(objective: Objective, space: SearchSpace, measures: Measures) -> Mapping[str, Any]:
    """What a controller may know of the aim, as arguments of ``controllers.make``."""
    if objective.costs == ("flops",) and not objective.seeks_front:
        return {"objective": objective}
    further: dict[str, OfActions | None] = {}
    for name in objective.costs:
        if name in COSTS[1:]:
            further[name] = known_cost(space, name)
        elif name != "flops":
            further[name] = of_actions(space, measures[name]) if name in measures else None
    if objective.seeks_front:
        return {"measures": further, "front": objective.costs}
    rewards: Callable[..., NDArray[np.float64]] = objective.rewards
    return {"objective": rewards, "measures": further}
