"""Which networks are trained again when all trials have finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nas.spec.seeds import trial_seed
from nas.spec.trial import Row, Trial
from search_spaces import Built

NO_TRIAL = -1
"""The trial of a baseline."""
FIRST_BASELINE = 2**32
"""In seeds, baselines are numbered from here: there are fewer trials."""


@dataclass(frozen=True)
class Confirm:
    """Which networks are trained again when all trials have finished.

    They lead partly by luck, so it is the fresh results, compared with one another, that show the noise
    between seeds: ``reports.uncertainty``.

    Args:
        networks: how many, those with the highest rewards; if a scheduler stopped a trial, its reward is the
            one that its learning curve predicts.
        seeds: fresh seeds that each is trained on.
        baselines: known networks, by name, that are then trained on as many seeds.
    """

    networks: int = 0
    seeds: int = 1
    baselines: Mapping[str, Built] = field(default_factory=dict)

    def most(self, trials: int) -> int:
        """How many training runs these are after so many ``trials``, if none of them fails."""
        networks = min(self.networks, trials)
        return (networks + len(self.baselines) * bool(networks)) * self.seeds

    def trainings(self, ranked: Sequence[Row], seed: int, network: Callable[[Row], Built]) -> list[Trial]:
        """These training runs in order.

        Args:
            ranked: the trials that were trained, the best first.
            seed: the run's.
            network: that of a trial.
        """
        if not (ranked and self.networks):
            return []
        again = [
            Trial(row.trial, network(row), trial_seed(seed, row.trial, number), confirms=True)
            for number in range(1, self.seeds + 1)
            for row in ranked[: self.networks]
        ]
        known = [
            Trial(NO_TRIAL, arch, trial_seed(seed, FIRST_BASELINE + place, number), True, name)
            for number in range(1, self.seeds + 1)
            for place, (name, arch) in enumerate(self.baselines.items())
        ]
        return again + known
