"""Optuna's samplers as controllers.

    controllers.make("optuna:TPESampler", space)        nas search --controller optuna:TPESampler

Optuna is the extra ``[optuna]``.
"""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

try:
    import optuna
except ImportError as error:
    raise ImportError("Optuna must be installed: pip install 'nas-scaling[optuna]'") from error

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from controllers.controller import check_identity, checked_reward, identity
from search_spaces import Actions, SearchSpace
from search_spaces.names import unknown
from search_spaces.rules import validated

GIVEN = ("self", "seed", "search_space")
"""Arguments of a sampler that are no settings: the seed is the controller's, the search space the space's."""


def known_samplers() -> dict[str, type[BaseSampler]]:
    """Optuna's samplers that need no further object, by name."""
    named = {name: getattr(optuna.samplers, name) for name in optuna.samplers.__all__}
    made = {name: kind for name, kind in named.items() if isinstance(kind, type)}
    return {name: kind for name, kind in made.items() if not inspect.isabstract(kind) and not _needed(kind)}


def _needed(sampler: type) -> list[str]:
    """The arguments that a sampler must be given, apart from those of ``GIVEN``."""
    arguments = inspect.signature(sampler).parameters.values()
    return [each.name for each in arguments if each.default is each.empty and each.name not in GIVEN]


def find_sampler(name: str) -> type[BaseSampler]:
    """The sampler of that name; ValueError if there is none, or it needs more than a seed and a space."""
    samplers = known_samplers()
    if name not in samplers:
        raise ValueError(unknown("sampler of Optuna", name, samplers))
    return samplers[name]


def settings_of(name: str) -> type:
    """The plain arguments of a sampler, numbers and texts, as a dataclass with Optuna's defaults."""
    arguments = inspect.signature(find_sampler(name)).parameters.values()
    defaults = {
        each.name: each.default
        for each in arguments
        if isinstance(each.default, bool | int | float | str) and each.name not in GIVEN
    }
    fields = {"__annotations__": {key: type(value) for key, value in defaults.items()}, **defaults}
    doc = f"The settings of Optuna's {name}, see its documentation."
    return validated(type(f"{name}Settings", (), {**fields, "__doc__": doc, "__module__": __name__}))


class OptunaController:
    """One of Optuna's samplers; it sees decisions as categories, and rewards as values to maximise.

    Trials that were asked but not told are running ones for it, and failures are failed ones. Its saved
    state is its history: restoring it repeats every ask and tell on a new sampler with the same seed. That
    takes as long as they took, and is exact whatever a sampler keeps inside.

    Args:
        sampler: the name in ``optuna.samplers``.
        settings: an instance of ``settings_of(sampler)``.
    """

    def __init__(self, sampler: str, space: SearchSpace, settings: Any, seed: int = 0) -> None:
        self.space = space
        self._sampler, self._settings = find_sampler(sampler), vars(settings)
        self._identity = {**identity(f"optuna:{sampler}", space), "settings": dict(self._settings)}
        self._categories: dict[str, BaseDistribution] = {
            decision.name: CategoricalDistribution(decision.choices) for decision in space.decisions
        }
        self._begin(seed)

    def _begin(self, seed: int) -> None:
        """A new study, in which nothing has happened."""
        arguments = inspect.signature(self._sampler).parameters
        given: dict[str, Any] = {"seed": seed % 2**32} if "seed" in arguments else {}
        if "search_space" in arguments:
            given["search_space"] = {d.name: d.choices for d in self.space.decisions}
        changed = {key: value for key, value in self._settings.items() if value != arguments[key].default}
        with quiet():
            sampler = self._sampler(**given, **changed)
            self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._seed = seed
        self._running: list[tuple[Actions, optuna.Trial]] = []
        self._events: list[tuple[Any, ...]] = []  # ("ask", actions) or ("tell", actions, reward), in order

    def ask(self) -> Actions:
        with quiet():
            trial = self._study.ask(self._categories)
        actions = tuple(d.choices.index(trial.params[d.name]) for d in self.space.decisions)
        self._running.append((actions, trial))
        self._events.append(("ask", actions))
        return actions

    def tell(self, actions: Actions, reward: float | None) -> None:
        actions = self.space.check(actions)
        reward = checked_reward(reward)
        place = next((i for i, (asked, _) in enumerate(self._running) if asked == actions), None)
        state = TrialState.FAIL if reward is None else TrialState.COMPLETE
        with quiet():
            if place is None:
                params = dict(zip(self._categories, self.space.choices(actions), strict=True))
                self._study.add_trial(
                    optuna.trial.create_trial(
                        state=state, value=reward, params=params, distributions=self._categories
                    )
                )
            else:
                _, trial = self._running.pop(place)
                with stopping():
                    self._study.tell(trial, reward, state=state)
        self._events.append(("tell", actions, reward))

    def state_dict(self) -> dict[str, Any]:
        return {**self._identity, "seed": self._seed, "events": list(self._events)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check_identity(self._identity, state)
        self._begin(state["seed"])
        for number, (kind, actions, *reward) in enumerate(state["events"]):
            if kind == "tell":
                self.tell(tuple(actions), *reward)
            elif self.ask() != tuple(actions):
                other = f"was it saved with another Optuna than {optuna.__version__}?"
                raise ValueError(f"the state to load must repeat itself, and event {number} differs: {other}")


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """A sampler that has tried everything wants to stop its study, which only ``Study.optimize`` can be."""
    try:
        yield
    except RuntimeError as error:
        if "Study.stop" not in str(error):
            raise


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's log, and without its warnings that something is experimental."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
