"""Asynchronous successive halving, by Ray Tune's scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import nas.launch.cluster  # noqa: F401 - sets the variables that Ray reads on import

# isort: split
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

NO_CURVES: Mapping[int, list[tuple[int, float]]] = MappingProxyType({})


class Asha:
    """Stops a trial after 1, 2, 4, ... epochs if in the worse half so far.

    Args:
        epochs: of a full training run.
        curves: (epoch, accuracy) of each trial that has ended; with them a resumed run compares as before.

    Source: Li et al. 2020, arXiv:1810.05934.
    """

    def __init__(self, epochs: int, curves: Mapping[int, list[tuple[int, float]]] = NO_CURVES) -> None:
        self.scheduler = ASHAScheduler("epoch", "accuracy", "max", epochs, 1, 2, stop_last_trials=False)
        self.trials: dict[int, Any] = {}
        for trial, curve in curves.items():
            for epoch, accuracy in curve:
                self.stops(trial, epoch, accuracy)

    def stops(self, trial: int, epoch: int, accuracy: float | None) -> bool:
        """Whether ``trial`` is over, after an epoch with this accuracy."""
        if accuracy is None:
            return False
        if trial not in self.trials:
            self.trials[trial] = SimpleNamespace(trial_id=str(trial))
            self.scheduler.on_trial_add(None, self.trials[trial])  # type: ignore[arg-type]
        result = {"epoch": epoch, "accuracy": accuracy}
        said = self.scheduler.on_trial_result(None, self.trials[trial], result)  # type: ignore[arg-type]
        return bool(said == TrialScheduler.STOP)
