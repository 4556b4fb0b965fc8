"""The short training run that ranks candidates."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.data import Dataset
from nas.errors import InputError
from nas.spec.recipe import Recipe
from nas.spec.trial import Epoch, Trial
from nas.training.allocator import release_memory

if TYPE_CHECKING:
    from nas.training.pretrained import Pretrained
    from nas.training.trainer import Trainer
    from search_spaces import ArchSpec


@dataclass(frozen=True)
class Training:
    """Trains each network on the proxy task.

    Args:
        device: ``cpu`` or ``cuda``.
        threads: that torch uses; sums depend on their number, so it is part of the task.
        reference: see ``Recipe.shrink``.
        init: the pretrained weights that networks begin with; None for fresh ones.

    Raises:
        InputError: if ``init`` is for images with another number of channels, and these are not grey.
    """

    data: Dataset
    recipe: Recipe
    device: str = "cpu"
    threads: int = 1
    reference: int | None = None
    init: Pretrained | None = None

    def __post_init__(self) -> None:
        if self.init is None:
            return
        own, there = len(self.init.mean), self.data.train.images.shape[3]
        if there not in (1, own):
            raise InputError(
                f"init must be weights for images of {there} channels, got {own} in {self.init.name}"
            )

    def trainer(self, arch: ArchSpec, seed: int, **options: Any) -> Trainer:
        """A trainer of ``arch``, which must already be shrunk by the recipe; arguments as ``Trainer``'s."""
        from nas.training.trainer import Trainer

        return Trainer(arch, self.data, self.recipe, seed, self.device, init=self.init, **options)

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """Yields each epoch when it is trained; confirmations are judged on the test part too."""
        import torch

        from nas.training.trainer import train

        torch.set_num_threads(self.threads)
        try:
            asked = trial.arch, self.data, self.recipe, trial.seed, self.device, self.reference
            yield from train(*asked, init=self.init, test=trial.confirms)
        except Exception as failure:
            # Perhaps out of memory: the traceback's frames would keep the network alive.
            traceback.clear_frames(failure.__traceback__)
            raise
        finally:
            release_memory()
            if self.device != "cpu":
                torch.cuda.empty_cache()  # other trials may share this GPU
