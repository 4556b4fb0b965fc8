"""A Gaussian process over the decisions of a network: what each trial says about all other networks.

N: networks told, M: networks asked about, F: features, G: groups of features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from controllers.features import Matrix

JITTER = 1e-6
"""The least noise, as a share of the targets' variance, for a stable Cholesky factor."""

STUDIED = 300
"""The most networks that the hyperparameters are learned from."""
REVISED = 1.1
"""The hyperparameters are learned again when the number of networks has grown by this factor."""
FIRST = 100
"""The most networks for learning the first time; later times may use twice as many as the time before.
So if hundreds are told at once, no single ask has to learn from them all, starting from the priors."""
STEPS = 20
"""L-BFGS's, each time that the hyperparameters are learned."""

Predict = Callable[[Matrix], tuple[Matrix, Matrix]]
"""Features `[M, F]` -> mean and deviation `[M]`."""

PARTS = 3
"""Parts of the kernel besides its constant: additive, pairwise and RBF."""


class Prior(NamedTuple):
    """A normal prior for the logarithm of a hyperparameter: mean and standard deviation."""

    mean: float
    deviation: float


SCALE = Prior(0.0, 0.7)
WEIGHT = Prior(math.log(0.3), 1.5)
NOISE = Prior(math.log(0.05), 1.5)


def kernel(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """1 + w_1 s + w_2 s^2 + w_3 exp(-r^2 / 2): constant, additive, pairwise and RBF parts, `[N, M]`.

    s is the product of two networks' features and r their distance. s^2, the square of a sum over
    decisions, is a sum over pairs of decisions.

    Args:
        a: scaled features `[N, F]`.
        b: likewise, `[M, F]`.
        weights: w, `[3]`.
    """
    product = a @ b.T
    distance = ((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * product).clamp_min(0)
    additive, pairwise, rbf = weights.unbind()
    return 1 + additive * product + pairwise * product**2 + rbf * (-distance / 2).exp()


def kernel_with_itself(a: Tensor, weights: Tensor) -> Tensor:
    """The diagonal of ``kernel(a, a, weights)``, `[N]`."""
    product = (a * a).sum(1)
    additive, pairwise, rbf = weights.unbind()
    return 1 + additive * product + pairwise * product**2 + rbf


class GaussianProcess:
    """Predicts targets with their uncertainty; the hyperparameters maximise their posterior.

    ``theta`` holds their logarithms: the scale of every group, the weights of the kernel's parts and the
    variance of the noise. The targets are standardised. Nothing is random.

    Args:
        groups: the group of every feature, `[F]`, from 0.

    Source: Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, ch. 2 and 5.
    """

    def __init__(self, groups: NDArray[np.int64]) -> None:
        self._groups = torch.tensor(groups)
        self._count = int(groups.max()) + 1
        priors = [SCALE] * self._count + [WEIGHT] * PARTS + [NOISE]
        self._mean = torch.tensor([prior.mean for prior in priors], dtype=torch.float64)
        self._deviation = torch.tensor([prior.deviation for prior in priors], dtype=torch.float64)
        self.theta: Matrix = self._mean.numpy().copy()
        self.learned_from = 0

    def learn(self, features: Matrix, targets: Matrix) -> None:
        """Improves the present hyperparameters, if enough networks were told since the last time."""
        if len(features) < REVISED * self.learned_from:
            return
        self.learned_from = min(len(features), max(FIRST, 2 * self.learned_from))
        kept = spread(targets, min(STUDIED, self.learned_from))
        x, y = torch.tensor(features[kept]), torch.tensor(standardised(targets[kept])[0])

        def value(theta: Matrix) -> tuple[float, Matrix]:
            wanted = torch.tensor(theta, requires_grad=True)
            loss = self._loss(wanted, x, y)
            (gradient,) = torch.autograd.grad(loss, wanted)
            return loss.item(), gradient.numpy()

        low, high = self._mean - 5 * self._deviation, self._mean + 5 * self._deviation
        bounds = list(zip(low.tolist(), high.tolist(), strict=True))
        options = {"maxiter": STEPS}
        found = minimize(value, self.theta, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        self.theta = found.x

    def _loss(self, theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """-log p(targets, theta), up to a constant."""
        factor = self._factor(self._scaled(x, theta), theta)
        solved = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
        prior = (((theta - self._mean) / self._deviation) ** 2).sum() / 2
        loss: Tensor = (solved**2).sum() / 2 + factor.diagonal().log().sum() + prior
        return loss

    def _scaled(self, x: Tensor, theta: Tensor) -> Tensor:
        return x * theta[: self._count].exp()[self._groups] / math.sqrt(self._count)

    def _weights(self, theta: Tensor) -> Tensor:
        return theta[self._count : -1].exp()

    def _factor(self, scaled: Tensor, theta: Tensor) -> Tensor:
        """Cholesky factor of the covariance with noise; with more noise if rounding makes it indefinite."""
        covariance = kernel(scaled, scaled, self._weights(theta))
        noise, most = theta[-1].exp() + JITTER, covariance.diagonal().max().detach()
        factor = covariance
        for more in (0.0, 1e-12, 1e-10, 1e-8, 1e-6):
            diagonal = (noise + more * most) * torch.eye(len(scaled), dtype=scaled.dtype)
            factor, failed = torch.linalg.cholesky_ex(covariance + diagonal)
            if not failed:
                break
        return factor

    def state_dict(self) -> dict[str, Any]:
        """What was learned: plain values and arrays."""
        return {"theta": self.theta.copy(), "learned_from": self.learned_from}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict``."""
        self.theta, self.learned_from = np.array(state["theta"], np.float64), state["learned_from"]

    def condition(self, features: Matrix, targets: Matrix) -> Predict:
        """Features `[M, F]` -> mean and deviation `[M]` of their noiseless targets, given these `[N]`."""
        theta = torch.tensor(self.theta)
        x, weights = self._scaled(torch.tensor(features), theta), self._weights(theta)
        standard, mean, deviation = standardised(targets)
        identity = torch.eye(len(x), dtype=x.dtype)
        inverse = torch.linalg.solve_triangular(self._factor(x, theta), identity, upper=False)  # [N, N]
        solved = inverse.T @ (inverse @ torch.tensor(standard))  # [N]

        def predict(asked: Matrix) -> tuple[Matrix, Matrix]:
            z = self._scaled(torch.tensor(asked), theta)
            between = kernel(z, x, weights)  # [M, N]
            variance = kernel_with_itself(z, weights) - ((between @ inverse.T) ** 2).sum(1)
            spread = variance.clamp_min(1e-12).sqrt()
            return mean + deviation * (between @ solved).numpy(), deviation * spread.numpy()

        return predict


def standardised(targets: Matrix) -> tuple[Matrix, float, float]:
    """Targets of zero mean and unit variance, and their mean and deviation; equal ones become zeros."""
    mean, deviation = float(targets.mean()), float(targets.std())
    deviation = deviation if deviation > 1e-12 else 1.0
    return (targets - mean) / deviation, mean, deviation


def spread(values: Matrix, limit: int) -> NDArray[np.int64]:
    """Indices of all values, or of ``limit``: half are the highest, half an even sample of the others."""
    if len(values) <= limit:
        return np.arange(len(values))
    order = np.argsort(-values, kind="stable")
    half = limit // 2
    others = half + np.arange(limit - half) * (len(values) - half) // (limit - half)
    return np.sort(np.concatenate([order[:half], order[others]]))
