"""The paper's controller: an RNN policy trained by PPO, or plain REINFORCE, on the rewards of its trials.

Sources: Zoph et al. 2018, arXiv:1707.07012, appendix A.2 (policy, PPO, every constant), used unchanged
by Tan et al. 2019, arXiv:1807.11626; Schulman et al. 2017, arXiv:1707.06347 (PPO, clip 0.2);
Williams 1992 (REINFORCE).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from controllers.controller import check_identity, checked_reward, identity
from controllers.policy import Policy
from controllers.settings import RNNSettings
from controllers.tensors import load_policy, one_thread, policy_state
from search_spaces import Actions, SearchSpace


class Result(NamedTuple):
    """One trial in the next update's batch; ``log_prob`` is from the policy that asked for it."""

    actions: Actions
    log_prob: float
    advantage: float


class RNNController:
    """Samples from an LSTM policy and improves it after every ``update_every`` results.

    A result's advantage is its reward minus an exponential moving average of the rewards told
    before it. A failed trial teaches nothing. Actions that were told but never asked count as
    drawn from the present policy. ``seed`` is for the initial weights and every draw.
    """

    def __init__(self, space: SearchSpace, settings: RNNSettings, seed: int = 0) -> None:
        self.space = space
        self.settings = settings
        self._identity = identity("rnn", space, settings)
        self._rng = np.random.default_rng(seed)
        choices = [len(decision.choices) for decision in space.decisions]
        self._policy = Policy(
            choices, settings.hidden_units, settings.embedding_units, settings.init_range, self._rng
        )
        self._optimizer = torch.optim.Adam(self._policy.parameters(), lr=settings.learning_rate)
        self._baseline: float | None = None
        self._pending: dict[Actions, deque[float]] = {}  # log-probabilities at ask time, oldest first
        self._batch: list[Result] = []

    def ask(self) -> Actions:
        with one_thread():
            actions, log_prob = self._policy.sample(self._rng)
        self._pending.setdefault(actions, deque()).append(log_prob)
        return actions

    def tell(self, actions: Actions, reward: float | None) -> None:
        actions = self.space.check(actions)
        reward = checked_reward(reward)
        log_prob = self._take_pending(actions)
        if reward is None:
            return
        if log_prob is None:
            log_prob = self._log_prob(actions)
        advantage = 0.0 if self._baseline is None else reward - self._baseline
        self._baseline = moving_average(self._baseline, reward, self.settings.baseline_decay)
        self._batch.append(Result(actions, log_prob, advantage))
        if len(self._batch) >= self.settings.update_every:
            with one_thread():
                self._update(self._batch)
            self._batch = []

    def _take_pending(self, actions: Actions) -> float | None:
        """Removes the oldest pending ask of ``actions``; its log-probability, or None if there is none."""
        waiting = self._pending.get(actions)
        if waiting is None:
            return None
        log_prob = waiting.popleft()
        if not waiting:
            del self._pending[actions]
        return log_prob

    def _log_prob(self, actions: Actions) -> float:
        taken = torch.tensor([actions])  # [1, D]
        with one_thread(), torch.inference_mode():
            return float(self._policy(taken).gather(2, taken[:, :, None]).sum())

    def _update(self, batch: list[Result]) -> None:
        settings = self.settings
        actions = torch.tensor([result.actions for result in batch])  # [B, D]
        old_log_prob = torch.tensor([result.log_prob for result in batch])  # [B]
        advantage = torch.tensor([result.advantage for result in batch])  # [B]
        for _ in range(settings.epochs if settings.algorithm == "ppo" else 1):
            log_probs = self._policy(actions)  # [B, D, C]
            log_prob = log_probs.gather(2, actions[:, :, None]).sum((1, 2))  # [B]
            entropy = -(log_probs.exp() * log_probs).sum((1, 2))  # [B]
            if settings.algorithm == "ppo":
                gain = clipped_surrogate(log_prob, old_log_prob, advantage, settings.clip)
            else:
                gain = advantage * log_prob
            loss = -(gain + settings.entropy_weight * entropy).mean()
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {
            **self._identity,
            **policy_state(self._policy, self._optimizer),
            "baseline": self._baseline,
            "pending": [(actions, list(waiting)) for actions, waiting in self._pending.items()],
            "batch": [tuple(result) for result in self._batch],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check_identity(self._identity, state)
        load_policy(self._policy, self._optimizer, state)
        self._baseline = state["baseline"]
        self._pending = {tuple(actions): deque(waiting) for actions, waiting in state["pending"]}
        self._batch = [Result(tuple(actions), *rest) for actions, *rest in state["batch"]]
        self._rng.bit_generator.state = state["rng"]


def clipped_surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """min(r A, clip(r, 1 - clip, 1 + clip) A) with r = p / p_old, all `[B]`; r is at most 3.

    Without that bound, a bad result that arrives late, asked when the policy still thought it
    unlikely, could have an r of e^30; Adam's second moments would take thousands of steps to forget it.

    Source: Schulman et al. 2017, arXiv:1707.06347, eq. 7; the bound: Ye et al. 2020,
    arXiv:1912.09729, sec. "Dual-clip PPO".
    """
    ratio = (log_prob - old_log_prob).clamp(max=math.log(3)).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def moving_average(average: float | None, value: float, decay: float) -> float:
    """``decay * average + (1 - decay) * value``; ``value`` if there is no average yet."""
    return value if average is None else decay * average + (1 - decay) * value
