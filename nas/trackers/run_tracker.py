"""What happens in a run, as a tracker is told it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nas.errors import InputError
from nas.files import exists, is_file, read_json, write_json
from nas.runs.config import read_config
from nas.runs.kinds import KINDS
from nas.runs.run import Run
from nas.runs.spaces import decisions_of
from nas.spec.listener import Listener, Standing
from nas.spec.settings import Settings
from nas.spec.trial import Epoch, Outcome, Row, Trial
from nas.trackers.sink import Ending, Sink, Trained
from search_spaces import Actions, Decision

IDS = "trackers.json"
"""In a run's directory: what each tracker calls the run."""
FILES = ("report.html", "config.json", "best.json", "pareto.csv", "audit.csv", "family.json", "metrics.json")
"""What a tracker keeps of a run that is over, if it is there."""
_ids = threading.Lock()
"""Of ``IDS``, which several trackers write."""


class RunTracker(Listener):
    """Tells one tracker of a run, and of what it has missed of a resumed one."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.name, self.sink = name, sink
        self.directory: Path | None = None  # of the run
        self.begun = False
        self.part = ""  # begins the names of what happens in a part of the run
        self.here: Path | None = None  # that part's directory
        self.decisions: tuple[Decision, ...] = ()  # none where networks are given
        self.alone = False  # whether one network is the whole run
        self.best = float("-inf")
        self.told: set[str] = set()

    def on_made(self, directory: Path) -> None:
        self.directory = self.directory or directory

    def on_part(self, directory: Path) -> None:
        assert self.directory is not None
        self.here = directory
        self.part = "" if directory == self.directory else f"{directory.relative_to(self.directory)}/"
        self.best = float("-inf")
        self._begin(self.directory)

    def on_start(self, settings: Settings, finished: Sequence[Row], standing: Standing) -> None:
        self.alone = KINDS[settings.kind].keeps_weights
        if self.here is None:
            return
        run = Run(self.here)
        self.decisions = decisions_in(run)
        if finished and not self.alone:
            self._catch_up(run, finished)
        elif finished and "" not in self.sink.known:
            for point in run.epochs().to_dict("records"):
                self.sink.epoch("", int(point["epoch"]), numbers(_of_epoch(point)))

    def on_epoch(self, trial: Trial, epoch: Epoch, standing: Standing) -> None:
        self.sink.epoch("" if self.alone else self._name(trial), epoch.epoch, numbers(_plain(epoch)))

    def on_finish(self, row: Row, outcome: Outcome, standing: Standing) -> None:
        self._tell(row, outcome.images_per_second, outcome.peak_memory)

    def on_confirm(self, trial: Trial, outcome: Outcome, standing: Standing) -> None:
        values = {**outcome.costs, "accuracy": outcome.accuracy, "seconds": outcome.seconds}
        self._trained(self._again(trial), None, {"arch": str(trial.arch)}, values, outcome.error)

    def on_retry(self, trial: Trial, reason: str, standing: Standing) -> None:
        if not self.alone:
            self.sink.again(self._name(trial))

    def on_end(self, directory: Path, how: str) -> None:
        self._begin(directory)
        run = Run(directory) if exists(directory / "run.db") else None
        front, trials = (_front(run), self._trials(run)) if run else (pd.DataFrame(), pd.DataFrame())
        names = [f"trial-{trial}" for trial in front.get("trial", [])]
        files = [directory / name for name in FILES if is_file(directory / name)] if how == "done" else []
        self.sink.end(Ending(how, front, names, trials, files))

    def _begin(self, directory: Path) -> None:
        """Opens the tracker's run, and writes down what names it."""
        if self.begun:
            return
        before = read_ids(directory).get(self.name, "")
        there = self.sink.begin(directory, before, flat(read_config(directory)))
        if there != before:
            with _ids:
                write_json(directory / IDS, {**read_ids(directory), self.name: there}, shared=False)
        self.begun = True

    def _catch_up(self, run: Run, finished: Sequence[Row]) -> None:
        """Tells what had finished before, and the tracker does not know."""
        curves = {int(str(trial)): curve for trial, curve in run.epochs().groupby("trial")}
        rates = run.trials().set_index("trial")["images_per_second"]
        for row in finished:
            name = f"{self.part}trial-{row.trial}"
            if name in self.sink.known:
                self.best = max(self.best, row.reward or self.best)
                continue
            for point in curves[row.trial].to_dict("records") if row.trial in curves else []:
                self.sink.epoch(name, int(point["epoch"]), numbers(_of_epoch(point)))
            self._tell(row, rates[row.trial])
        for again, of in ((run.confirmations(), "trial"), (run.baselines(), "name")):
            for one in again.to_dict("records"):
                name = f"{self.part}{_confirmation(one[of], one['seed'])}"
                values = {key: one[key] for key in ("accuracy", "seconds")}
                if name in self.sink.known:
                    continue
                arch = one["arch"] if of == "name" else finished_arch(finished, one[of])
                self._trained(name, None, {"arch": arch}, values, _text(one["error"]))

    def _tell(
        self, row: Row, images_per_second: float | None = None, peak_memory: float | None = None
    ) -> None:
        """Tells of a trial that has ended."""
        if self.alone:
            return
        self.best = max(self.best, self.best if row.reward is None else row.reward)
        values = {
            **row.costs,
            **{name: getattr(row, name) for name in ("flops", "accuracy", "reward", "epochs", "seconds")},
            "best_reward": self.best,
            "images_per_second": images_per_second,
            "peak_memory": peak_memory,
        }
        decisions = {**self._decisions(row.actions), "arch": row.arch, "seed": str(row.seed)}
        self._trained(f"{self.part}trial-{row.trial}", row.trial, decisions, values, row.error)

    def _trained(
        self,
        name: str,
        step: int | None,
        decisions: Mapping[str, str],
        values: Mapping[str, Any],
        error: str | None,
    ) -> None:
        if name not in self.told:
            self.told.add(name)
            self.sink.trained(Trained(name, step, decisions, numbers(values), error))

    def _trials(self, run: Run) -> pd.DataFrame:
        """The trials of the run, with a column for each decision."""
        trials = run.trials()
        self.decisions = decisions_in(run)
        decisions = pd.DataFrame([self._decisions(actions) for actions in trials["actions"]], trials.index)
        return trials.join(decisions.rename(columns={name: f"{name}_decision" for name in trials}))

    def _decisions(self, actions: Actions) -> dict[str, str]:
        if not self.decisions:
            return {}
        both = zip(self.decisions, actions, strict=True)
        return {decision.name: str(decision.choices[action]) for decision, action in both}

    def _name(self, trial: Trial) -> str:
        return self._again(trial) if trial.confirms else f"{self.part}trial-{trial.trial}"

    def _again(self, trial: Trial) -> str:
        return f"{self.part}{_confirmation(trial.baseline or trial.trial, trial.seed)}"


