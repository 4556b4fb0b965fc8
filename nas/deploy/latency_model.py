"""``predictor:FILE``: latencies of all networks of a space, by a ridge regression on a few measured ones.

A network runs layer by layer, so its latency is nearly a sum over its layers. What a layer adds depends on
its stage, on its design (operation, expansion, kernel, SE), on whether it is the stage's first, and on how
much it computes: multiply-adds of each kind of convolution, elements that pass through activations, SE and
additions.

Source: Cai et al. 2019, arXiv:1812.00332, sec. 3.3 (latency as a sum over layers); LOG.md has the figures.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from nas.deploy.device import Array, Device
from nas.deploy.latency_features import HEAD, Features, group_of, stage_features
from nas.errors import InputError
from nas.files import exists, is_directory, is_file, read_json, write_json
from search_spaces import SPACES, ArchSpec, SearchSpace
from search_spaces.arch import StageSpec
from search_spaces.cost_table import CostTable, StageTable
from search_spaces.names import unknown
from search_spaces.rules import read_json as read_settings
from search_spaces.rules import validated

ALPHAS = np.logspace(-3, 3, 13)
SHARES = [
    {"network": 1.0, "stage": stage, "choice": choice, "design": design}
    for stage, choice, design in itertools.product((0.1, 0.3), (0.03, 0.1), (0.0, 0.1))
]
"""What standardised features are multiplied by, by group: a tenth is penalised a hundred times as much.

