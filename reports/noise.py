"""How far accuracies can be believed: the noise of a seed against the spread of the networks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class SeedNoise:
    """Standard deviations of accuracy.

    noise: between two trainings of one network, on different seeds.
    spread: between networks, each trained once, so noise included.
    pairs: networks that were trained twice.
    networks: distinct networks that were trained.
    ties: networks that the noise does not separate from the most accurate one, itself included.
    """

    noise: float
    spread: float
    pairs: int
    networks: int
    ties: int

    @property
    def least_difference(self) -> float:
        """Two accuracies that differ by less may come from equal networks (95 %)."""
        return 1.96 * math.sqrt(2) * self.noise

    def __str__(self) -> str:
        if self.noise >= self.spread:
            verdict = "the proxy cannot rank these networks at all"
        elif self.ties > 1:
            verdict = f"it cannot tell the top {self.ties} apart"
        else:
            verdict = "the best network stands out"
        trained = f"{self.pairs} network{'s' * (self.pairs > 1)} trained on a second seed"
        return (
            f"Seed noise is {self.noise:.4f} in accuracy ({trained}), "
            f"the {self.networks} networks spread {self.spread:.4f}: differences below "
            f"{self.least_difference:.4f} say nothing, and {verdict}."
        )


def seed_noise(trials: pd.DataFrame, confirmations: pd.DataFrame) -> SeedNoise | None:
    """The noise measured by ``confirmations`` (``trial``, ``accuracy``); None without any pair.

    Two trainings of one network differ by sqrt(2) times the noise.
    """
    networks = trials[(trials["status"] == "done") & trials["repeat_of"].isna()].set_index("trial")[
        "accuracy"
    ]
    again = confirmations.dropna(subset=["accuracy"]).set_index("trial")["accuracy"]
    differences = (again - networks.reindex(again.index)).dropna()
    if differences.empty or len(networks) < 2:
        return None
    noise = float(np.sqrt((differences**2).mean() / 2))
    ties = int((networks >= networks.max() - 1.96 * math.sqrt(2) * noise).sum())
    return SeedNoise(noise, float(networks.std()), len(differences), len(networks), ties)
