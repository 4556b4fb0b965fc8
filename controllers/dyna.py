"""An RNN policy that learns, between trials, from a model of accuracy.

    told --Surrogate--> expected improvement --> rollouts of the policy --> queue of the best --> ask
                                                            ^                    |
                                                            '---- learns from ---'

Costs are known before training, so only accuracy is modelled, and each trial says something about every
network that shares a choice with it. The policy trains on the model, which takes milliseconds; a trial is
spent only on the most promising network.

Sources: Angermueller et al. 2020, openreview.net/forum?id=HklxbgBKvr (DyNA-PPO: model-based rollouts);
Abolafia et al. 2018, arXiv:1801.03526 (priority queue training).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch

from controllers.controller import Measure, Objective, Price, check_identity, checked_reward, identity
from controllers.features import Matrix, Networks
from controllers.policy import Policy
from controllers.rnn import clipped_surrogate
from controllers.settings import DynaSettings
from controllers.surrogate import Score, Surrogate
from controllers.tensors import load_policy, one_thread, policy_state
from search_spaces import Actions, ArchSpec, SearchSpace

CLIP = 0.2
"""PPO's clip, as in ``RNNSettings``."""
QUEUE_WEIGHT = 0.1
"""Weight of the queue's log-likelihood, relative to PPO's gain."""
STEPS = 20
"""The most steps of hill climbing."""
TRIES = 100
"""Random networks to try when all candidates were asked or told before."""


class Scored(NamedTuple):
    """Networks `[N, D]` and their scores by the model, `[N]`."""

    networks: Networks
    scores: Matrix


