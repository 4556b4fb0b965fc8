"""Where a trial's accuracy comes from: training, a table of known ones, or a predictor fitted on one.

train            trains the network on the proxy task
table:FILE       looks the network up
predictor:FILE   a regression on the table, for every network of the space
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nas.errors import InputError
from nas.recipe import enlarged
from nas.trial import Epoch, Trial
from search_spaces import ArchSpec, SearchSpace, canonical, cost
from search_spaces.cost_table import CostTable

if TYPE_CHECKING:
    import pandas as pd

    from nas.config import Settings
    from nas.data import Dataset
    from nas.recipe import Recipe

ACCURACY_COLUMNS = ("accuracy", "mean_acc", "val_top1", "top1", "val_acc", "acc")


@dataclass(frozen=True)
class Training:
    """Trains each network on the proxy task.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: of torch, in the process that trains; sums depend on it, so it is part of the task.
        reference: see ``Recipe.shrink``.
    """

    data: Dataset
    recipe: Recipe
    device: str = "cpu"
    threads: int = 1
    reference: int | None = None

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """One epoch at a time."""
        import torch

        from nas.allocator import release_memory
        from nas.training import train

        torch.set_num_threads(self.threads)
        try:
            yield from train(trial.arch, self.data, self.recipe, trial.seed, self.device, self.reference)
        except Exception as failure:
            # Out of memory, perhaps: the frames of a traceback would keep the network until it is dropped.
            traceback.clear_frames(failure.__traceback__)
            raise
        finally:
            release_memory()
            if self.device != "cpu":
                torch.cuda.empty_cache()  # other trials may share this GPU


def pack_size(settings: Settings, space: SearchSpace) -> int:
    """The side, in pixels, at which images must be kept for the trainings of a run.

    The largest resolution of any network that is trained. Where training crops at random, a margin
    around it: EfficientNet is evaluated on the middle 224 of 256 pixels.
    """
    reference = settings.scaling.arch.resolution if settings.scaling else None
    # Only a list's networks differ in resolution.
    count = len(space.decisions[0].choices) if settings.listed else 1
    archs = [space.decode([choice] + [0] * (len(space.decisions) - 1)) for choice in range(count)]
    resolution = max(settings.recipe.shrink(arch, reference).resolution for arch in archs)
    return enlarged(resolution) if settings.recipe.crop == "random_resized" else resolution


class Table:
    """Accuracies that somebody measured: NAS-Bench-Macro's JSON, or CSV or Parquet.

    Args:
        file: rows are networks, by a column ``arch`` or by one column per decision of the space, and
            have an accuracy (``accuracy``, ``mean_acc``, ``val_top1``, ...) in [0, 1] or in percent.

    Raises:
        InputError: if the file is missing, damaged, or does not describe networks of the space.
    """

    def __init__(self, file: Path, space: SearchSpace) -> None:
        archs, accuracies = read_table(file, space)
        self.accuracies = dict(zip(archs, accuracies.tolist(), strict=True))
        self.file = file

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """One epoch, with the accuracy in the table."""
        if trial.arch not in self.accuracies:
            raise LookupError(f"{self.file.name} has no row for {trial.arch}")
        yield Epoch(1, None, None, self.accuracies[trial.arch], 0.0)


class Predictor:
    """Ridge regression on decisions, pairs of decisions and log costs, fitted on a table.

    An accuracy is mostly a sum of what each choice brings, and pairs of choices take up most of the
    rest: on Accel-NASBench this ranks better than gradient-boosted trees and is faster (LOG.md).
    Where the space is not staged, as in a scaling run, depth, width and resolution stand for the
    decisions, and the table may hold any networks.

    Attributes:
        kendall_tau: between predictions and accuracies, 5-fold cross-validated.

    Raises:
        InputError: as ``Table``, or if the table has fewer than 20 rows.
    """

    def __init__(self, file: Path, space: SearchSpace) -> None:
        from scipy.stats import kendalltau
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import KFold, cross_val_predict

        archs, accuracies = read_table(file, space)
        if len(archs) < 20:
            raise InputError(
                f"--evaluator predictor needs a table of at least 20 rows, got {len(archs)}: {file}"
            )
        self.file = file
        self.space = space
        self.rows = len(archs)
        self.costs = CostTable(space) if space.slots else None
        try:
            singles = self.singles(archs)
        except ValueError as error:
            raise InputError(f"--evaluator predictor needs a table of its space: {error}: {file}") from None
        self.mean, self.scale = singles.mean(axis=0), singles.std(axis=0) + 1e-9  # constants become 0
        features = self.pairs(singles)
        folds = KFold(5, shuffle=True, random_state=0)
        predicted = cross_val_predict(Ridge(), features, accuracies, cv=folds)
        self.kendall_tau = float(kendalltau(predicted, accuracies).statistic)
        model = Ridge().fit(features, accuracies)
        self.weights, self.bias = model.coef_, float(model.intercept_)

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """One epoch, with the predicted accuracy."""
        features = self.pairs(self.singles([trial.arch]))
        accuracy = self.bias + float((features @ self.weights)[0])
        yield Epoch(1, None, None, min(max(accuracy, 0.0), 1.0), 0.0)

    def singles(self, archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
        """One-hot decisions, or log sizes, and log costs `[N, F]` of N networks."""
        if self.costs is None:
            sizes = [(*_sizes(arch), *cost(arch, self.space.num_classes)) for arch in archs]
            return np.log(np.array(sizes, np.float64))
        actions = np.array([self.space.encode(arch) for arch in archs])  # [N, D]
        choices = [len(decision.choices) for decision in self.space.decisions]
        # The first choice of a decision is what the others are compared with.
        one_hot = [actions[:, [d]] == np.arange(1, n) for d, n in enumerate(choices)]
        return np.concatenate([*one_hot, np.log(self.costs(actions))], axis=1)

    def pairs(self, singles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised ``singles`` `[N, F]` and all their products, squares included: `[N, F + F(F+1)/2]`."""
        standard = (singles - self.mean) / self.scale
        rows, columns = np.triu_indices(standard.shape[1])
        return np.concatenate([standard, standard[:, rows] * standard[:, columns]], axis=1)


