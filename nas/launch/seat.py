"""A worker as the loop of ``nas.launch.workers`` sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nas.launch.worker import NO_SIGN, Place, Sign
from nas.spec.trial import Trial


@dataclass(eq=False)
class Seat:
    """A worker, and the trial that it runs.

    Args:
        name: of its signs of life.
        step: what it is doing; None if it waits for a trial.
        heard, moved: when it last gave a sign of life, and when its training last went on.
    """

    slot: int
    name: str
    actor: Any
    step: Any
    place: Place | None = None
    trial: Trial | None = None
    began: float = 0.0
    heard: float = 0.0
    moved: float = 0.0
    sign: Sign = NO_SIGN

    @property
    def worker(self) -> str:
        """Its name in the table of trials."""
        return f"{self.place.host}:{self.slot}" if self.place else ""