def _confirmation(which: object, seed: int) -> str:
    """What a training run of a baseline, or a confirmation of a trial, is called: a name for files, too."""
    if isinstance(which, str):
        name = re.sub(r"[^\w.+-]+", "-", which).strip(".")
        return f"{name}-seed-{seed}"
    return f"confirmation-{which}-seed-{seed}"


def finished_arch(finished: Sequence[Row], trial: int) -> str:
    """The network of a trial, as text."""
    return next((row.arch for row in finished if row.trial == trial), "")


def decisions_in(run: Run) -> tuple[Decision, ...]:
    """The decisions of a run's trials; none where networks are given."""
    given = KINDS[run.settings.kind].given
    return () if given else decisions_of(run.settings, run.config)


def _of_epoch(point: Mapping[Any, Any]) -> dict[str, Any]:
    """What was measured in an epoch, by name, from a row of the table ``epochs``."""
    return {str(key): value for key, value in point.items() if key not in ("trial", "epoch")}


def _plain(epoch: Epoch) -> dict[str, Any]:
    """The values of an epoch by name, measures among them."""
    values = epoch._asdict()
    measures = values.pop("measures") or {}
    del values["epoch"]
    return {**values, **measures}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Those of ``values`` that are finite numbers."""
    found = {}
    for name, value in values.items():
        if isinstance(value, int | float) and float("-inf") < value < float("inf"):
            found[name] = float(value)
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The settings of a run with names such as ``recipe.epochs``, and their values as text."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + str(name)] = value if isinstance(value, str) else json.dumps(value)
    return found


def read_ids(directory: Path) -> dict[str, str]:
    """What each tracker calls the run; empty if nothing was tracked, or the file is damaged."""
    try:
        found = read_json(directory / IDS)
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _front(run: Run) -> pd.DataFrame:
    """The front of what has finished; empty where nothing has."""
    try:
        return run.pareto()
    except (InputError, KeyError):
        return pd.DataFrame()
