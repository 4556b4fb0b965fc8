"""A run directory, read: DataFrames of what was tried, while the search is running or ever after."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import reports
from nas.config import read_config
from nas.errors import InputError
from nas.journal import connect
from nas.objective import Objective
from search_spaces import ArchSpec


class Run:
    """Reads the run in ``directory``. See ``open_run``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        connect(directory / "run.db").close()

    @property
    def config(self) -> dict[str, Any]:
        """``config.json``."""
        return read_config(self.directory)

    def trials(self) -> pd.DataFrame:
        """One row per trial: trial, status (waiting, running, done, failed), arch, actions, accuracy, ...

        ``repeat_of`` names the trial whose network was proposed again and not trained again.
        """
        frame = self._read("SELECT * FROM trials ORDER BY trial")
        frame["actions"] = [tuple(json.loads(actions)) for actions in frame["actions"]]
        frame["repeat_of"] = frame["repeat_of"].astype("Int64")
        for column in ("started", "finished"):
            frame[column] = pd.to_datetime(frame[column], format="ISO8601", utc=True)
        return frame

    def epochs(self) -> pd.DataFrame:
        """The learning curves: trial, epoch, train_loss, valid_loss, accuracy, seconds."""
        return self._read("SELECT * FROM epochs ORDER BY trial, epoch")

    def confirmations(self) -> pd.DataFrame:
        """Second trainings of finished trials: trial, seed, accuracy, epochs, seconds, worker, ..."""
        return self._read("SELECT * FROM confirmations ORDER BY trial, seed")

    def networks(self) -> pd.DataFrame:
        """One row per network that was trained to the end, see ``reports.network_means``."""
        return reports.network_means(self.trials())

    def pareto(
        self, maximize: Sequence[str] = ("accuracy",), minimize: Sequence[str] = ("flops",)
    ) -> pd.DataFrame:
        """The networks that no other beats in everything, by flops; means where one was trained again."""
        front = reports.pareto_front(self.networks(), maximize, minimize)
        return front.sort_values(["flops", "trial"])

    def write_pareto(self) -> None:
        """Writes the front to ``pareto.csv``."""
        front = self.pareto()
        front = front.assign(actions=[json.dumps(actions) for actions in front["actions"]])
        front.to_csv(self.directory / "pareto.csv", index=False)

    def best_trial(self) -> dict[str, Any]:
        """The network with the highest reward, as its first trial; the first of equals.

        Raises:
            InputError: if no trial is done.
        """
        networks = self.networks()
        if networks.empty:
            raise InputError(
                f"RUN must have a finished trial, and none of its {len(self.trials())} is: {self.directory}"
            )
        best = networks.loc[[networks["reward"].idxmax()]]
        return {str(column): value for column, value in best.to_dict("records")[0].items()}

    def best(self) -> ArchSpec:
        """The network with the highest reward.

        Raises:
            InputError: if no trial is done.
        """
        return ArchSpec.parse(self.best_trial()["arch"])

    def rerank(self, target_flops: float, exponent: float | None = None, kind: str = "soft") -> pd.DataFrame:
        """The finished trials under another objective, the best first; nothing is trained again.

        Raises:
            ValueError: as ``Objective``.
        """
        objective = Objective(target_flops, exponent, kind)
        done = self.networks()
        rewards = [objective(a, f) for a, f in zip(done["accuracy"], done["flops"], strict=True)]
        return done.assign(reward=rewards).sort_values(["reward", "trial"], ascending=[False, True])

    def seed_noise(self) -> reports.SeedNoise | None:
        """The noise of a seed against the spread of the networks; None if it was not measured."""
        return reports.seed_noise(self.trials(), self.confirmations())

    def _read(self, query: str) -> pd.DataFrame:
        with contextlib.closing(connect(self.directory / "run.db")) as connection:
            try:
                return pd.read_sql_query(query, connection)
            except (sqlite3.DatabaseError, pd.errors.DatabaseError) as error:
                line = str(error).splitlines()[-1]
                raise InputError(
                    f"RUN has a run.db that SQLite cannot read ({line}): {self.directory}"
                ) from None


def open_run(directory: str | os.PathLike[str]) -> Run:
    """The run in ``directory``, readable while it is being written.

    Raises:
        InputError: if there is no run there, or another program or a newer nas wrote it.
    """
    return Run(Path(directory))
