"""Every setting of every controller: frozen, readable without torch; ValueError if one is out of range."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from search_spaces.rules import AtMost, OneOf, validated

ALGORITHMS = ("ppo", "reinforce")
WIDEST = 4096
"""The most units of an LSTM or an embedding; with more, memory would run out."""
Count = Annotated[int, Field(ge=1), AtMost(1_000_000)]
Width = Annotated[int, Field(ge=1, le=WIDEST)]
LearningRate = Annotated[float, Field(gt=0, le=1)]


@validated
class RandomSettings:
    """Random search has no settings."""


@validated
class EvolutionSettings:
    """Regularised evolution.

    The paper's 100 and 25 are for 20,000 trials. For a few hundred trials of ``nasbench-macro``, among
    populations of 10, 20 and 50 and tournaments of 2 to 25, these defaults came within 0.0004 of the
    best (``benchmarks/learning.py``).

    Args:
        population: living networks; when one joins a full population, the oldest dies.
        sample: networks drawn (with replacement) for a tournament; the best of them is mutated.
    """

    population: Count = 20
    sample: Count = 10

    def __post_init__(self) -> None:
        if self.sample > self.population:
            rule = f"at least 1 and at most the population, {self.population}"
            raise ValueError(f"sample must be {rule}, got {self.sample}")


@validated
class RNNSettings:
    """The RNN controller; the defaults are the papers' wherever they give a value.

    Args:
        algorithm: ``ppo``, or ``reinforce``, which takes one step per batch. In 1,000 trials of
            ``nasbench-macro``, ``reinforce`` hardly learns at the default learning rate, but does
            as well as PPO at 0.003.
        hidden_units: units of the LSTM.
        embedding_units: units of the embedding of each choice. Not given in the papers.
        init_range: initial weights are uniform in [-init_range, init_range].
        learning_rate: Adam's.
        clip: PPO lets the probability of a network gain or lose this fraction in one update.
        entropy_weight: weight of the policy's entropy, in units of reward.
        baseline_decay: decay per result of the moving average of rewards.
        update_every: results in a batch.
        epochs: PPO's steps on each batch. Not given in the papers, whose 20,000 trials need few. On
            ``nasbench-macro`` (mean accuracy of trials 401-500 over 10 seeds; random: 0.902, the
            best network: 0.931) 10 epochs reach 0.928, 20 reach 0.930, 40 reach 0.930 in twice the time.

    Source: Zoph et al. 2018, arXiv:1707.07012, appendix A.2; clip: Schulman et al. 2017, arXiv:1707.06347.
    """

    algorithm: Annotated[str, OneOf(ALGORITHMS)] = "ppo"
    hidden_units: Width = 100
    embedding_units: Width = 100
    init_range: Annotated[float, Field(gt=0, lt=math.inf)] = 0.1
    learning_rate: LearningRate = 3.5e-4
    clip: Annotated[float, Field(gt=0, lt=1, description="be between 0 and 1")] = 0.2
    entropy_weight: Annotated[float, Field(ge=0, description="be finite and not negative")] = 1e-5
    baseline_decay: Annotated[float, Field(ge=0, lt=1, description="be in [0, 1)")] = 0.95
    update_every: Count = 20
    epochs: Count = 20


@validated
class DynaSettings:
    """The controller that learns from a model of accuracy; measured in ``benchmarks/search_quality.py``.

    Args:
        initial: trials, pending ones included, before the model is used.
        rounds: rounds of rollouts before each ask; with 0, only hill climbing finds networks.
        rollouts: networks that the policy samples in a round.
        epochs: PPO's steps in each round.
        queue: networks in the priority queue.
        starts: hill climbing starts from the best networks of the queue and of those told, this many each.
        hidden_units: units of the policy's LSTM and of its embedding.
        learning_rate: Adam's.
    """

    initial: Count = 7
    rounds: Annotated[int, Field(ge=0)] = 1
    rollouts: Count = 64
    epochs: Count = 2
    queue: Count = 50
    starts: Count = 5
    hidden_units: Width = 100
    learning_rate: LearningRate = 0.003
