"""Which training runs a search makes."""

from __future__ import annotations

from dataclasses import dataclass, field

from nas.search.confirm import Confirm


@dataclass(frozen=True)
class Trainings:
    """Which training runs a search makes.

    Args:
        trials: proposals to make in all; fewer are made if the time is up first.
        seed: the run's; each training run derives its own from it.
        confirm: which networks are trained again when all trials have finished.
        epochs: in a full training run, if a scheduler may stop trials early; the controller is then told
            their predicted final rewards.
        repeats: whether a network that was proposed before is trained again, on the new trial's seed.
            Otherwise its result is told again, at no cost of time.
    """

    trials: int
    seed: int = 0
    confirm: Confirm = field(default_factory=Confirm)
    epochs: int | None = None
    repeats: bool = False
