"""The events of a run in progress: screens and other trackers subclass ``Listener``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.spec.settings import Settings
    from nas.spec.trial import Epoch, Outcome, Row, Trial


@dataclass(frozen=True)
class Standing:
    """How far a search has come.

    Args:
        trials: total to make.
        finished: trials that are done or failed.
        running: training runs in progress, confirmations included.
        confirmed: confirmations that have finished.
        confirmations: total to make; an upper bound until all trials have finished.
    """

    trials: int
    finished: int
    running: int
    confirmed: int
    confirmations: int


class Listener:
    """Ignores every event; a subclass overrides the ones it wants.

    Events come one at a time, in the process that runs the search, after they have been journalled; to
    trackers in a thread of their own. What they hold must not be changed.
    """

    def say(self, text: str) -> None:
        """A line of text for the user."""

    def progress(self, doing: str, done: int, total: int) -> None:
        """Progress of a preparation such as ``Packing images``: ``done`` of ``total``."""

    def on_made(self, directory: Path) -> None:
        """The directory of a new run has been made: the run can be resumed from now on."""

    def on_part(self, directory: Path) -> None:
        """Trials of the run, or of a part of it such as ``RUN/long``, begin in ``directory``."""

    def on_start(self, settings: Settings, finished: Sequence[Row], standing: Standing) -> None:
        """Trials begin; ``finished`` are those of a resumed run that had finished before."""

    def on_epoch(self, trial: Trial, epoch: Epoch, standing: Standing) -> None:
        """A trial or a confirmation has finished an epoch."""

    def on_finish(self, row: Row, outcome: Outcome, standing: Standing) -> None:
        """A trial is done or has failed, and the controller has been told."""

    def on_confirm(self, trial: Trial, outcome: Outcome, standing: Standing) -> None:
        """A confirmation is done or has failed."""

    def on_retry(self, trial: Trial, reason: str, standing: Standing) -> None:
        """A trial or a confirmation was lost with its worker, and will run again."""

    def on_restore(self, epochs: int) -> None:
        """A full training run continues from a checkpoint after ``epochs`` epochs."""

    def on_step(self, epochs: float) -> None:
        """A full training run has taken a step; ``epochs`` are done, the current one as a fraction."""

    def on_end(self, directory: Path, how: str) -> None:
        """It is over, for this process: ``done``, with all files written, ``interrupted`` or ``failed``."""
