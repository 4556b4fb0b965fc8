"""``dyna`` as an Optuna sampler.

    study = optuna.create_study(sampler=DynaSampler(), direction="maximize")

Optuna is the extra ``[optuna]``; its own samplers as controllers are in ``controllers.samplers``.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

try:
    import optuna  # noqa: F401 - to say what to install
except ImportError as error:
    raise ImportError("Optuna must be installed: pip install 'nas-scaling[optuna]'") from error

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

import controllers
from controllers.controller import Controller, Objective, Price
from search_spaces import Actions, Choice, Decision, SearchSpace
from search_spaces.rules import Value

ENDED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)
MOST_CHOICES = 1000
"""Values of an int, or of a float with a step, that count as choices."""


class DynaSampler(BaseSampler):
    """``dyna`` for Optuna: few, costly trials over choices. Works with ``n_jobs`` and a study that is loaded.

    Parameters with choices, categorical or ints and floats with a step, are dyna's decisions; others are
    drawn at random. A trial that failed or was pruned is one that failed. Everything happens under one lock.

    Args:
        space: the parameters, as distributions by name or as a ``SearchSpace``. Left out, they are those of
            the first trial that ended, and until then trials are random.
        seed: for every draw; None for a fresh one.
        objective: (accuracy, flops) -> value, with ``price`` for studies whose value is made of both.
        price: actions of ``space`` -> their exact cost.
        settings: of ``dyna``, such as ``{"initial": 20}``.

    Raises:
        ValueError: if a parameter of ``space`` has no choices, or a setting is wrong.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution] | SearchSpace | None = None,
        *,
        seed: int | None = None,
        objective: Objective | None = None,
        price: Price | None = None,
        settings: Mapping[str, Value] = MappingProxyType({}),
    ) -> None:
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._independent = RandomSampler(seed=self._seed % 2**32)
        self._lock = threading.Lock()
        self._options: dict[str, Any] = {"objective": objective, "price": price, "settings": settings}
        self._distributions: dict[str, BaseDistribution] = {}
        self._controller: Controller | None = None
        self._told: set[int] = set()
        self._asked: dict[int, Actions] = {}
        if space is not None:
            self._begin(space)

    def _begin(self, space: Mapping[str, BaseDistribution] | SearchSpace) -> None:
        if isinstance(space, SearchSpace):
            self._values = [list[Any](decision.choices) for decision in space.decisions]
            self._distributions = {d.name: CategoricalDistribution(d.choices) for d in space.decisions}
        else:
            self._distributions = dict(space)
            self._values = [_values(name, each) for name, each in space.items()]
            space = _space_of(dict(zip(space, self._values, strict=True)))
        self._controller = controllers.make("dyna", space, seed=self._seed, **self._options)

    def reseed_rng(self) -> None:
        self._independent.reseed_rng()

    def infer_relative_search_space(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002 - Optuna's signature
    ) -> dict[str, BaseDistribution]:
        if len(study.directions) != 1:
            raise ValueError(f"a study with DynaSampler must have one objective, got {len(study.directions)}")
        with self._lock:
            if self._controller is None:
                ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
                found = ended[0].distributions if ended else {}
                if found := {name: each for name, each in found.items() if _has_choices(each)}:
                    self._begin(found)
            return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if (
            self._controller is None
            or search_space.keys() <= trial.system_attrs.get("fixed_params", {}).keys()
        ):
            return {}
        with self._lock:
            for ended in study.get_trials(deepcopy=False, states=ENDED):
                if ended.number not in self._told:
                    self._tell(self._controller, ended, study.direction)
            actions = self._controller.ask()
            self._asked[trial.number] = actions
        chosen = (values[action] for values, action in zip(self._values, actions, strict=True))
        return dict(zip(search_space, chosen, strict=True))

    def _tell(self, controller: Controller, trial: FrozenTrial, direction: StudyDirection) -> None:
        """Tells a trial that ended; one that lacks parameters counts as what was asked for it."""
        self._told.add(trial.number)
        actions = self._asked.pop(trial.number, None)
        if trial.params.keys() >= self._distributions.keys():
            params = [trial.params[name] for name in self._distributions]
            if all(value in values for value, values in zip(params, self._values, strict=True)):
                actions = tuple(
                    values.index(value) for value, values in zip(params, self._values, strict=True)
                )
        if actions is None:
            return
        value = trial.value if trial.state == TrialState.COMPLETE else None
        if value is None or not math.isfinite(value):
            controller.tell(actions, None)
        else:
            controller.tell(actions, value if direction == StudyDirection.MAXIMIZE else -value)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._independent.sample_independent(study, trial, param_name, param_distribution)


def _has_choices(distribution: BaseDistribution) -> bool:
    """Whether a parameter has as few values as a decision may have, without a logarithmic scale."""
    if isinstance(distribution, CategoricalDistribution):
        return True
    if not isinstance(distribution, IntDistribution | FloatDistribution) or distribution.log:
        return False
    step = distribution.step
    return step is not None and (distribution.high - distribution.low) / step < MOST_CHOICES


def _values(name: str, distribution: BaseDistribution) -> list[Any]:
    """Every value of a parameter, in order; ValueError if it does not have choices."""
    if not _has_choices(distribution):
        rule = f"categorical, or int or float with a step and at most {MOST_CHOICES} values"
        raise ValueError(f"{name} must be {rule}, got {distribution}")
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    assert distribution.step is not None
    count = round((distribution.high - distribution.low) / distribution.step) + 1
    return [distribution.low + i * distribution.step for i in range(count)]


def _space_of(values: Mapping[str, Sequence[Any]]) -> SearchSpace:
    """A space of these parameters, whose networks are their values; only numbers have an order."""
    decisions = []
    for name, own in values.items():
        numbers = all(type(value) in (int, float) for value in own) and len({*own}) == len(own)
        choices: Sequence[Choice] = own if numbers else [f"{i}: {value!r}" for i, value in enumerate(own)]
        decisions.append(Decision(name, tuple(choices)))
    build: Any = tuple  # the networks of a study are its parameters
    return SearchSpace("study", tuple(decisions), build)
