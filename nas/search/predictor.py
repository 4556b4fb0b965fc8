"""``predictor:FILE``: a regression on a table, which predicts any network of the space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.errors import InputError
from nas.search.measures import Measures
from nas.search.tables import read_with_costs
from nas.spec.trial import Epoch, Trial
from search_spaces import ArchSpec, SearchSpace, cost
from search_spaces.cost_table import CostTable

FEWEST = 20
"""Rows that a regression needs."""


class Predictor:
    """Ridge regression on decisions, pairs of decisions and log costs, fitted on a table.

    An accuracy is mostly the sum of what each choice contributes, and pairs of choices explain most of the
    rest: on Accel-NASBench this ranks better than gradient-boosted trees and is faster (LOG.md). If the space
    has no stages, as in a scaling run, depth, width and resolution replace the decisions, and the table may
    hold any networks. Of the columns ``measures``, logarithms are predicted likewise,
    or from the decisions without their pairs, whichever ranks better.

    Attributes:
        kendall_tau: between predicted and measured accuracies, by 5-fold cross-validation.
        tau_of: the same of each of ``measures``.

    Raises:
        InputError: as ``Table``, or if the table has fewer than 20 rows.
    """

    def __init__(self, file: Path, space: SearchSpace, measures: Sequence[str] = ()) -> None:
        from scipy.stats import kendalltau
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import KFold, cross_val_predict

        archs, accuracies, costs = read_with_costs(file, space, measures)
        if len(archs) < FEWEST:
            raise InputError(
                f"evaluator predictor needs a table of at least {FEWEST} rows, got {len(archs)}: {file}"
            )
        self.file, self.space, self.rows = file, space, len(archs)
        self.costs = CostTable(space) if space.slots else None
        try:
            singles = self.singles(archs)
        except ValueError as error:
            raise InputError(f"evaluator predictor needs a table of its space: {error}: {file}") from None
        self.mean, self.scale = singles.mean(axis=0), singles.std(axis=0) + 1e-9  # constant features become 0
        features = self.pairs(singles)
        folds = KFold(5, shuffle=True, random_state=0)
        predicted = cross_val_predict(Ridge(), features, accuracies, cv=folds)
        self.kendall_tau = float(kendalltau(predicted, accuracies).statistic)
        model = Ridge().fit(features, accuracies)
        self.weights, self.bias = model.coef_, float(model.intercept_)
        self.regressions: dict[str, tuple[NDArray[np.float64], float]] = {}
        """By name: weights and bias for a cost's logarithm."""
        self.tau_of: dict[str, float] = {}
        for name, known in costs.items():
            if len(known) < FEWEST:
                raise InputError(
                    f"evaluator predictor needs {FEWEST} rows with {name}, got {len(known)}: {file}"
                )
            features = self.pairs(self.singles([*known]))
            logs = np.log([*known.values()])
            # Of few networks, pairs of decisions are not learned: then their single effects are better.
            taus = {
                width: kendalltau(cross_val_predict(Ridge(), features[:, :width], logs, cv=folds), logs)[0]
                for width in (singles.shape[1], features.shape[1])
            }
            width = max(taus, key=lambda width: taus[width])
            self.tau_of[name] = float(taus[width])
            model = Ridge().fit(features[:, :width], logs)
            self.regressions[name] = model.coef_, float(model.intercept_)

    @property
    def measures(self) -> Measures:
        """The costs, predicted for any network."""
        return {name: Predicted(self, *regression) for name, regression in self.regressions.items()}

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """One epoch, with the predicted accuracy."""
        features = self.pairs(self.singles([trial.arch]))
        accuracy = self.bias + float((features @ self.weights)[0])
        yield Epoch(1, None, None, min(max(accuracy, 0.0), 1.0), 0.0)

    def singles(self, archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
        """Features `[N, F]` of N networks: one-hot decisions, or log sizes, and log costs."""
        if self.costs is None:
            sizes = [(*_sizes(arch), *cost(arch, self.space.num_classes)) for arch in archs]
            return np.log(np.array(sizes, np.float64))
        return self.singles_of(np.array([self.space.encode(arch) for arch in archs]))

    def singles_of(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """The same from actions `[N, D]`, without their networks."""
        assert self.costs is not None
        choices = [len(decision.choices) for decision in self.space.decisions]
        # The first choice of each decision is the baseline, without a column.
        one_hot = [actions[:, [d]] == np.arange(1, n) for d, n in enumerate(choices)]
        return np.concatenate([*one_hot, np.log(self.costs(actions))], axis=1)

    def pairs(self, singles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised ``singles`` `[N, F]` and all their products, squares included: `[N, F + F(F+1)/2]`."""
        standard = (singles - self.mean) / self.scale
        rows, columns = np.triu_indices(standard.shape[1])
        return np.concatenate([standard, standard[:, rows] * standard[:, columns]], axis=1)


@dataclass(frozen=True)
class Predicted:
    """A cost, predicted by a regression of its logarithm; also a measure of actions, which is faster.

    Args:
        weights: of the first features: of all, or of those without pairs.
    """

    predictor: Predictor
    weights: NDArray[np.float64]
    bias: float

    def __call__(self, archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
        return self._of(self.predictor.singles(archs))

    def of_actions(self, actions: NDArray[np.int64]) -> NDArray[np.float64]:
        """The cost of actions `[N, D]`."""
        if self.predictor.costs is None:
            decode = self.predictor.space.decode
            return self([decode(tuple(row)) for row in actions.tolist()])
        return self._of(self.predictor.singles_of(actions))

    def _of(self, singles: NDArray[np.float64]) -> NDArray[np.float64]:
        features = self.predictor.pairs(singles)[:, : len(self.weights)]
        return np.asarray(np.exp(self.bias + features @ self.weights))


def _sizes(arch: ArchSpec) -> tuple[int, float, int]:
    """Layers, mean channels of a layer, and resolution."""
    layers = arch.layers()
    return len(layers), sum(layer.channels for layer in layers) / len(layers), arch.resolution