First the whole network's amounts explain the latency, then single stages correct that (LOG.md).
"""
FOLDS = 10
LEAST_NETWORKS = 20
LEAST_MILLISECONDS = 1e-3
"""A sum of coefficients could be negative, a latency cannot."""
GOOD_TAU, GOOD_SHARE = 0.95, 0.9
WITHIN = 0.1

Fraction = Annotated[float, Field(ge=0, le=1)]
Correlation = Annotated[float, Field(ge=-1, le=1)]
Milliseconds = Annotated[float, Field(gt=0)]


@validated
class HeldOut:
    """How well networks are predicted that were not used to fit: by 10-fold cross-validation.

    Args:
        tau: Kendall's tau between predicted and measured latencies.
        within: the share of networks whose prediction is within 10 % of the measurement.
        error: the median of the relative errors, without their signs.
        flops_tau: the tau of FLOPs alone.
    """

    tau: Correlation
    within: Fraction
    error: Annotated[float, Field(ge=0)]
    flops_tau: Correlation

    @property
    def good(self) -> bool:
        """Whether a search can trust the predictions."""
        return self.tau >= GOOD_TAU and self.within >= GOOD_SHARE

    def verdict(self) -> str:
        """One sentence for the user."""
        figures = f"tau {self.tau:.3f}, {100 * self.within:.0f} % within 10 %"
        wanted = f"tau {GOOD_TAU} and {100 * GOOD_SHARE:.0f} % are enough"
        if self.good:
            return f"Good enough to search on: {figures}, where {wanted}."
        return f"Not good enough to search on: {figures}, where {wanted}; measure more networks."


@validated
class LatencyModel:
    """A fitted regression and where it comes from; the content of the file.

    Args:
        device, space, resolution, threads, batch, classes: what was measured; resolution in pixels.
        networks: how many.
        reference: the network that ran in between, as text; empty for none.
        reference_milliseconds: its median over all measurements, by which ratios are scaled; 0 if none.
        steady: whether these are ``Measurement.steady_ratio``; those of older models are ``ratio``.
        versions: of what the latencies depend on.
        alpha: of the ridge regression, chosen by cross-validation.
        intercept, coefficients: milliseconds, and milliseconds per unit of each feature.
    """

    device: str
    space: str
    resolution: int
    threads: int
    batch: int
    classes: int
    networks: int
    reference: str
    reference_milliseconds: Annotated[float, Field(ge=0)]
    versions: dict[str, str]
    held_out: HeldOut
    alpha: float
    intercept: float
    coefficients: dict[str, float]
    steady: bool = False


class Predictor(Device):
    """A fitted model of a device; importing and using it needs neither torch nor scikit-learn.

    Raises:
        InputError: if the file is missing or damaged, or the space is not known.
    """

    predicts = True

    def __init__(self, file: Path, space: SearchSpace | None = None) -> None:
        super().__init__(f"predictor:{file}")
        self.model = read_model(file)
        if space is None or space.name != self.model.space:
            if self.model.space not in SPACES:
                raise InputError(f"device predictor: {unknown('space', self.model.space, SPACES)}: {file}")
            space = SPACES[self.model.space]
        self.space = space = space.at(self.model.resolution, self.model.classes)
        weights = self.model.coefficients

        def stage(slot: int, spec: StageSpec, in_channels: int, size: int) -> list[float]:
            features = stage_features(slot, spec, in_channels, size)
            return [sum(weights.get(name, 0.0) * value for name, value in features.items())]

        def head(in_channels: int, _size: int) -> list[float]:
            return [weights.get(HEAD, 0.0) * in_channels]

        self.table = StageTable(space, np.array([self.model.intercept]), stage, head)

    def predict(self, archs: Sequence[ArchSpec]) -> Array:
        if not archs:
            return np.zeros(0)
        try:
            actions = [self.space.encode(arch) for arch in archs]
        except ValueError as error:
            at = f"at {self.model.resolution} px"
            raise InputError(
                f"device predictor knows the networks of its space {at} alone: {error}"
            ) from None
        return self.predict_actions(actions)

    def predict_actions(self, actions: ArrayLike) -> Array:
        """Latencies `[N]` in milliseconds of ``actions`` `[N, D]`; ValueError as ``StageTable``."""
        return np.maximum(self.table(actions)[:, 0], LEAST_MILLISECONDS)


def fit(features: Array, names: Sequence[str], milliseconds: Array) -> tuple[float, float, Array]:
    """Ridge regression: alpha, intercept, and coefficients `[F]` of the features as they are given.

    Squared relative errors are minimised: noise is a share of the latency. The penalty, and what it is for
    each group of features, are chosen by leave-one-out cross-validation.

    Args:
        features: `[N, F]`.
        names: of the features.
        milliseconds: `[N]`.
    """
    from sklearn.linear_model import RidgeCV

    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale[scale < 1e-9 * np.abs(mean) + 1e-12] = np.inf  # what all networks share tells nothing
    groups = [group_of(name) for name in names]
    fits = []
    counts = (milliseconds.mean() / milliseconds) ** 2  # [N]
    for shares in SHARES:
        share = np.array([shares[group] for group in groups])  # [F]
        standard = (features - mean) / scale * share
        model = RidgeCV(ALPHAS).fit(standard, milliseconds, sample_weight=counts)
        fits.append((float(model.best_score_), model, share))
    _, model, share = max(fits, key=lambda one: one[0])
    coefficients = np.asarray(model.coef_ * share / scale, np.float64)
    return float(model.alpha_), float(model.intercept_ - mean @ coefficients), coefficients


def judge(predicted: Array, measured: Array, flops: Array) -> HeldOut:
    """How well latencies `[N]` are predicted, beside FLOPs `[N]`."""
    from reports.kendall import taus

    once = np.ones((1, len(measured)))
    errors = np.abs(predicted / measured - 1)
    return HeldOut(
        tau=float(taus(predicted, measured, once)[0]),
        within=float((errors <= WITHIN).mean()),
        error=float(np.median(errors)),
        flops_tau=float(taus(flops, measured, once)[0]),
    )


def fit_model(
    space: SearchSpace, archs: Sequence[ArchSpec], milliseconds: ArrayLike, facts: dict[str, Any]
) -> LatencyModel:
    """Fits latencies of networks of ``space``, and judges the fit on networks that were left out.

    Args:
        facts: the other fields of ``LatencyModel``.

    Raises:
        InputError: if there are fewer than 20 networks, or the space is not one of stages.
    """
    from sklearn.model_selection import KFold

    measured = np.asarray(milliseconds, np.float64)  # [N]
    if len(measured) < LEAST_NETWORKS:
        raise InputError(f"networks must be at least {LEAST_NETWORKS} to fit, got {len(measured)}")
    make = Features(space)
    actions = np.array([space.encode(arch) for arch in archs])  # [N, D]
    features = make(actions)  # [N, F]
    predicted = np.zeros(len(measured))
    for rest, out in KFold(FOLDS, shuffle=True, random_state=0).split(features):
        _, intercept, weights = fit(features[rest], make.names, measured[rest])
        predicted[out] = intercept + features[out] @ weights
    alpha, intercept, weights = fit(features, make.names, measured)
    return LatencyModel(
        space=space.name,
        resolution=space.resolution,
        networks=len(measured),
        held_out=judge(predicted, measured, CostTable(space)(actions)[:, 0].astype(float)),
        alpha=alpha,
        intercept=intercept,
        coefficients={name: float(one) for name, one in zip(make.names, weights, strict=True) if one},
        **facts,
    )


def refuse_file(file: Path) -> None:
    """InputError if a model cannot be written there, or would replace something else."""
    if not is_directory(file.parent):
        raise InputError(f"fit must be a file in a directory that exists, got {file}")
    if exists(file):
        try:
            read_model(file)
        except InputError:
            raise InputError(f"fit must be a new file, or one of nas measure --fit, got {file}") from None


def write_model(file: Path, model: LatencyModel) -> None:
    """Writes the file. Errors as ``nas.files.replace``."""
    write_json(file, dataclasses.asdict(model))


def read_model(file: Path) -> LatencyModel:
    """The model in a file.

    Raises:
        InputError: if there is none.
    """
    if not is_file(file):
        raise InputError(f"device predictor must be a file that exists, got {file}")
    try:
        return read_settings(LatencyModel, read_json(file))
    except (OSError, TypeError, ValueError) as error:
        line = " ".join(str(error).split())
        raise InputError(f"device predictor must be a file of nas measure --fit ({line}): {file}") from None