class DynaController:
    """Asks for the network that scores best under a Gaussian process, searching with an RNN policy.

    The first ``initial`` trials are samples of the untrained policy, so nearly uniform. After that, before
    every ask, PPO trains the policy on its own samples, scored by the model, and to repeat a queue of the
    best networks from sampling and hill climbing; the best of the queue is asked. A network is never asked
    for twice, nor after it was told, unless the space has almost no other. Networks similar to those that
    failed score lower.

    Args:
        space: whose decisions the policy makes, in their order.
        settings: see ``DynaSettings``.
        seed: for the initial weights and every draw.
        objective: (accuracy, flops) -> reward: with ``price``, only accuracy has to be learned.
        price: actions -> their exact cost, which become features of the model.
        measures: further costs of the objective, see ``Surrogate``; those that are None are learned too.
        front: costs against which the whole front is sought; rewards are then accuracies.
    """

    def __init__(
        self,
        space: SearchSpace,
        settings: DynaSettings,
        seed: int = 0,
        objective: Objective | None = None,
        price: Price | None = None,
        measures: Mapping[str, Measure | None] = MappingProxyType({}),
        front: Sequence[str] = (),
    ) -> None:
        self.space = space
        self.settings = settings
        self._identity = identity("dyna", space, settings)
        self._rng = np.random.default_rng(seed)
        choices = [len(decision.choices) for decision in space.decisions]
        self._choices = np.array(choices)
        self._policy = Policy(choices, settings.hidden_units, settings.hidden_units, 0.1, self._rng)
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=settings.learning_rate)
        self._surrogate = Surrogate(space, objective, price, measures, front)
        self._told: list[tuple[Actions, float]] = []
        self._measured: dict[Actions, dict[str, float]] = {}
        self._failed: list[Actions] = []
        self._pending: Counter[Actions] = Counter()
        self._queue: Networks = np.empty((0, len(choices)), np.int64)  # best first
        self._tried: dict[Actions, None] = {}  # asked or told, oldest first
        self._networks: set[ArchSpec] = set()  # the networks of ``_tried``

    def ask(self) -> Actions:
        with one_thread():
            if len(self._told) + self._pending.total() < self.settings.initial or not self._told:
                candidates = self._policy.sample_batch(self.settings.rollouts, self._rng).numpy()
            else:
                candidates = self._most_promising()
            actions = self._first_new(candidates)
        self._pending[actions] += 1
        self._remember(actions)
        return actions

    def observe(self, actions: Actions, costs: Mapping[str, float]) -> None:
        self._measured[self.space.check(actions)] = dict(costs)

    def tell(self, actions: Actions, reward: float | None) -> None:
        actions = self.space.check(actions)
        reward = checked_reward(reward)
        self._remember(actions)
        self._pending -= Counter([actions])
        if reward is None:
            self._failed.append(actions)
        else:
            self._told.append((actions, reward))

    def _remember(self, actions: Actions) -> None:
        self._tried[actions] = None
        self._networks.add(self.space.decode(actions))

    def _first_new(self, candidates: Networks) -> Actions:
        """The first of ``candidates``, then of random actions, with a new network; else with new actions."""
        random = self._rng.integers(self._choices, size=(TRIES, len(self._choices)))
        proposals = [tuple(actions) for actions in (*candidates.tolist(), *random.tolist())]
        untried = [actions for actions in proposals if actions not in self._tried]
        new = (actions for actions in untried if self.space.decode(actions) not in self._networks)
        return next(new, untried[0] if untried else proposals[-1])

    def _most_promising(self) -> Networks:
        """The queue after training the policy on what the model now predicts, and hill climbing."""
        score = self._surrogate.improvement(self._told, list(self._pending), self._failed, self._measured)
        queue = self._best(Scored(self._queue, score(self._queue)))
        for _ in range(self.settings.rounds):
            queue = self._roll_out(score, queue)
        self._queue = self._climb(score, queue).networks
        return self._queue

    def _roll_out(self, score: Score, queue: Scored) -> Scored:
        """Adds samples of the policy to the queue; the policy learns from both. B: samples, Q: queue."""
        sampled = self._policy.sample_batch(self.settings.rollouts, self._rng)  # [B, D]
        scores = score(sampled.numpy())
        queue = self._best(queue, Scored(sampled.numpy(), scores))
        ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
        advantage = torch.tensor(ranks / max(len(ranks) - 1, 1) * 2 - 1)  # [B], in [-1, 1]
        both = torch.cat([sampled, torch.tensor(queue.networks)])  # [B + Q, D]
        old_log_prob = None
        for _ in range(self.settings.epochs):
            log_prob = self._policy(both).gather(2, both[:, :, None]).sum((1, 2))  # [B + Q]
            of_samples, of_queue = log_prob[: len(sampled)], log_prob[len(sampled) :]
            if old_log_prob is None:
                old_log_prob = of_samples.detach()
            gain = clipped_surrogate(of_samples, old_log_prob, advantage, CLIP).mean()
            loss = -(gain + QUEUE_WEIGHT * of_queue.mean())
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        return queue

    def _climb(self, score: Score, queue: Scored) -> Scored:
        """The queue after hill climbing, one decision at a time, from its best and the best told."""
        starts = self.settings.starts
        leading = self._surrogate.leading(self._told, starts, self._measured)
        networks = np.concatenate([queue.networks[:starts], leading])
        scores = score(networks)
        for _ in range(STEPS):
            around = self._neighbours(networks)  # [S, M, D]
            flat = around.reshape(-1, around.shape[2])
            found = score(flat).reshape(around.shape[:2])  # [S, M]
            queue = self._best(queue, Scored(flat, found.ravel()))
            best, better = found.argmax(axis=1), found.max(axis=1) > scores  # [S]
            if not better.any():
                break
            networks, first = np.unique(around[better, best[better]], axis=0, return_index=True)
            scores = found[better, best[better]][first]
        return queue

    def _neighbours(self, networks: Networks) -> Networks:
        """Networks `[S, D]` with each decision set to each of its choices, M in all: `[S, M, D]`."""
        decisions = np.repeat(np.arange(len(self._choices)), self._choices)  # [M]
        choices = np.concatenate([np.arange(count) for count in self._choices.tolist()])  # [M]
        around = np.repeat(networks[:, None], len(decisions), axis=1)
        around[:, np.arange(len(decisions)), decisions] = choices
        return around

    def _best(self, *scored: Scored) -> Scored:
        """The best distinct networks not yet tried, best first, as many as the queue holds."""
        networks = np.concatenate([some.networks for some in scored])
        scores = np.concatenate([some.scores for some in scored])
        rows: dict[Actions, int] = {}
        for row in np.argsort(-scores, kind="stable").tolist():
            actions = tuple(networks[row].tolist())
            if actions not in self._tried and actions not in rows:
                rows[actions] = row
                if len(rows) == self.settings.queue:
                    break
        chosen = list(rows.values())
        return Scored(networks[chosen], scores[chosen])

    def state_dict(self) -> dict[str, Any]:
        return {
            **self._identity,
            **policy_state(self._policy, self._optimizer),
            "surrogate": self._surrogate.state_dict(),
            "told": list(self._told),
            "failed": list(self._failed),
            "pending": list(self._pending.items()),
            "tried": list(self._tried),
            "queue": self._queue.copy(),
            "rng": self._rng.bit_generator.state,
            **({"measured": list(self._measured.items())} if self._measured else {}),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check_identity(self._identity, state)
        load_policy(self._policy, self._optimizer, state)
        self._surrogate.load_state_dict(state["surrogate"])
        self._told = [(tuple(actions), reward) for actions, reward in state["told"]]
        self._failed = [tuple(actions) for actions in state["failed"]]
        self._measured = {tuple(actions): costs for actions, costs in state.get("measured", [])}
        self._pending = Counter({tuple(actions): count for actions, count in state["pending"]})
        self._tried = dict.fromkeys(tuple(actions) for actions in state["tried"])
        self._networks = {self.space.decode(actions) for actions in self._tried}
        self._queue = np.array(state["queue"], np.int64).reshape(-1, len(self._choices))
        self._rng.bit_generator.state = state["rng"]