def _sizes(arch: ArchSpec) -> tuple[int, float, int]:
    """Layers, mean channels of a layer, and resolution."""
    layers = arch.layers()
    return len(layers), sum(layer.channels for layer in layers) / len(layers), arch.resolution


def read_table(
    file: Path, space: SearchSpace, option: str = "--evaluator"
) -> tuple[list[ArchSpec], NDArray[np.float64]]:
    """The distinct networks of a table, the value of ``option``, and their (mean) accuracies in [0, 1].

    Raises:
        InputError: as ``Table``.
    """
    frame = _read_frame(file, space, option)
    names = [decision.name for decision in space.decisions]
    if "arch" in frame:
        archs = [_parse(text, file, option) for text in frame["arch"]]
    elif set(names) <= set(frame):
        archs = [space.decode(actions) for actions in _actions(frame[names], space, file, option)]
    else:
        missing = [name for name in names if name not in frame]
        raise InputError(
            f"{option} FILE must have a column 'arch' or the decisions of {space.name!r};"
            f" {missing[:3]} are missing in {file}"
        )
    column = next((name for name in ACCURACY_COLUMNS if name in frame), None)
    if column is None:
        raise InputError(f"{option} FILE must have one of the columns {ACCURACY_COLUMNS}: {file}")
    try:
        accuracies = frame[column].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{option} FILE must have numbers in {column!r} ({error}): {file}") from None
    if not len(frame) or not np.isfinite(accuracies).all() or accuracies.min() < 0 or accuracies.max() > 100:
        raise InputError(f"{option} FILE must have accuracies in [0, 1] or [0, 100] in {column!r}: {file}")
    if accuracies.max() > 1:
        accuracies = accuracies / 100
    measured: defaultdict[ArchSpec, list[float]] = defaultdict(list)
    for arch, accuracy in zip(archs, accuracies.tolist(), strict=True):
        measured[arch].append(accuracy)
    return list(measured), np.array([np.mean(values) for values in measured.values()])


def _read_frame(file: Path, space: SearchSpace, option: str) -> pd.DataFrame:
    import pandas as pd

    if not file.is_file():
        raise InputError(f"{option} FILE must exist, got {file}")
    suffixes = file.suffixes
    try:
        if ".parquet" in suffixes:
            return pd.read_parquet(file)
        if ".json" in suffixes:
            rows = pd.read_json(file, orient="index", dtype={}, convert_axes=False)
            codes = [list(map(int, str(code))) for code in rows.index]
            names = [decision.name for decision in space.decisions]
            choices = [space.choices(code) for code in codes]
            return pd.concat([pd.DataFrame(choices, rows.index, names), rows], axis=1)
        return pd.read_csv(file)
    except (OSError, ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{option} FILE must be CSV, Parquet or NAS-Bench-Macro's JSON ({line}): {file}"
        ) from None


def _parse(text: object, file: Path, option: str) -> ArchSpec:
    try:
        return canonical(ArchSpec.parse(str(text)))
    except ValueError as error:
        raise InputError(f"{option} FILE must have architectures in 'arch' ({error}): {file}") from None


def _actions(frame: pd.DataFrame, space: SearchSpace, file: Path, option: str) -> NDArray[np.int64]:
    """Choices `[N, D]` to indices `[N, D]`."""
    columns = []
    for decision in space.decisions:
        index = {choice: number for number, choice in enumerate(decision.choices)}
        unknown = set(frame[decision.name]) - set(index)
        if unknown:
            raise InputError(
                f"{option} FILE must have {decision.name} in {decision.choices}, "
                f"got {unknown.pop()!r}: {file}"
            )
        columns.append(frame[decision.name].map(index).to_numpy(np.int64))
    return np.stack(columns, axis=1)
