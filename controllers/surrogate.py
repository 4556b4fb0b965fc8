"""What the trials so far say about the reward of any network, and where the next trial may gain most.

N: networks, D: decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtri

from controllers.controller import Measure, Objective, Price
from controllers.expected import log_expected_improvement
from controllers.features import Features, Matrix, Networks, random_networks
from controllers.front import Gain, front_gain, on_front, usual_budgets
from controllers.gaussian_process import GaussianProcess, Predict, spread
from search_spaces import Actions, SearchSpace

Score = Callable[[Networks], Matrix]
"""Networks `[N, D]` -> how promising each is, `[N]`."""
Measured = Mapping[Actions, Mapping[str, float]]
"""Costs that are known only from trials: of each network, by name."""

USUAL = 512
"""Random networks that set the range of budgets."""
DRAWS = 5
"""Draws of costs that have to be learned, equally likely, over which a gain is averaged."""
REMEMBERED = 400
"""The most trials that the model is conditioned on; ``spread`` chooses them."""
FAILED = 100
"""The most failed trials, the latest, that the model is conditioned on."""
FAR = 10.0
"""Lower accuracies are raised to this many deviations (by the median absolute deviation) below the median:
a network that did not train shows that it is bad, but not how bad."""


class Surrogate:
    """Gaussian processes: of accuracy, or of the reward if objective or costs are unknown, and of some costs.

    Args:
        space: whose networks are modelled.
        objective: (accuracy, flops) -> reward. Used if linear and increasing in accuracy. With ``measures``:
            accuracies `[N]` and costs `[N]` by name -> rewards `[N]`.
        price: actions -> their exact cost.
        measures: further costs, by name. Those that are None are learned from trials, as logarithms.
        front: costs for whose budgets, all of them at once, accuracy is sought; rewards are then accuracies.
    """

    def __init__(
        self,
        space: SearchSpace,
        objective: Objective | None,
        price: Price | None,
        measures: Mapping[str, Measure | None] = MappingProxyType({}),
        front: Sequence[str] = (),
    ) -> None:
        self._features = Features(space, price)
        self._names = tuple(front) or ("flops", *measures)  # K costs
        self._measures = dict(measures)
        self._front = bool(front)
        self._objective = objective if price and not front else None
        some = random_networks(self._features.choices, 16)
        if not self._straight(np.nan_to_num(self._costs(some, self._features(some)[1]), nan=1.0)):
            self._objective = None
        self._accuracy = GaussianProcess(self._features.groups)
        self._success = GaussianProcess(self._features.groups)
        self._learned = {
            name: GaussianProcess(self._features.groups)
            for name in self._names
            if name != "flops" and measures[name] is None
        }

    def _costs(self, networks: Networks, flops: Matrix) -> Matrix:
        """The costs that count, `[N, K]`; NaN for those that are not known before a trial."""
        columns = []
        for name in self._names:
            measure = None if name == "flops" else self._measures[name]
            known = flops if name == "flops" else None if measure is None else measure(networks)
            columns.append(np.full(len(networks), np.nan) if known is None else np.asarray(known, float))
        return np.stack(columns, axis=1)

    def _rewards(self, accuracy: float, costs: Matrix) -> Matrix:
        """The rewards `[N]` of ``accuracy`` at costs `[N, K]`."""
        assert self._objective is not None
        if self._measures:
            named = dict(zip(self._names, costs.T, strict=True))
            return np.asarray(self._objective(np.full(len(costs), accuracy), named))
        return np.array([self._objective(accuracy, flops) for flops in costs[:, 0].tolist()])

    def _straight(self, costs: Matrix) -> bool:
        if self._objective is None:
            return True
        try:
            intercept, slope = self._line(costs)
            middle = self._rewards(0.5, costs)
        except (ValueError, ArithmeticError):
            return False
        return bool((slope > 0).all() and np.allclose(middle, intercept + slope / 2, rtol=1e-9, atol=0))

    def _line(self, costs: Matrix) -> tuple[Matrix, Matrix]:
        """Reward = intercept + slope * accuracy: both `[N]`, for networks of costs `[N, K]`."""
        if self._objective is None:
            return np.zeros(len(costs)), np.ones(len(costs))
        at_0, at_1 = self._rewards(0.0, costs), self._rewards(1.0, costs)
        return at_0, at_1 - at_0

    def improvement(
        self,
        told: Sequence[tuple[Actions, float]],
        pending: Sequence[Actions],
        failed: Sequence[Actions],
        measured: Measured = MappingProxyType({}),
    ) -> Score:
        """The logarithm of each network's expected improvement (EI) on the highest reward, or the front.

        With noise, that reward is higher than any that the model predicts, which keeps the search from
        settling early. Pending trials are assumed to end as predicted. EI is weighted by the chance that the
        trial does not fail, so little is expected where trials fail repeatedly (from lack of memory, say).
        Where a cost has to be learned, EI is the mean over draws of it.

        Source: Jones et al. 1998; Ament et al. 2023, arXiv:2310.20708, sec. 4.1 (the logarithm);
        Ginsbourger et al. 2010 (beliefs); Gelbart et al. 2014, arXiv:1403.5607 (failures).
        """
        networks = np.array([actions for actions, _ in told], np.int64)
        rewards = np.array([reward for _, reward in told])
        kept = spread(rewards, REMEMBERED)
        networks, rewards = networks[kept], rewards[kept]
        features, flops = self._features(networks)
        costs, forecasts = self._observed(networks, features, self._costs(networks, flops), measured)
        intercept, slope = self._line(costs)
        accuracies = without_outliers((rewards - intercept) / slope)
        self._accuracy.learn(features, accuracies)
        predict = self._accuracy.condition(features, accuracies)
        if pending:
            waiting = np.array(pending, np.int64)
            ahead, flops = self._features(waiting)
            believed = np.concatenate([accuracies, predict(ahead)[0]])
            predict = self._accuracy.condition(np.concatenate([features, ahead]), believed)
        log_success = self._log_success(features, failed)
        gain = self._gain(rewards)
        if self._front:
            if pending:
                costs = np.concatenate([costs, self._expected(waiting, ahead, flops, forecasts)])
                accuracies = believed
            usual = random_networks(self._features.choices, USUAL)
            encoded, flops = self._features(usual)
            usual_costs = self._expected(usual, encoded, flops, forecasts)
            budgets = usual_budgets(usual_costs, len(told) + len(pending))
            gain = front_gain(costs, accuracies, budgets)

        def score(candidates: Networks) -> Matrix:
            encoded, flops = self._features(candidates)
            mean, deviation = predict(encoded)
            drawn = self._drawn(self._costs(candidates, flops), encoded, forecasts)
            gains = [gain(mean, deviation, costs) for costs in drawn]
            total = gains[0] if len(gains) == 1 else logsumexp(gains, axis=0) - np.log(len(gains))
            return np.asarray(np.where(np.isnan(total), -np.inf, total) + log_success(encoded))

        return score

    def _gain(self, rewards: Matrix) -> Gain:
        best = float(rewards.max())

        def gain(mean: Matrix, deviation: Matrix, costs: Matrix) -> Matrix:
            intercept, slope = self._line(costs)
            return log_expected_improvement(intercept + slope * mean - best, slope * deviation)

        return gain

    def leading(self, told: Sequence[tuple[Actions, float]], count: int, measured: Measured) -> Networks:
        """``count`` networks of those told to search around: the best, or some of the front, in turns."""
        ordered = sorted(told, key=lambda result: -result[1])
        if self._front:
            networks = np.array([actions for actions, _ in ordered], np.int64)
            features, flops = self._features(networks)
            costs, _ = self._observed(networks, features, self._costs(networks, flops), measured)
            front = np.flatnonzero(on_front(costs, np.array([accuracy for _, accuracy in ordered])))
            stride = max(1, len(front) // count)
            return networks[front[len(told) % stride :: stride][:count]]
        return np.array([actions for actions, _ in ordered[:count]])

    def _observed(
        self, networks: Networks, features: Matrix, costs: Matrix, measured: Measured
    ) -> tuple[Matrix, dict[str, Predict]]:
        """``costs`` with those that trials have measured, and a forecast of each such cost's logarithm."""
        forecasts = {}
        for column, name in enumerate(self._names):
            if name not in self._learned:
                continue
            values = [measured.get(tuple(actions), {}).get(name, np.nan) for actions in networks.tolist()]
            found = np.array(values)
            known = np.isfinite(found) & (found > 0)
            if known.any():
                logs = np.log(found[known])
                self._learned[name].learn(features[known], logs)
                forecasts[name] = self._learned[name].condition(features[known], logs)
                found[~known] = np.exp(forecasts[name](features[~known])[0]) if not known.all() else 1.0
            else:
                found[:] = 1.0
            costs[:, column] = found
        return costs, forecasts

    def _expected(
        self, networks: Networks, features: Matrix, flops: Matrix, forecasts: Mapping[str, Predict]
    ) -> Matrix:
        """The costs `[N, K]`, those that have to be learned as forecast."""
        costs = self._costs(networks, flops)
        for name in self._learned:
            logs = forecasts[name](features)[0] if name in forecasts else np.zeros(len(networks))
            costs[:, self._names.index(name)] = np.exp(logs)
        return costs

    def _drawn(self, costs: Matrix, features: Matrix, forecasts: Mapping[str, Predict]) -> list[Matrix]:
        """``costs`` `[N, K]`, or several equally likely ones if some have to be learned."""
        if not self._learned:
            return [costs]
        draws = [costs.copy() for _ in range(DRAWS)]
        steps = ndtri((np.arange(DRAWS) + 0.5) / DRAWS)
        for number, name in enumerate(self._learned):
            mean, deviation = forecasts[name](features) if name in forecasts else (np.zeros(len(costs)),) * 2
            # Each cost takes the quantiles in another order, as if they were drawn independently.
            for drawn, step in zip(draws, steps[(np.arange(DRAWS) * (number + 1)) % DRAWS], strict=True):
                drawn[:, self._names.index(name)] = np.exp(mean + step * deviation)
        return draws

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
        learned = {name: process.state_dict() for name, process in self._learned.items()}
        known = {"accuracy": self._accuracy.state_dict(), "success": self._success.state_dict()}
        return {**known, "costs": learned} if learned else known

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        self._accuracy.load_state_dict(state["accuracy"])
        self._success.load_state_dict(state["success"])
        for name, process in self._learned.items():
            process.load_state_dict(state["costs"][name])


def without_outliers(values: Matrix) -> Matrix:
    """``values`` with those far below the median raised, see ``FAR``."""
    median = np.median(values)
    deviation = 1.4826 * np.median(np.abs(values - median))
    return np.maximum(values, median - FAR * deviation) if deviation else values
