"""What a person sees of a training run: epochs while it is in progress, the learning curve at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import reports
from nas.errors import command
from nas.runs.run import Run
from nas.runs.training_results import training_facts
from nas.screens.progress import PLAIN_LINES, Screen
from nas.screens.words import Parts
from nas.spec.listener import Standing
from nas.spec.settings import Settings
from nas.spec.trial import Epoch, Outcome, Row, Trial
from nas.training import weights
from reports.numbers import duration

UPDATE_SECONDS = 0.25
"""The bar moves at most this often within an epoch."""
SHOWN = 10
"""How many of the last epochs are printed; ``curve.csv`` has all."""
RECENT = 5
"""The remaining time is estimated from this many of the last epochs."""


class TrainingScreen(Screen):
    """A ``Screen`` that shows epochs instead of trials."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self.epochs = 0  # of the whole training run
        self.restored = 0
        self.seconds = [0.0]  # since the start: 0, then after each epoch
        self.updated = 0.0

    def on_start(self, settings: Settings, finished: Sequence[Row], standing: Standing) -> None:
        self.epochs = settings.recipe.epochs
        self._progress.update(self._task, description="Training", total=self.epochs, completed=0)

    def on_restore(self, epochs: int) -> None:
        self.restored = epochs
        self.say(f"Resuming after epoch {epochs} of {self.epochs}")
        self._progress.update(self._task, completed=epochs)

    def on_step(self, epochs: float) -> None:
        now = time.monotonic()
        if now > self.updated + UPDATE_SECONDS:
            self.updated = now
            self._progress.update(self._task, completed=epochs)

    def on_epoch(self, trial: Trial, epoch: Epoch, standing: Standing) -> None:
        self.seconds.append(epoch.seconds)
        if epoch.epoch <= self.restored:
            return
        state = f"validation accuracy {epoch.accuracy:.4f}"
        self._progress.update(self._task, completed=epoch.epoch, state=state)
        last = epoch.epoch == self.epochs
        if self._progress.disable and (last or epoch.epoch % math.ceil(self.epochs / PLAIN_LINES) == 0):
            recent = self.seconds[-RECENT - 1 :]
            each = (recent[-1] - recent[0]) / (len(recent) - 1)
            left = "" if last else f", {duration(each * (self.epochs - epoch.epoch))} left"
            self.say(
                f"epoch {epoch.epoch}/{self.epochs}: training loss {epoch.train_loss:.4f}, validation loss "
                f"{epoch.valid_loss:.4f}, {state}, {self.seconds[-1] - self.seconds[-2]:.1f} s{left}"
            )

    def on_finish(self, row: Row, outcome: Outcome, standing: Standing) -> None:
        """Prints nothing: the report follows."""


def training_parts(_run: Run, facts: dict[str, Any]) -> Parts:
    """The last epochs, the accuracies, and where the weights are."""
    return [reports.epochs_table(facts["curve"][-SHOWN:]), "", *training_lines(facts)]


def training_so_far(run: Run) -> Parts:
    """The last epochs."""
    return training_parts(run, training_facts(run))[:1]


def training_sentence(facts: dict[str, Any]) -> str:
    """The progress of the training run in words."""
    return training_lines(facts)[1]


def training_lines(facts: dict[str, Any]) -> list[str]:
    """``training_facts`` in words."""
    run, of_epochs = facts["run"], facts["of_epochs"]
    network = f"{facts['arch']}: {reports.count(facts['flops'])} FLOPs at {facts['resolution']} px"
    if facts["status"] == "failed":
        return [network, f"Failed after {facts['epochs']} of {of_epochs} epochs: {facts['error']}"]
    if facts["status"] != "done":
        done = f"{facts['epochs']} of {of_epochs} epochs are done"
        return [network, f"{done}; if it was interrupted: {command('resume', run)}"]
    test = facts["test_accuracy"]
    return [
        network,
        f"Validation accuracy {facts['accuracy']:.4f} after {of_epochs} epochs on {facts['data']}, "
        f"{duration(facts['seconds'])}",
        "Test accuracy: not measured, the data has no test part"
        if test is None
        else f"Test accuracy {test:.4f}",
        f"Weights are in {run}/{weights.NAME}; look at the network with: {command('show', run)}",
    ]
