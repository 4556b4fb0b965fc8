"""What a tracker is told of a run, and what can be told: ``RunTracker`` makes one of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd


@dataclass(frozen=True)
class Trained:
    """One network that was trained, or looked up.

    Args:
        name: ``trial-3``, or of another training run ``confirmation-3-seed-17``; in a part ``long/trial-3``.
        step: the number of the trial, by which the run's own curves go; None for other training runs.
        decisions: what it is, by name: those of the space, ``arch``, ``seed``.
        values: what was measured, by name: accuracy, reward, costs, seconds, ...
        error: why it failed; None if it did not.
    """

    name: str
    step: int | None
    decisions: Mapping[str, str]
    values: Mapping[str, float]
    error: str | None = None


@dataclass(frozen=True)
class Ending:
    """What is left to tell when a run is over.

    Args:
        how: ``done``, ``interrupted`` or ``failed``.
        front: the networks that no other beats; empty if none has finished.
        names: those of the front, as ``Trained.name``.
        trials: all of them, with a column for each decision.
        files: of the run, to keep as they are: the page first.
    """

    how: str
    front: pd.DataFrame = field(default_factory=pd.DataFrame)
    names: Sequence[str] = ()
    trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    files: Sequence[Path] = ()


class Sink(Protocol):
    """One tracker. Each method may fail: the tracker is then left out of the rest of the run.

    Attributes:
        known: the names of the networks that the tracker has already, wholly; of none of the others.
    """

    known: frozenset[str]

    def begin(self, directory: Path, before: str, settings: Mapping[str, str]) -> str:
        """Goes on with the tracker's run ``before``, or begins one where that is empty or gone.

        Returns:
            what names it, to go on with later.
        """

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        """One point of a learning curve; an empty name is the run itself."""

    def again(self, name: str) -> None:
        """A network is trained again from the start: its curve so far does not count."""

    def trained(self, network: Trained) -> None:
        """A network is done or has failed."""

    def end(self, ending: Ending) -> None:
        """The run is over for this process."""
