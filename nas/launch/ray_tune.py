"""Runs trials on Ray Tune: one warm actor per worker, and a ``Searcher`` that asks our search.

Tune decides when and where a trial runs; our journal keeps what was asked, told and measured. Therefore
all files of Tune are switched off: its snapshots lose what finished since the last one, and its directory
per trial makes thousands of files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

from nas.errors import RunError
from nas.search.loop import Search
from nas.spec.resources import Resources
from nas.spec.trial import Epoch, Evaluator, Outcome, Trial, steps

# Ray reads these once, on import.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.update(
    RAY_AIR_NEW_OUTPUT="0",  # the old progress output can be silenced, the new one cannot
    RAY_CHDIR_TO_TRIAL_DIR="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",  # Ctrl-C is ours: stop, keep everything, say how to resume
    TUNE_GLOBAL_CHECKPOINT_S=str(10**9),
    TUNE_PRINT_ALL_TRIAL_ERRORS="0",
)

from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search import Searcher


class _NetworkTrial(tune.Trainable):
    """An actor that trains one network after another; each step is an epoch or the outcome."""

    def setup(self, config: dict[str, Any], evaluator: Evaluator) -> None:  # type: ignore[override]
        self.evaluator = evaluator
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        worker = f"{socket.gethostname()}:{new_config['slot']}"
        self.steps = steps(self.evaluator, new_config["trial"], worker)
        self.confirms = new_config["trial"].confirms
        return True

    def step(self) -> dict[str, Any]:
        step = next(self.steps)
        result: dict[str, Any] = {"step": step, "done": isinstance(step, Outcome), "accuracy": step.accuracy}
        if isinstance(step, Epoch) and not self.confirms:
            result["epoch"] = step.epoch  # ASHA ignores results without it
        return result


class _KeepReason(FIFOScheduler):
    """Remembers why the last trial was lost, which Tune tells its scheduler but not its searcher."""

    reason = ""

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        lines = Path(trial.error_file).read_text().split("\n")
        raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
        self.reason = raised[-1] if raised else "the worker died (killed, perhaps for memory)"


class _Asha(_KeepReason, ASHAScheduler):
    """ASHA, see ``asha``."""


def asha(epochs: int, curves: Mapping[int, list[tuple[int, float]]] = MappingProxyType({})) -> _Asha:
    """Asynchronous successive halving: stops a trial after 1, 2, 4, ... epochs if in the worse half so far.

    Args:
        epochs: of a full training run.
        curves: (epoch, accuracy) of each trial that has ended; with them a resumed run compares as before.

    Source: Li et al. 2020, arXiv:1810.05934.
    """
    scheduler = _Asha("epoch", "accuracy", "max", epochs, 1, 2, stop_last_trials=False)
    for trial, curve in curves.items():
        past: Any = SimpleNamespace(trial_id=f"journal {trial}")
        scheduler.on_trial_add(None, past)  # type: ignore[arg-type]
        for epoch, accuracy in curve:
            scheduler.on_trial_result(None, past, {"epoch": epoch, "accuracy": accuracy})  # type: ignore[arg-type]
    return scheduler


class _SearchSearcher(Searcher):
    """Tune's view of a ``Search``; each of ``workers`` concurrent trials has a slot, and its own files."""

    def __init__(self, search: Search, scheduler: _KeepReason, workers: int) -> None:
        super().__init__(metric="step", mode="max")
        self.search = search
        self.scheduler = scheduler
        self.trials: dict[str, tuple[Trial, int]] = {}
        self.free = list(range(workers))
        self.broken: RunError | None = None  # the journal's error; after it nothing is started or told

    @contextlib.contextmanager
    def _journalling(self) -> Iterator[None]:
        """Keeps a RunError until Tune has ended, which would blame it on the trial."""
        try:
            yield
        except RunError as error:
            self.broken = error

    def suggest(self, trial_id: str) -> Any:
        trial = None
        if not self.broken:
            with self._journalling():
                trial = self.search.next()
        if trial is None:
            return Searcher.FINISHED if self.broken or self.search.done else None
        slot = self.free.pop()
        self.trials[trial_id] = trial, slot
        return {"trial": trial, "slot": slot}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if isinstance(result["step"], Epoch) and not self.broken:
            with self._journalling():
                self.search.epoch(self.trials[trial_id][0], result["step"])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        step = result["step"] if result and not error else None
        trial, slot = self.trials.pop(trial_id)
        self.free.append(slot)
        if self.broken:
            return
        with self._journalling():
            if result and isinstance(step, Epoch):  # the scheduler has stopped the trial
                self.search.epoch(trial, step)
                worker = f"{result['hostname']}:{slot}"
                measured = None, step.images_per_second, step.peak_memory
                step = Outcome(step.accuracy, step.epoch, step.seconds, worker, *measured)
            elif step is None:
                step = Outcome(None, 0, 0.0, "", self.scheduler.reason)
            self.search.finish(trial, step)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: the journal has all that Tune's snapshots would keep."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Saves nothing, for the same reason."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called: ``nas resume`` replays the journal."""


class _RemoveDirectory(tune.Callback):
    """Removes a trial's directory when it ends, so that the slot's next trial can make it again."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        shutil.rmtree(trial.local_path, ignore_errors=True)

    on_trial_error = on_trial_complete


def run_ray(search: Search, evaluator: Evaluator, resources: Resources) -> None:
    """Runs the trials on the open cluster, under ASHA if ``search.epochs`` is not None.

    Raises:
        RunError: if the journal cannot be written; trials that are running are trained to their end first.
    """
    assert resources.workers is not None
    trainable = tune.with_resources(
        tune.with_parameters(_NetworkTrial, evaluator=evaluator),
        {"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial or 0},
    )
    scheduler = _KeepReason()  # type: ignore[no-untyped-call]
    if search.epochs is not None:
        scheduler = asha(search.epochs, search.journal.curves())
    searcher = _SearchSearcher(search, scheduler, resources.workers)
    with tempfile.TemporaryDirectory(prefix="nas-tune-") as directory:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=scheduler,
                num_samples=-1,
                max_concurrent_trials=resources.workers,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: f"slot{trial.config['slot']}",
            ),
            run_config=tune.RunConfig(
                storage_path=directory,
                name="nas",
                verbose=0,
                callbacks=[_RemoveDirectory()],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        ).fit()
    if searcher.broken:
        raise searcher.broken
