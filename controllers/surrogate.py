"""What the trials so far say about the reward of any network, and where the next trial may gain most.

N: networks, D: decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr

from controllers.controller import Objective, Price
from controllers.features import Features, Matrix, Networks, random_networks
from controllers.gaussian_process import GaussianProcess, spread
from search_spaces import Actions, SearchSpace

Score = Callable[[Networks], Matrix]
"""Networks `[N, D]` -> how promising each is, `[N]`."""

REMEMBERED = 400
"""The most trials that the model is conditioned on; ``spread`` chooses them."""
FAILED = 100
"""The most failed trials, the latest, that the model is conditioned on."""
FAR = 10.0
"""Lower accuracies are raised to this many deviations (by the median absolute deviation) below the median:
a network that did not train shows that it is bad, but not how bad."""


class Surrogate:
    """A Gaussian process of accuracy, or of the reward if the objective or the costs are unknown.

    Args:
        space: whose networks are modelled.
        objective: (accuracy, flops) -> reward. Used if linear and increasing in accuracy.
        price: actions -> their exact cost.
    """

    def __init__(self, space: SearchSpace, objective: Objective | None, price: Price | None) -> None:
        self._features = Features(space, price)
        self._objective = objective if price else None
        if not self._straight(self._features(random_networks(self._features.choices, 16))[1]):
            self._objective = None
        self._accuracy = GaussianProcess(self._features.groups)
        self._success = GaussianProcess(self._features.groups)

    def _straight(self, flops: Matrix) -> bool:
        if self._objective is None:
            return True
        try:
            intercept, slope = self._line(flops)
            middle = np.array([self._objective(0.5, f) for f in flops.tolist()])
        except (ValueError, ArithmeticError):
            return False
        return bool((slope > 0).all() and np.allclose(middle, intercept + slope / 2, rtol=1e-9, atol=0))

    def _line(self, flops: Matrix) -> tuple[Matrix, Matrix]:
        """Reward = intercept + slope * accuracy: both `[N]`, for networks of these FLOPs."""
        if self._objective is None:
            return np.zeros(len(flops)), np.ones(len(flops))
        at_0 = np.array([self._objective(0.0, f) for f in flops.tolist()])
        at_1 = np.array([self._objective(1.0, f) for f in flops.tolist()])
        return at_0, at_1 - at_0

    def improvement(
        self, told: Sequence[tuple[Actions, float]], pending: Sequence[Actions], failed: Sequence[Actions]
    ) -> Score:
        """The logarithm of each network's expected improvement (EI) on the highest reward told.

        With noise, that reward is higher than any that the model predicts, which keeps the search from
        settling early. Pending trials are assumed to end as predicted. EI is weighted by the chance that the
        trial does not fail, so little is expected where trials fail repeatedly (from lack of memory, say).

        Source: Jones et al. 1998; Ament et al. 2023, arXiv:2310.20708, sec. 4.1 (the logarithm);
        Ginsbourger et al. 2010 (beliefs); Gelbart et al. 2014, arXiv:1403.5607 (failures).
        """
        networks = np.array([actions for actions, _ in told], np.int64)
        rewards = np.array([reward for _, reward in told])
        kept = spread(rewards, REMEMBERED)
        networks, rewards = networks[kept], rewards[kept]
        features, flops = self._features(networks)
        intercept, slope = self._line(flops)
        accuracies = without_outliers((rewards - intercept) / slope)
        self._accuracy.learn(features, accuracies)
        predict = self._accuracy.condition(features, accuracies)
        best = float(rewards.max())
        if pending:
            ahead, _ = self._features(np.array(pending, np.int64))
            believed = np.concatenate([accuracies, predict(ahead)[0]])
            predict = self._accuracy.condition(np.concatenate([features, ahead]), believed)
        log_success = self._log_success(features, failed)

        def score(candidates: Networks) -> Matrix:
            encoded, flops = self._features(candidates)
            mean, deviation = predict(encoded)
            intercept, slope = self._line(flops)
            gain = log_expected_improvement(intercept + slope * mean - best, slope * deviation)
            return gain + log_success(encoded)

        return score

    def _log_success(self, done: Matrix, failed: Sequence[Actions]) -> Callable[[Matrix], Matrix]:
        """Features -> log probability that a trial does not fail: that a regression predicts below 1/2.

        Failures are labelled 1 and the others 0, so that ``spread`` keeps a few failures among hundreds.
        """
        if not failed:
            return lambda encoded: np.zeros(len(encoded))
        lost, _ = self._features(np.array(failed[-FAILED:], np.int64))
        labels = np.concatenate([np.zeros(len(done)), np.ones(len(lost))])
        both = np.concatenate([done, lost])
        self._success.learn(both, labels)
        predict = self._success.condition(both, labels)

        def predicted(encoded: Matrix) -> Matrix:
            mean, deviation = predict(encoded)
            return np.asarray(log_ndtr((0.5 - mean) / deviation))

        return predicted

    def state_dict(self) -> dict[str, Any]:
        """What was learned: plain values and arrays."""
        return {"accuracy": self._accuracy.state_dict(), "success": self._success.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        self._accuracy.load_state_dict(state["accuracy"])
        self._success.load_state_dict(state["success"])


def log_expected_improvement(gain: Matrix, deviation: Matrix) -> Matrix:
    """log E[max(g, 0)] of a normal g with mean ``gain``, also where that expectation underflows.

    It is log(deviation) + log h(z) with h(z) = phi(z) + z Phi(z) and z = gain / deviation. Where the two
    terms of h cancel, h is phi(z) (1 + z Phi(z) / phi(z)); far out, where that cancels too, phi(z) / z^2.
    """
    z = gain / deviation
    near, middle, far = np.maximum(z, -1.0), np.clip(z, -30.0, -1.0), np.minimum(z, -30.0)
    ratio = np.exp(log_ndtr(middle) - _log_density(middle))
    log_h = np.where(
        z > -1,
        np.log(np.exp(_log_density(near)) + near * ndtr(near)),
        _log_density(z) + np.where(z > -30, np.log1p(middle * ratio), -2 * np.log(-far)),
    )
    return np.asarray(np.log(deviation) + log_h)


def _log_density(z: Matrix) -> Matrix:
    return np.asarray(-(z**2) / 2 - np.log(2 * np.pi) / 2)


def without_outliers(values: Matrix) -> Matrix:
    """``values`` with those far below the median raised, see ``FAR``."""
    median = np.median(values)
    deviation = 1.4826 * np.median(np.abs(values - median))
    return np.maximum(values, median - FAR * deviation) if deviation else values
