"""Every setting of every controller: frozen, validated, and readable without torch."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Value = str | int | float
ALGORITHMS = ("ppo", "reinforce")
WIDEST = 4096
"""Units of an LSTM or an embedding, at most: beyond, memory runs out long before trials do."""
T = TypeVar("T")


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{name} must be {rule}, got {value!r}")


@dataclass(frozen=True)
class RandomSettings:
    """Random search has nothing to set."""


@dataclass(frozen=True)
class EvolutionSettings:
    """Of regularised evolution.

    The paper's 100 and 25 are for 20,000 trials. For some hundreds, of populations 10, 20, 50 and
    tournaments of 2 to 25, this pair did best or within 0.0004 of the best on ``nasbench-macro``
    (``benchmarks/learning.py``).

    Args:
        population: living networks; when one joins a full population, the oldest dies.
        sample: networks drawn (with replacement) for a tournament; the best of them is mutated.

    Raises:
        ValueError: with the rule and the value, if a setting is out of range.
    """

    population: int = 20
    sample: int = 10

    def __post_init__(self) -> None:
        _require(self.population >= 1, "population", "at least 1", self.population)
        rule = f"at least 1 and at most the population, {self.population}"
        _require(1 <= self.sample <= self.population, "sample", rule, self.sample)


@dataclass(frozen=True)
class RNNSettings:
    """Of the RNN controller; the defaults are the papers' wherever they give a value.

    Args:
        algorithm: ``ppo``, or ``reinforce``, which takes one step per batch. In 1,000 trials of
            ``nasbench-macro`` it hardly learns at this rate, and as well as PPO at 0.003.
        hidden_units: of the LSTM.
        embedding_units: of the embedded choice that is its next input. Not given in the papers.
        init_range: every weight starts uniform in [-init_range, init_range].
        learning_rate: Adam's.
        clip: PPO lets the probability of a network gain or lose this fraction in one update.
        entropy_weight: of the policy's entropy, in units of reward.
        baseline_decay: of the moving average of rewards, per result.
        update_every: results in a batch.
        epochs: PPO's steps on each batch. Not given in the papers, whose 20,000 trials need few. On
            ``nasbench-macro`` (mean accuracy of trials 401-500 over 10 seeds; random: 0.902, the
            best network: 0.931) 10 epochs reach 0.928, 20 0.930, 40 0.930 at twice the time.

    Raises:
        ValueError: with the rule and the value, if a setting is out of range.

    Source: Zoph et al. 2018, arXiv:1707.07012, appendix A.2; clip: Schulman et al. 2017, arXiv:1707.06347.
    """

    algorithm: str = "ppo"
    hidden_units: int = 100
    embedding_units: int = 100
    init_range: float = 0.1
    learning_rate: float = 3.5e-4
    clip: float = 0.2
    entropy_weight: float = 1e-5
    baseline_decay: float = 0.95
    update_every: int = 20
    epochs: int = 20

    def __post_init__(self) -> None:
        _require(self.algorithm in ALGORITHMS, "algorithm", f"one of {ALGORITHMS}", self.algorithm)
        for name in ("update_every", "epochs"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require_policy(self, "hidden_units", "embedding_units")
        _require(0 < self.init_range < math.inf, "init_range", "positive and finite", self.init_range)
        _require(0 < self.clip < 1, "clip", "between 0 and 1", self.clip)
        rule = "finite and not negative"
        _require(0 <= self.entropy_weight < math.inf, "entropy_weight", rule, self.entropy_weight)
        _require(0 <= self.baseline_decay < 1, "baseline_decay", "in [0, 1)", self.baseline_decay)


@dataclass(frozen=True)
class DynaSettings:
    """Of the controller that learns from a model of accuracy; measured in ``benchmarks/search_quality.py``.

    Args:
        initial: trials, pending ones counted, before the model is asked.
        rounds: of rollouts before each ask; 0 leaves all to the neighbours of the best.
        rollouts: networks that the policy samples in a round.
        epochs: PPO's steps on each round.
        queue: networks in the priority queue.
        starts: networks of the queue, and as many of those told, that hill climbing starts from.
        hidden_units: of the policy's LSTM and of its embedding.
        learning_rate: Adam's.

    Raises:
        ValueError: with the rule and the value, if a setting is out of range.
    """

    initial: int = 7
    rounds: int = 1
    rollouts: int = 64
    epochs: int = 2
    queue: int = 50
    starts: int = 5
    hidden_units: int = 100
    learning_rate: float = 0.003

    def __post_init__(self) -> None:
        for name in ("initial", "rollouts", "epochs", "queue", "starts"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require(self.rounds >= 0, "rounds", "at least 0", self.rounds)
        _require_policy(self, "hidden_units")


def _require_policy(settings: RNNSettings | DynaSettings, *widths: str) -> None:
    """What holds for an LSTM that Adam trains."""
    for name in widths:
        width = getattr(settings, name)
        _require(1 <= width <= WIDEST, name, f"at least 1 and at most {WIDEST}", width)
    rule = "positive and at most 1"
    _require(0 < settings.learning_rate <= 1, "learning_rate", rule, settings.learning_rate)


def unknown(what: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a ``name`` that is not ``known``, with the nearest that is."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return ValueError(f"unknown {what} {name!r}{hint} Known: {', '.join(known) or 'none'}")


def parse_settings(kind: type[T], values: Mapping[str, Value]) -> T:
    """``kind`` with ``values`` in place of its defaults; text is read as the default's type.

    Raises:
        ValueError: if a name is unknown, a value does not have the type of its default, or ``kind``
            refuses it.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    parsed = {}
    for name, value in values.items():
        if name not in defaults:
            raise unknown("setting", name, defaults)
        parsed[name] = _parse(name, type(defaults[name]), value)
    return kind(**parsed)


def _parse(name: str, kind: type, value: Value) -> Any:
    if kind is bool:
        parsed = {"true": True, "false": False}.get(str(value).lower())
        if parsed is None:
            raise ValueError(f"{name} must be true or false, got {value!r}")
        return parsed
    try:
        parsed = kind(value)
    except (TypeError, ValueError, OverflowError):
        parsed = None
    truncated = kind is int and isinstance(value, float) and parsed != value
    if parsed is None or truncated or isinstance(value, bool):
        raise ValueError(f"{name} must be of type {kind.__name__}, got {value!r}")
    return parsed
