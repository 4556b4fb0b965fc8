"""What a person sees of one training: its epochs while it goes on, its learning curve when it is over."""

from __future__ import annotations

import math
import time

from nas.journal import Row
from nas.run import Run
from nas.screen import PLAIN_LINES, Screen
from nas.search import Search
from nas.trained import print_summary, summary
from nas.trial import Epoch, Outcome
from reports.page_parts import duration

UPDATE_SECONDS = 0.25
RECENT = 5
"""Epochs that the time of the others is judged by."""


class TrainingScreen(Screen):
    """Of ``epochs``, where a ``Screen`` is of trials."""

    def __init__(self, epochs: int, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self.epochs = epochs
        self.restored = 0
        self.seconds = [0.0]  # since the training began, at its start and after each epoch
        self.updated = 0.0

    def start(self, search: Search, *, audits: bool = False) -> None:
        self.search, self.audits = search, audits
        for note in self.notes:
            self.say(note)
        self._progress.update(self._task, description="Training", total=self.epochs, completed=0)

    def on_restore(self, epochs: int) -> None:
        self.restored = epochs
        self.say(f"Goes on after epoch {epochs} of {self.epochs}")
        self._progress.update(self._task, completed=epochs)

    def on_step(self, epochs: float) -> None:
        now = time.monotonic()
        if now > self.updated + UPDATE_SECONDS:
            self.updated = now
            self._progress.update(self._task, completed=epochs)

    def on_epoch(self, epoch: Epoch) -> None:
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

    def on_finish(self, row: Row, outcome: Outcome) -> None:
        """What there is to say, ``finished`` says."""

    def finished(self, run: Run) -> None:
        print_summary(self.console, summary(run))
