"""Ask/tell optimisers over categorical decisions.

    SearchSpace --make--> Controller --ask--> actions --(a trial)--> tell(actions, reward)

torch is imported only when a controller with an RNN is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from controllers.controller import Controller, Measure, Objective, Observer, Price
from controllers.evolution import RegularizedEvolution
from controllers.grid_search import GridSearch
from controllers.random_search import RandomSearch
from controllers.settings import DynaSettings, EvolutionSettings, RandomSettings, RNNSettings
from search_spaces import SearchSpace
from search_spaces.names import unknown
from search_spaces.rules import Value, parse_settings


class Problem(NamedTuple):
    """What a controller may know about its task, see ``make``; most use the space alone."""

    space: SearchSpace
    objective: Objective | None = None
    price: Price | None = None
    measures: Mapping[str, Measure | None] = MappingProxyType({})
    front: Sequence[str] = ()


class Kind(NamedTuple):
    """A kind of controller: its settings, with their defaults, and how to make one from them and a seed."""

    settings: type
    make: Callable[[Problem, Any, int], Controller]


def _rnn(problem: Problem, settings: RNNSettings, seed: int) -> Controller:
    from controllers.rnn import RNNController  # here, because it imports torch

    return RNNController(problem.space, settings, seed)


def _dyna(problem: Problem, settings: DynaSettings, seed: int) -> Controller:
    from controllers.dyna import DynaController  # likewise

    known = (problem.objective, problem.price, problem.measures, problem.front)
    return DynaController(problem.space, settings, seed, *known)


OPTUNA = "optuna:"
"""Begins the name of one of Optuna's samplers."""
CONTROLLERS = {
    "rnn": Kind(RNNSettings, _rnn),
    "random": Kind(RandomSettings, lambda task, _, seed: RandomSearch(task.space, seed)),
    "evolution": Kind(EvolutionSettings, lambda task, own, seed: RegularizedEvolution(task.space, own, seed)),
    "dyna": Kind(DynaSettings, _dyna),
}


def find_kind(name: str) -> Kind:
    """A kind of controller: an entry of ``CONTROLLERS``, or ``optuna:`` and the name of a sampler.

    Raises:
        ValueError: if there is none of that name, or Optuna is not installed.
    """
    if name.startswith(OPTUNA):
        return _sampler(name.removeprefix(OPTUNA))
    if name not in CONTROLLERS:
        raise ValueError(unknown("controller", name, [*CONTROLLERS, f"{OPTUNA}SAMPLER"]))
    return CONTROLLERS[name]


def _sampler(name: str) -> Kind:
    """One of Optuna's samplers."""
    try:
        from controllers.samplers import OptunaController, settings_of  # an extra
    except ImportError as error:
        raise ValueError(str(error)) from None
    return Kind(settings_of(name), lambda task, own, seed: OptunaController(name, task.space, own, seed))


def make(
    name: str,
    space: SearchSpace,
    *,
    seed: int = 0,
    objective: Objective | None = None,
    price: Price | None = None,
    measures: Mapping[str, Measure | None] = MappingProxyType({}),
    front: Sequence[str] = (),
    settings: Mapping[str, Value] = MappingProxyType({}),
) -> Controller:
    """The controller ``name`` for ``space``.

    Args:
        name: as for ``find_kind``.
        space: whose decisions the controller makes.
        seed: for everything random in the controller, at least 0.
        objective: (accuracy, flops) -> reward, for controllers that can use it.
        price: actions -> their exact cost, likewise.
        measures: by name, further costs that the objective takes, predicted; None for one that only trials
            show, which an ``Observer`` is told.
        front: names of costs, ``flops`` or of ``measures``: accuracy is sought for all budgets of them at
            once, rewards are accuracies, and there is no objective.
        settings: values in place of the defaults of the kind's settings; strings are read
            as the setting's type.

    Raises:
        ValueError: if the name or a setting is unknown, or a value is out of range.
    """
    kind = find_kind(name)
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    problem = Problem(space, objective, price, measures, front)
    return kind.make(problem, parse_settings(kind.settings, settings), seed)


__all__ = [
    "CONTROLLERS",
    "Controller",
    "DynaSettings",
    "EvolutionSettings",
    "GridSearch",
    "Kind",
    "Measure",
    "Objective",
    "Observer",
    "Price",
    "Problem",
    "RNNSettings",
    "RandomSettings",
    "find_kind",
    "make",
]
