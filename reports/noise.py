"""How far accuracies can be trusted: the noise between seeds against the spread of the networks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.means import trained
from reports.numbers import plural
from reports.uncertainty import confirmed, flops_of, measured_noise, posterior, usual


@dataclass(frozen=True)
class SeedNoise:
    """Standard deviations of accuracy.

    noise: between training runs of one network on different seeds; see ``measured_noise``.
    spread: between networks, each trained once, so it includes noise.
    pairs: networks that were trained again.
    trainings: further runs of these networks.
    networks: distinct networks that were trained.
    ties: networks that cannot be told apart from the one with the highest estimate, itself included.
    """

    noise: float
    spread: float
    pairs: int
    trainings: int
    networks: int
    ties: int

    @property
    def least_difference(self) -> float:
        """Two accuracies that differ by less may come from equal networks (95 %)."""
        return 1.96 * math.sqrt(2) * self.noise

    def __str__(self) -> str:
        if self.noise >= self.spread:
            verdict = "this proxy cannot rank these networks at all"
        elif self.ties > 1:
            verdict = f"this proxy cannot tell the top {self.ties} apart"
        else:
            verdict = "the best network stands out"
        seeds = plural(self.trainings, "fresh seed")
        networks = plural(self.pairs, "network")
        if round(self.noise, 4) == 0:
            return (
                f"No seed noise was seen: {networks} trained again, on {seeds} in all, had the same "
                f"accuracy as before. The spread of the {self.networks} networks is {self.spread:.4f}."
            )
        return (
            f"Seed noise is {self.noise:.4f} in accuracy ({networks} trained again, on {seeds} in all), "
            f"and the spread of the {self.networks} networks is {self.spread:.4f}. Single training runs that "
            f"differ by less than {self.least_difference:.4f} say nothing, and {verdict}."
        )


def seed_noise(trials: pd.DataFrame, confirmations: pd.DataFrame) -> SeedNoise | None:
    """The noise and the spread; None if there are fewer than two networks or none was trained twice.

    Args:
        trials, confirmations: as for ``measured_noise``.
    """
    found = measured_noise(trials, confirmations)
    first = trained(trials)
    groups = first.groupby("arch", sort=False)["accuracy"]
    if found is None or groups.ngroups < 2:
        return None
    again = confirmed(first, confirmations)
    everything = pd.concat([first[["arch", "accuracy"]], again]).groupby("arch", sort=False)["accuracy"]
    once = groups.first().to_numpy(float)
    center = usual(once, flops_of(first, groups.first().index))
    mean, error = posterior(
        everything.mean().to_numpy(float), everything.size().to_numpy(), once, center, found.deviation
    )
    top = int(np.argmax(mean))
    apart = mean[top] - mean > 1.96 * np.hypot(error, error[top])
    return SeedNoise(
        noise=found.deviation,
        spread=float(once.std(ddof=1)),
        pairs=found.networks,
        trainings=found.trainings,
        networks=len(once),
        ties=int((~apart).sum()),
    )
