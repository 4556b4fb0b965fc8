"""What a search may know of costs before a trial: of a device, and of the columns of a table."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controllers import Measure as OfActions
from controllers import Price
from nas.deploy.devices import only_measures, open_device
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
from search_spaces import Actions, ArchSpec, Cost, SearchSpace

LATENCY = "latency"
"""The cost that a device gives, in milliseconds."""
PEAK = "peak_memory"
"""What every training run measures."""


class Latency:
    """What a device predicts, as a measure; NaN for networks that it does not know.

    Args:
        device: the text that names it.
        space: of the networks.

    Raises:
        InputError: if it cannot be used, or predicts at another resolution.
    """

    def __init__(self, device: str, space: SearchSpace) -> None:
        self.device = open_device(device, space=space)
        text = device.partition(":")[2]
        file = Path(text if is_file(Path(text)) else text.rpartition(":")[0])  # a table may name a column
        self.sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        if isinstance(self.device, Predictor):
            self.device.predict([space.first])  # raises now if it knows none
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


class Listed:
    """Latencies that are known of a list of networks, as a measure: milliseconds, by their texts."""

    sha256 = ""

    def __init__(self, latencies: Mapping[str, float]) -> None:
        self.latencies = latencies

    def __call__(self, archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
        """Milliseconds `[N]`; NaN for a network that is not in the list."""
        return np.array([self.latencies.get(str(arch), np.nan) for arch in archs])


def open_latency(settings: Settings) -> Latency | Listed | None:
    """The latencies that a device knows before a trial; None if there is none, or it measures in each.

    Raises:
        InputError: if the device cannot be used, or its file is not as it was when the run began.
    """
    if settings.scaling and settings.scaling.latencies:
        return Listed(settings.scaling.latencies)
    if not settings.device or only_measures(settings.device):
        return None
    latency = Latency(settings.device, space_of(settings))
    if settings.files.get("device", latency.sha256) != latency.sha256:
        raise InputError(f"device must be as it was when the run began, got another {settings.device}")
    return latency


def with_device(settings: Settings, latency: Latency | Listed | None) -> Settings:
    """``settings`` that know the contents of their device's file, which must stay so."""
    if latency is None or not latency.sha256:
        return settings
    return dataclasses.replace(settings, files={**settings.files, "device": latency.sha256})


def columns_for(settings: Settings) -> tuple[str, ...]:
    """The costs that an evaluator has to give: those that neither a formula nor a device does."""
    known = settings.device or (settings.scaling and settings.scaling.latencies)
    given = {LATENCY} if known else set()
    return tuple(name for name in settings.objective.measures if name not in given and name != PEAK)


def known_measures(settings: Settings, evaluator: object, latency: Latency | Listed | None) -> Measures:
    """The costs that are known before a trial: of a table, of the space, and the ``latency`` of a device."""
    known: dict[str, Any] = {}
    if isinstance(evaluator, Table | predictor.Predictor):
        known = dict(evaluator.measures)
    space = space_of(settings)
    if space.cost is not None:
        priced = (name for name in settings.objective.measures if name in space.priced)
        known |= {name: functools.partial(priced_by, space, name) for name in priced}
    return known if latency is None else {**known, LATENCY: latency}


def check_measures(settings: Settings) -> None:
    """InputError if nothing gives one of the costs that the objective asks for."""
    for name in columns_for(settings) if settings.evaluator == "train" else ():
        if name in settings.objective.maximize:
            rule = "must name measures of your own evaluation, or columns of a table"
            raise InputError(f"maximize {rule}, got {name} where networks are trained by `evaluator` train")
        hint = "`device` gives latency, " if name == LATENCY else ""
        raise InputError(
            f"target must be flops, params, activations or peak_memory where networks are trained ({hint}"
            f"a table has other columns), got {name}"
        )
    if PEAK in settings.objective.measures and not settings.trains:
        raise InputError(f"target must be a cost that is known where nothing is trained, got {PEAK}")


def as_cost(measure: OfActions) -> OfActions:
    """A measure of which more is better as a cost, of which less is: 1 / value."""
    return lambda actions: 1 / measure(actions)


def for_controller(objective: Objective, space: SearchSpace, measures: Measures) -> Mapping[str, Any]:
    """What a controller may know of the aim and of costs, as arguments of ``controllers.make``."""
    known: dict[str, Any] = {"price": price_of(space)}
    if objective.costs == ("flops",) and not objective.seeks_front:
        return known | {"objective": objective}
    if not objective.costs:  # the reward is the accuracy
        return known
    further: dict[str, OfActions | None] = {}
    for name in objective.costs:
        if name in COSTS[1:] and name in space.priced:
            further[name] = known_cost(space, name)
        elif name != "flops":
            given = of_actions(space, measures[name]) if name in measures else None
            further[name] = as_cost(given) if given and objective.inverts(name) else given
    if objective.seeks_front:
        return known | {"measures": further, "front": objective.costs}
    return known | {"measures": further, "objective": objective.rewards}


def price_of(space: SearchSpace) -> Price | None:
    """Actions to their exact cost; None where the space knows no FLOPs. What else is unknown counts as 1."""
    if "flops" not in space.priced:
        return None

    def price(actions: Actions) -> Cost:
        known = space.price(space.decode(actions))
        return Cost(*(int(known.get(name, 1)) for name in Cost._fields))

    return price
