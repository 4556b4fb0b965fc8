"""The short training run that ranks candidates."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from nas.data import Dataset
from nas.spec.recipe import Recipe
from nas.spec.trial import Epoch, Trial
from nas.training.allocator import release_memory


@dataclass(frozen=True)
class Training:
    """Trains each network on the proxy task.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: that torch uses; sums depend on their number, so it is part of the task.
        reference: see ``Recipe.shrink``.
    """

    data: Dataset
    recipe: Recipe
    device: str = "cpu"
    threads: int = 1
    reference: int | None = None

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """Yields each epoch when it is trained; confirmations are judged on the test part too."""
        import torch

        from nas.training.trainer import train

        torch.set_num_threads(self.threads)
        try:
            asked = trial.arch, self.data, self.recipe, trial.seed, self.device, self.reference
            yield from train(*asked, test=trial.confirms)
        except Exception as failure:
            # Perhaps out of memory: the traceback's frames would keep the network alive.
            traceback.clear_frames(failure.__traceback__)
            raise
        finally:
            release_memory()
            if self.device != "cpu":
                torch.cuda.empty_cache()  # other trials may share this GPU
