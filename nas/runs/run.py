"""Reads a run directory: DataFrames of what was tried, during the search or afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

import reports
from nas.errors import InputError
from nas.files import exists, is_file, write_csv
from nas.runs.choice import highest_reward, ranked, read_budgets, within
from nas.runs.config import read_config, read_settings
from nas.runs.family_files import read_family
from nas.search.storage import connect
from nas.spec.objective import Objective
from nas.spec.own import is_own
from nas.spec.settings import Settings
from nas.spec.targets import COSTS, parse_target
from reports.means import Rewards
from reports.measured import with_measured
from reports.pareto import split_measures
from scaling_search import Model
from search_spaces import ArchSpec, Built
from search_spaces.limits import shown
from search_spaces.rules import read_json

T = TypeVar("T")


class Run:
    """Reads the run in ``directory``. See ``open_run``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if not is_file(directory / "family.json") or exists(directory / "run.db"):
            connect(directory / "run.db").close()

    def __repr__(self) -> str:
        return f"Run({str(self.directory)!r})"

    @property
    def config(self) -> dict[str, Any]:
        """``config.json``."""
        return read_config(self.directory)

    @property
    def settings(self) -> Settings:
        """What the run was asked to do, from ``config.json``."""
        return self.once("settings", lambda: read_settings(self.directory))

    def _repr_html_(self) -> str:
        """What a notebook shows: what the run is, its verdict and its front."""
        from nas.runs.notebook import html_of  # which imports every kind of run

        return html_of(self)

    def trials(self) -> pd.DataFrame:
        """One row per trial: trial, status (waiting, running, done, failed), arch, actions, accuracy, ...

        ``repeat_of`` names the trial whose network was proposed again and not trained again.
        """
        return self._table("trials", reports.read_trials)

    def epochs(self) -> pd.DataFrame:
        """The learning curves, a row per epoch: trial, and the fields of ``nas.spec.trial.Epoch``."""
        return self._table("epochs", reports.read_epochs)

    def confirmations(self) -> pd.DataFrame:
        """Further training runs of finished trials: trial, seed, accuracy, epochs, seconds, worker, ..."""
        return self._table("confirmations", reports.read_confirmations)

    def baselines(self) -> pd.DataFrame:
        """Training runs of known networks, for comparison: name, seed, arch, flops, accuracy, ..."""
        return self._table("baselines", reports.read_baselines)

    def measurements(self) -> pd.DataFrame:
        """Networks of the front as a device measured them: arch, device, milliseconds, ratio, ..."""
        return self._table("measurements", reports.read_measurements)

    def sessions(self) -> pd.DataFrame:
        """What each process that worked on the run spent: seconds, worker_seconds, busy_seconds, ..."""
        return self._table("sessions", reports.read_sessions)

    def retries(self) -> pd.DataFrame:
        """Training runs that were lost with their worker, and ran again: trial, reason."""
        return self._table("retries", reports.read_retries)

    def networks(self) -> pd.DataFrame:
        """One row per network that was trained to the end, from all its training runs; deterministic.

        See ``reports.estimated_networks``: after confirmation, ``accuracy`` and ``reward`` are estimates in
        which one lucky run counts less than three good ones, with ``accuracy_error``; ``p_best`` and
        ``p_front`` are the probabilities to be the best and on the front of ``costs``, judged by the
        validation images that there are. The errors include that other images would give another accuracy.
        ``latency_measured`` (ms) is from ``measurements``, if there are any, and ``latency_error`` how far
        off, as a share, the latency is that the search went by.
        """
        return self.once("networks", self._networks)

    def _networks(self) -> pd.DataFrame:
        rewards = self._rewards()
        trials, confirmations = self._completed(rewards)
        costs = [name for name in self.costs if name in trials]
        rng, largest = np.random.default_rng(0), self.maximized
        networks = reports.estimated_networks(
            trials, confirmations, rng, rewards, costs or ["flops"], largest
        )
        return with_measured(reports.widened(networks, self.judges), self.measurements())

    @property
    def costs(self) -> tuple[str, ...]:
        """The costs that the search aimed at, and what else it was to maximize.

        If it is not known to have aimed at any: FLOPs, or else what the space knew, or the trials' seconds.
        """
        objective = self._objective()
        if objective is None:
            return self._usual_costs()
        aimed, largest = objective.costs, objective.maximize
        if not objective.seeks_front and set(aimed) <= set(largest):
            aimed = (*self._usual_costs(), *aimed)
        return tuple(dict.fromkeys([*aimed, *largest]))

    def _usual_costs(self) -> tuple[str, ...]:
        trials = self.trials()
        if trials.empty or trials["flops"].notna().any():
            return ("flops",)
        priced = self.config.get("priced") or ()
        return tuple(name for name in priced if name in trials) or ("seconds",)

    @property
    def maximized(self) -> tuple[str, ...]:
        """The measures of which more is better; all others are costs."""
        objective = self._objective()
        return objective.maximize if objective else ()

    @property
    def known_costs(self) -> tuple[str, ...]:
        """The costs that its networks have: by formula, and what was measured of them."""
        trials, costs = self.trials(), self.costs
        names = (*COSTS, *reports.further_costs(trials), "peak_memory")
        known = (name for name in names if trials.empty or trials[name].notna().any())
        return (*known, *(name for name in costs if name == "seconds"))

    @property
    def judges(self) -> int:
        """How many validation images judge a network; 0 if that is unknown, or none does."""
        try:
            task = self.settings.task
        except InputError:
            return 0
        return task.valid if task else 0

    def pareto(
        self, maximize: Sequence[str] | None = None, minimize: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """The ``networks`` that no other beats in everything, ordered by the first cost.

        Args:
            maximize: None takes the accuracy and, if ``minimize`` is None too, what else was to be maximized.
            minimize: costs; None takes those that the search aimed at, FLOPs if nothing else was asked.
        """
        both, costs = split_measures(self.costs, self.maximized)
        if maximize is None:
            maximize = both if minimize is None else both[:1]
        first = "flops" if minimize is not None else self.costs[0] if self.costs else "flops"
        costs = [name for name in costs if name not in maximize] if minimize is None else [*minimize]
        front = reports.pareto_front(self.networks(), maximize, costs)
        return front.sort_values([first, "trial"], ascending=[first not in self.maximized, True])

    def write_pareto(self) -> None:
        """Writes the front to ``pareto.csv``."""
        front = self.pareto()
        front = front.assign(actions=[json.dumps(actions) for actions in front["actions"]])
        write_csv(self.directory / "pareto.csv", front)

    def best_trial(self) -> dict[str, Any]:
        """The row of ``networks`` with the highest reward, or the first of them; ``trial`` is its first.

        After confirmation, the reward is the expected one, from all training runs.

        Raises:
            InputError: if no trial is done.
        """
        networks = self.networks()
        if networks.empty:
            raise InputError(
                f"run must have a finished trial, and none of its {len(self.trials())} is: {self.directory}"
            )
        return highest_reward(networks)

    def within(self, budgets: Mapping[str, float]) -> dict[str, Any]:
        """The row of ``networks`` with the highest accuracy within ``budgets``, by the names of costs.

        Of what is maximized, a budget is the least that is wanted.

        Raises:
            InputError: if the networks have no such cost, or none of them is within all budgets.
        """
        return within(self.networks(), budgets, self.known_costs, self.maximized)

    def best(self, **budgets: float | str) -> Built:
        """The network with the highest reward; within budgets, the one with the highest accuracy.

            run.best(latency="15ms", flops=300e6)

        It is an ``ArchSpec``; in a space of one's own whose networks are none, its text.

        Args:
            budgets: of costs, by name: milliseconds, bytes or a number, or a text with its unit; of what is
                maximized, the least that is wanted.

        Raises:
            InputError: as ``best_trial`` and ``within``.
        """
        limits = read_budgets(budgets)
        row = self.within(limits) if limits else self.best_trial()
        try:
            return ArchSpec.parse(row["arch"])
        except ValueError as error:
            if is_own(self.settings.space):
                return str(row["arch"])
            raise InputError(f"run has a wrong trials.arch ({error}): {self.directory}") from None

    def family(self) -> dict[str, Model]:
        """The models of a scaling run, by name: each has its ``arch``, ``phi``, ``dropout``, ...

        Raises:
            InputError: if the run has not made a family, or it is damaged.
        """
        return read_family(self.directory / "family.json")[0]

    def rerank(
        self,
        target_flops: float | None = None,
        exponent: float | None = None,
        kind: str = "soft",
        cost: str = "flops",
        *,
        target: str | Sequence[str] = (),
    ) -> pd.DataFrame:
        """The networks under another objective, the best first; nothing is trained again.

        Args:
            target_flops: T, in the unit of ``cost``.
            exponent, kind: as for ``Objective``.
            cost: one of ``COSTS``.
            target: further targets, as texts: ``latency=20ms^-0.07``.

        Returns:
            the columns of ``networks``, with the new ``reward``, and the search's as ``old_reward``.

        Raises:
            ValueError: as ``Objective``, or if ``cost`` is not one of the three, or a target's is not known.
        """
        if cost not in COSTS:
            raise ValueError(f"cost must be one of {COSTS}, got {cost!r}")
        texts = [target] if isinstance(target, str) else target
        targets = tuple(parse_target(text) for text in texts)
        return self.ranked(Objective(target_flops, exponent, kind, targets, self.maximized), cost)

    def ranked(self, objective: Objective, cost: str = "flops") -> pd.DataFrame:
        """``rerank`` by an objective; ``cost`` takes the place of its FLOPs."""
        return ranked(self.networks(), objective, self.known_costs, cost)

    def seed_noise(self) -> reports.SeedNoise | None:
        """The seed noise against the spread of the networks; None if it was not measured."""
        return reports.seed_noise(*self._completed(self._rewards()))

    @property
    def ended(self) -> str | None:
        """How its last process ended: ``done`` or ``max_hours``; None if it did not; empty in older runs."""
        last = self.sessions()["ended"].tolist()[-1:] or [""]
        return last[0] if isinstance(last[0], str) else None

    def snapshot(self) -> Snapshot:
        """The run as it is now: read at most once, so that all answers agree."""
        return Snapshot(self.directory)

    def once(self, name: str, find: Callable[[], T]) -> T:  # noqa: ARG002 - for snapshots
        """What ``find`` gives; in a snapshot, only the first call of each ``name`` calls it."""
        return find()

    def _completed(self, rewards: Rewards | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Trials and confirmations, see ``reports.completed``."""
        trials, confirmations = self.trials(), self.confirmations()
        return reports.completed(trials, confirmations, rewards) if rewards else (trials, confirmations)

    def _rewards(self) -> Rewards | None:
        """``Objective.rewards`` of the search; None without a valid ``config.json``."""
        objective = self._objective()
        return objective.rewards if objective else None

    def _objective(self) -> Objective | None:
        """The objective of the search; None without a valid ``config.json``."""
        try:
            return read_json(Objective, self.config["objective"])
        except (InputError, KeyError, TypeError, ValueError):
            return None

    def _table(self, name: str, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
        """What ``read`` gives for this directory; its ValueError becomes an InputError."""
        try:
            return self.once(name, lambda: read(self.directory))
        except ValueError as error:
            raise InputError(str(error)) from None


class Snapshot(Run):
    """A run that is read at most once; see ``Run.snapshot``. Do not change its DataFrames."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._kept: dict[str, Any] = {}

    def snapshot(self) -> Snapshot:
        return self

    def once(self, name: str, find: Callable[[], T]) -> T:
        if name not in self._kept:
            self._kept[name] = find()
        found: T = self._kept[name]
        return found


def open_run(directory: str | os.PathLike[str]) -> Run:
    """The run in ``directory``, readable while it is being written.

    A family that was scaled without any training is a run without trials.

    Raises:
        InputError: if there is no run there, or another program or a newer nas wrote it.
    """
    where = getattr(directory, "directory", directory)  # a Run is its own
    if not isinstance(where, str | os.PathLike):
        raise InputError(f"run must be a path, got {shown(where)}")
    return Run(Path(where))
