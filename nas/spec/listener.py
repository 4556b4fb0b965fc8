"""What a run tells while it goes on: screens subclass ``Listener``, and so does whatever else keeps track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.spec.settings import Settings
    from nas.spec.trial import Epoch, Outcome, Row, Trial


@dataclass(frozen=True)
class Standing:
    """Where a search stands.

    Args:
        trials: to make in all.
        finished: those that are done or failed.
        running: training runs at this moment, confirmations included.
        confirmed: confirmations that have finished.
        confirmations: to make in all; an upper bound until all trials have finished.
    """

    trials: int
    finished: int
    running: int
    confirmed: int
    confirmations: int


class Listener:
    """Is told what happens, and ignores it: a subclass overrides the events that it wants.

    Events come one at a time, from the process that runs the search, after they are in the journal.
    """

    def say(self, text: str) -> None:
        """A line for the person who watches."""

    def progress(self, doing: str, done: int, total: int) -> None:
        """Preparations go on, such as ``Packing images``: ``done`` of ``total`` so far."""

    def on_start(self, settings: Settings, finished: Sequence[Row], standing: Standing) -> None:
        """Trials begin; ``finished`` were there already, where a run is resumed."""

    def on_epoch(self, trial: Trial, epoch: Epoch, standing: Standing) -> None:
        """A trial or a confirmation has finished an epoch."""

    def on_finish(self, row: Row, outcome: Outcome, standing: Standing) -> None:
        """A trial is done or has failed, and the controller knows."""

    def on_confirm(self, trial: Trial, outcome: Outcome, standing: Standing) -> None:
        """A confirmation is done or has failed."""

    def on_restore(self, epochs: int) -> None:
        """A full training goes on from a checkpoint that has ``epochs``."""

    def on_step(self, epochs: float) -> None:
        """A full training has taken a step; ``epochs`` are done, the present one as a fraction."""
