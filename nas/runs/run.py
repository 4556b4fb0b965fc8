"""A run directory, read: DataFrames of what was tried, while the search is running or ever after."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

import reports
from nas.errors import InputError
from nas.files import write_csv
from nas.runs.config import read_config, read_settings
from nas.search.journal import connect
from nas.spec.objective import Objective
from nas.spec.settings import Settings
from search_spaces import ArchSpec

T = TypeVar("T")

COSTS = ("flops", "params", "activations")
"""What a network may be charged for in ``rerank``."""


class Run:
    """Reads the run in ``directory``. See ``open_run``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        connect(directory / "run.db").close()

    @property
    def config(self) -> dict[str, Any]:
        """``config.json``."""
        return read_config(self.directory)

    @property
    def settings(self) -> Settings:
        """What the run was asked, from ``config.json``."""
        return read_settings(self.directory)

    def trials(self) -> pd.DataFrame:
        """One row per trial: trial, status (waiting, running, done, failed), arch, actions, accuracy, ...

        ``repeat_of`` names the trial whose network was proposed again and not trained again.
        """
        return self._checked(lambda: reports.read_trials(self.directory))

    def epochs(self) -> pd.DataFrame:
        """The learning curves: trial and what ``nas.spec.trial.Epoch`` has."""
        return self._checked(lambda: reports.read_epochs(self.directory))

    def confirmations(self) -> pd.DataFrame:
        """Further trainings of finished trials: trial, seed, accuracy, epochs, seconds, worker, ..."""
        return self._checked(lambda: reports.read_confirmations(self.directory))

    def networks(self) -> pd.DataFrame:
        """One row per network that was trained to the end, with all its trainings.

        See ``reports.estimated_networks``: after confirmation ``accuracy`` and ``reward`` are estimates
        in which a lucky training counts less than three good ones, with ``accuracy_error``, and
        ``p_best`` and ``p_front`` are the chances to be the best and on the front. The same every time.
        """
        objective = self._objective()
        rewards = objective.rewards if objective else None
        return reports.estimated_networks(*self._completed(objective), np.random.default_rng(0), rewards)

    def pareto(
        self, maximize: Sequence[str] = ("accuracy",), minimize: Sequence[str] = ("flops",)
    ) -> pd.DataFrame:
        """The networks that no other beats in everything, by flops; estimates where they were confirmed."""
        front = reports.pareto_front(self.networks(), maximize, minimize)
        return front.sort_values(["flops", "trial"])

    def write_pareto(self) -> None:
        """Writes the front to ``pareto.csv``."""
        front = self.pareto()
        front = front.assign(actions=[json.dumps(actions) for actions in front["actions"]])
        write_csv(self.directory / "pareto.csv", front)

    def best_trial(self) -> dict[str, Any]:
        """The network with the highest reward, as its first trial; the first of equals.

        Where networks were confirmed, the highest expected reward, from all trainings.

        Raises:
            InputError: if no trial is done.
        """
        networks = self.networks()
        if networks.empty:
            raise InputError(
                f"run must have a finished trial, and none of its {len(self.trials())} is: {self.directory}"
            )
        best = networks.loc[[networks["reward"].idxmax()]]
        return {str(column): value for column, value in best.to_dict("records")[0].items()}

    def best(self) -> ArchSpec:
        """The network with the highest reward, see ``best_trial``.

        Raises:
            InputError: if no trial is done.
        """
        return ArchSpec.parse(self.best_trial()["arch"])

    def rerank(
        self, target_flops: float, exponent: float | None = None, kind: str = "soft", cost: str = "flops"
    ) -> pd.DataFrame:
        """The networks under another objective, the best first; nothing is trained again.

        Args:
            target_flops: T, in the unit of ``cost``.
            cost: what the network is charged for: ``flops``, ``params`` or ``activations``.

        Returns:
            the columns of ``networks``, ``reward`` being the new one and ``old_reward`` the search's.

        Raises:
            ValueError: as ``Objective``, or if ``cost`` is none of the three.
        """
        if cost not in COSTS:
            raise ValueError(f"cost must be one of {COSTS}, got {cost!r}")
        objective = Objective(target_flops, exponent, kind)
        networks = self.networks().drop(columns=["p_best", "reward_error"], errors="ignore")
        rewards = [objective(a, c) for a, c in zip(networks["accuracy"], networks[cost], strict=True)]
        networks = networks.assign(reward=rewards, old_reward=networks["reward"])
        return networks.sort_values(["reward", "trial"], ascending=[False, True])

    def seed_noise(self) -> reports.SeedNoise | None:
        """The noise of a seed against the spread of the networks; None if it was not measured."""
        return reports.seed_noise(*self._completed(self._objective()))

    def snapshot(self) -> Snapshot:
        """The run as it is now: read once, and the same however often it is asked."""
        return Snapshot(self.directory)

    def _completed(self, objective: Objective | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Trials and confirmations, see ``reports.completed``."""
        trials, confirmations = self.trials(), self.confirmations()
        return (
            reports.completed(trials, confirmations, objective.rewards)
            if objective
            else (trials, confirmations)
        )

    def _objective(self) -> Objective | None:
        """Of the search; None where there is no ``config.json``."""
        try:
            return Objective(**self.config["objective"])
        except (InputError, KeyError, TypeError, ValueError):
            return None

    def _checked(self, read: Callable[[], T]) -> T:
        """``read()``, its ValueError as the user's."""
        try:
            return read()
        except ValueError as error:
            raise InputError(str(error)) from None


class Snapshot(Run):
    """A run that is read at most once; see ``Run.snapshot``. Its DataFrames are not to be changed."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._kept: dict[str, pd.DataFrame] = {}

    def trials(self) -> pd.DataFrame:
        """As ``Run.trials``."""
        return self._once("trials", super().trials)

    def confirmations(self) -> pd.DataFrame:
        """As ``Run.confirmations``."""
        return self._once("confirmations", super().confirmations)

    def networks(self) -> pd.DataFrame:
        """As ``Run.networks``."""
        return self._once("networks", super().networks)

    def snapshot(self) -> Snapshot:
        """Itself."""
        return self

    def _once(self, name: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        if name not in self._kept:
            self._kept[name] = read()
        return self._kept[name]


def open_run(directory: str | os.PathLike[str]) -> Run:
    """The run in ``directory``, readable while it is being written.

    Raises:
        InputError: if there is no run there, or another program or a newer nas wrote it.
    """
    return Run(Path(directory))
