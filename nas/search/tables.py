"""Where a trial's accuracy comes from: training, a table of known ones, or a predictor fitted to one.

train            trains the network on the proxy task
table:FILE       looks the network up
predictor:FILE   predicts it by a regression on the table, for any network of the space

Any other column of numbers, such as ``latency``, is a cost that a search may aim at.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.errors import InputError
from nas.files import is_file
from nas.search.measures import Measures
from nas.spec.trial import Epoch, Trial
from search_spaces import ArchSpec, SearchSpace, canonical
from search_spaces.limits import shown
from search_spaces.names import unknown

ACCURACY_COLUMNS = ("accuracy", "mean_acc", "val_top1", "top1", "val_acc", "acc")
SAMPLE = 64
"""Random networks that show whether a table has all of a space."""


class Table:
    """Measured accuracies from a file: NAS-Bench-Macro's JSON, CSV or Parquet.

    Args:
        file: each row has a network, in a column ``arch`` or in one column per decision of the space, and
            an accuracy (``accuracy``, ``mean_acc``, ``val_top1``, ...) in [0, 1] or in percent.
        measures: columns of costs, which a trial gives beside its accuracy.

    Raises:
        InputError: if the file is missing, damaged, or does not describe networks of the space.
    """

    def __init__(self, file: Path, space: SearchSpace, measures: Sequence[str] = ()) -> None:
        archs, accuracies, self.costs = read_with_costs(file, space, measures)
        self.accuracies = dict(zip(archs, accuracies.tolist(), strict=True))
        self.file, self.space = file, space

    @property
    def measures(self) -> Measures:
        """The costs that are known of every network before its trial: of ``SAMPLE`` random ones, at least."""
        rng = np.random.default_rng(0)
        some = [self.space.decode(self.space.sample(rng)) for _ in range(SAMPLE)]
        complete = (name for name, known in self.costs.items() if all(arch in known for arch in some))
        return {name: functools.partial(_looked_up, self.costs[name]) for name in complete}

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """One epoch, with the accuracy in the table."""
        if trial.arch not in self.accuracies:
            raise LookupError(f"{self.file.name} has no row for {trial.arch}")
        costs = {name: known[trial.arch] for name, known in self.costs.items() if trial.arch in known}
        yield Epoch(1, None, None, self.accuracies[trial.arch], 0.0, measures=costs)


def _looked_up(known: Mapping[ArchSpec, float], archs: Sequence[ArchSpec]) -> NDArray[np.float64]:
    return np.array([known.get(arch, np.nan) for arch in archs])


Costs = dict[str, dict[ArchSpec, float]]
"""By the name of a column: of each network that has one, its cost."""


def _costs(
    frame: pd.DataFrame, archs: Sequence[ArchSpec], file: Path, space: SearchSpace, names: Sequence[str]
) -> Costs:
    """The columns ``names``, as means of each network's rows; rows without a value are left out.

    Raises:
        InputError: if a column is missing or has anything but positive numbers.
    """
    costs: Costs = {}
    for name in names:
        if name not in frame:
            numeric = [
                str(column) for column in frame.select_dtypes("number") if column not in ACCURACY_COLUMNS
            ]
            known = [column for column in numeric if column not in {d.name for d in space.decisions}]
            raise InputError(f"target: {unknown('column', name, known)} in {file}")
        try:
            column = frame[name].to_numpy(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"table must have numbers in {name!r} ({error}): {file}") from None
        wrong = column[~(np.isnan(column) | ((column > 0) & np.isfinite(column)))]
        if len(wrong):
            raise InputError(f"table must have positive numbers in {name!r}, got {wrong[0]:g}: {file}")
        rows: defaultdict[ArchSpec, list[float]] = defaultdict(list)
        for arch, value in zip(archs, column.tolist(), strict=True):
            if not np.isnan(value):
                rows[arch].append(value)
        costs[name] = {arch: float(np.mean(values)) for arch, values in rows.items()}
    return costs


def read_table(file: Path, space: SearchSpace) -> tuple[list[ArchSpec], NDArray[np.float64]]:
    """The distinct networks of a table, and their (mean) accuracies in [0, 1]. Errors as ``Table``."""
    archs, accuracies, _ = read_with_costs(file, space)
    return archs, accuracies


def read_with_costs(
    file: Path, space: SearchSpace, measures: Sequence[str] = ()
) -> tuple[list[ArchSpec], NDArray[np.float64], Costs]:
    """``read_table``, and the columns ``measures``. Errors as ``Table``."""
    frame, archs = _networks(file, space)
    costs = _costs(frame, archs, file, space, measures)
    return *_accuracies(frame, archs, file), costs


def _networks(file: Path, space: SearchSpace) -> tuple[pd.DataFrame, list[ArchSpec]]:
    """The rows of a table, and the network of each; errors as ``Table``."""
    if not is_file(file):
        raise InputError(f"table must exist, got {file}")
    try:
        return _read(file, space)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes pandas, gzip or Arrow raise
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"table must be CSV, Parquet or NAS-Bench-Macro's JSON ({line}): {file}") from None


def _read(file: Path, space: SearchSpace) -> tuple[pd.DataFrame, list[ArchSpec]]:
    frame = _read_frame(file, space)
    names = [decision.name for decision in space.decisions]
    if "arch" in frame:
        archs = [_parse(text, file) for text in frame["arch"]]
    elif set(names) <= set(frame):
        archs = [space.decode(actions) for actions in _actions(frame[names], space, file)]
    else:
        missing = [name for name in names if name not in frame]
        raise InputError(
            f"table must have a column 'arch' or the decisions of {space.name!r};"
            f" {missing[:3]} are missing in {file}"
        )
    return frame, archs


def _accuracies(
    frame: pd.DataFrame, archs: Sequence[ArchSpec], file: Path
) -> tuple[list[ArchSpec], NDArray[np.float64]]:
    column = next((name for name in ACCURACY_COLUMNS if name in frame), None)
    if column is None:
        raise InputError(f"table must have one of the columns {ACCURACY_COLUMNS}: {file}")
    try:
        accuracies = frame[column].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"table must have numbers in {column!r} ({error}): {file}") from None
    if not len(frame) or not np.isfinite(accuracies).all() or accuracies.min() < 0 or accuracies.max() > 100:
        raise InputError(f"table must have accuracies in [0, 1] or [0, 100] in {column!r}: {file}")
    if accuracies.max() > 1:
        accuracies = accuracies / 100
    measured: defaultdict[ArchSpec, list[float]] = defaultdict(list)
    for arch, accuracy in zip(archs, accuracies.tolist(), strict=True):
        measured[arch].append(accuracy)
    return list(measured), np.array([np.mean(values) for values in measured.values()])


def _read_frame(file: Path, space: SearchSpace) -> pd.DataFrame:
    suffixes = file.suffixes
    if ".parquet" in suffixes:
        return pd.read_parquet(file)
    if ".json" in suffixes:
        rows = pd.read_json(file, orient="index", dtype={}, convert_axes=False)
        codes = [list(map(int, str(code))) for code in rows.index]
        names = [decision.name for decision in space.decisions]
        choices = [space.choices(code) for code in codes]
        return pd.concat([pd.DataFrame(choices, rows.index, names), rows], axis=1)
    return pd.read_csv(file)


def _parse(text: object, file: Path) -> ArchSpec:
    try:
        return canonical(ArchSpec.parse(str(text)))
    except ValueError as error:
        raise InputError(f"table must have architectures in 'arch' ({error}): {file}") from None


def _actions(frame: pd.DataFrame, space: SearchSpace, file: Path) -> NDArray[np.int64]:
    """The indices `[N, D]` of choices `[N, D]`."""
    columns = []
    for decision in space.decisions:
        index = {choice: number for number, choice in enumerate(decision.choices)}
        if unknown := set(frame[decision.name]) - set(index):
            raise InputError(
                f"table must have {decision.name} in {decision.choices}, got {shown(unknown.pop())}: {file}"
            )
        columns.append(frame[decision.name].map(index).to_numpy(np.int64))
    return np.stack(columns, axis=1)
