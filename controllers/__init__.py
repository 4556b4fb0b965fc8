"""Ask/tell optimisers over categorical decisions.

    SearchSpace --make--> Controller --ask--> actions --(a trial)--> tell(actions, reward)

torch is imported only when a controller that has a network of its own is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from controllers.controller import Controller, Objective, Price
from controllers.evolution import RegularizedEvolution
from controllers.grid_search import GridSearch
from controllers.random_search import RandomSearch
from controllers.settings import DynaSettings, EvolutionSettings, RandomSettings, RNNSettings
from search_spaces import SearchSpace
from search_spaces.names import unknown
from search_spaces.rules import Value, parse_settings


class Problem(NamedTuple):
    """What a controller may know of its task, see ``make``; a bare number as reward is enough for most."""

    space: SearchSpace
    objective: Objective | None = None
    price: Price | None = None


class Kind(NamedTuple):
    """A kind of controller: its settings, with their defaults, and how one is made of them and a seed."""

    settings: type
    make: Callable[[Problem, Any, int], Controller]


def _rnn(problem: Problem, settings: RNNSettings, seed: int) -> Controller:
    from controllers.rnn import RNNController  # here, because it imports torch

    return RNNController(problem.space, settings, seed)


def _dyna(problem: Problem, settings: DynaSettings, seed: int) -> Controller:
    from controllers.dyna import DynaController  # likewise

    return DynaController(problem.space, settings, seed, problem.objective, problem.price)


def _random(problem: Problem, _: RandomSettings, seed: int) -> Controller:
    return RandomSearch(problem.space, seed)


def _evolution(problem: Problem, settings: EvolutionSettings, seed: int) -> Controller:
    return RegularizedEvolution(problem.space, settings, seed)


CONTROLLERS = {
    "rnn": Kind(RNNSettings, _rnn),
    "random": Kind(RandomSettings, _random),
    "evolution": Kind(EvolutionSettings, _evolution),
    "dyna": Kind(DynaSettings, _dyna),
}


def make(
    name: str,
    space: SearchSpace,
    *,
    seed: int = 0,
    objective: Objective | None = None,
    price: Price | None = None,
    settings: Mapping[str, Value] = MappingProxyType({}),
) -> Controller:
    """The controller ``name`` for ``space``.

    Args:
        name: a key of ``CONTROLLERS``.
        space: whose decisions are asked.
        seed: of everything random in the controller, at least 0.
        objective: (accuracy, flops) -> reward, for controllers that can use this knowledge.
        price: actions -> their exact cost, likewise.
        settings: values in place of the defaults of ``CONTROLLERS[name].settings``; text is read as
            the type of the default.

    Raises:
        ValueError: if the name or a setting is unknown, or a value is out of range.
    """
    if name not in CONTROLLERS:
        raise ValueError(unknown("controller", name, CONTROLLERS))
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    kind = CONTROLLERS[name]
    return kind.make(Problem(space, objective, price), parse_settings(kind.settings, settings), seed)


__all__ = [
    "CONTROLLERS",
    "Controller",
    "DynaSettings",
    "EvolutionSettings",
    "GridSearch",
    "Kind",
    "Objective",
    "Price",
    "Problem",
    "RNNSettings",
    "RandomSettings",
    "make",
]
