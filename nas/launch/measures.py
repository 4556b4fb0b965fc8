"""What a search may know of costs before a trial: of a device, and of the columns of a table."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controllers import Measure as OfActions
from nas.deploy.devices import open_device
from nas.deploy.latency_model import Predictor
from nas.errors import InputError
from nas.files import is_file
from nas.runs.kinds import space_of
from nas.search import predictor
from nas.search.measures import Measures, known_cost, of_actions, priced_by
from nas.search.tables import Table
from nas.spec.objective import Objective
from nas.spec.settings import Settings
from nas.spec.targets import COSTS
from search_spaces import ArchSpec, SearchSpace

LATENCY = "latency"
"""The cost that a device predicts, in milliseconds."""
PEAK = "peak_memory"
"""What every training run measures."""


class Latency:
    """What a device predicts, as a measure; NaN for networks that it does not know.

    Args:
        device: the text that names it.
        space: of the networks.

    Raises:
        InputError: if it cannot be used, only measures, or predicts at another resolution.
    """

    def __init__(self, device: str, space: SearchSpace) -> None:
        self.device = open_device(device, space=space)
        if not self.device.predicts:
            raise InputError(f"device must be table:FILE or predictor:FILE for a search, got {device}")
        text = device.partition(":")[2]
        file = Path(text if is_file(Path(text)) else text.rpartition(":")[0])  # a table may name a column
        self.sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        if isinstance(self.device, Predictor):
            self.device.predict([space.decode([0] * len(space.decisions))])  # raises now if it knows none
            if self.device.space.decisions == space.decisions:
                self.of_actions = self.device.predict_actions

    def __call__(self, archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
        """Milliseconds `[N]`."""
        try:
            return self.device.predict(archs)
        except InputError:
            if len(archs) == 1:
                return np.array([np.nan])
            return np.concatenate([self([arch]) for arch in archs])


def with_device(settings: Settings) -> Settings:
    """``settings`` that know the contents of their device's file, which must stay so."""
    if not settings.device:
        return settings
    latency = Latency(settings.device, space_of(settings))
    return dataclasses.replace(settings, files={**settings.files, "device": latency.sha256})


def columns_for(settings: Settings) -> tuple[str, ...]:
    """The costs that an evaluator has to give: those that neither a formula nor a device does."""
    given = {LATENCY} if settings.device else set()
    return tuple(name for name in settings.objective.measures if name not in given and name != PEAK)


def find_measures(settings: Settings, evaluator: object) -> Measures:
    """The costs that are known before a trial; InputError if the device cannot be used."""
    known: dict[str, Any] = {}
    if isinstance(evaluator, Table | predictor.Predictor):
        known = dict(evaluator.measures)
    space = space_of(settings)
    if space.cost is not None:
        given = space.price(space.decode([0] * len(space.decisions)))
        priced = (name for name in settings.objective.measures if name in given)
        known |= {name: functools.partial(priced_by, space, name) for name in priced}
    if settings.device:
        known[LATENCY] = latency = Latency(settings.device, space)
        if settings.files.get("device", latency.sha256) != latency.sha256:
            raise InputError(f"device must be as it was when the run began, got another {settings.device}")
    return known


def check_measures(settings: Settings) -> None:
    """InputError if nothing gives one of the costs that the objective asks for."""
    for name in columns_for(settings) if settings.evaluator == "train" else ():
        hint = "`device` gives latency, " if name == LATENCY else ""
        raise InputError(
            f"target must be flops, params, activations or peak_memory where networks are trained ({hint}"
            f"a table has other columns), got {name}"
        )
    if PEAK in settings.objective.measures and not settings.trains:
        raise InputError(f"target must be a cost that is known where nothing is trained, got {PEAK}")


def for_controller(objective: Objective, space: SearchSpace, measures: Measures) -> Mapping[str, Any]:
    """What a controller may know of the aim, as arguments of ``controllers.make``."""
    if objective.costs == ("flops",) and not objective.seeks_front:
        return {"objective": objective}
    if not objective.costs:  # the reward is the accuracy
        return {}
    given = space.price(space.decode([0] * len(space.decisions)))
    further: dict[str, OfActions | None] = {}
    for name in objective.costs:
        if name in COSTS[1:] and name in given:
            further[name] = known_cost(space, name)
        elif name != "flops":
            further[name] = of_actions(space, measures[name]) if name in measures else None
    if objective.seeks_front:
        return {"measures": further, "front": objective.costs}
    rewards: Callable[..., NDArray[np.float64]] = objective.rewards
    return {"objective": rewards, "measures": further}
