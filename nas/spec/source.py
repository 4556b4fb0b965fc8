"""The training run that comes first where candidates inherit: the weights' own network, on the run's images.

Weights that know the images already are a better start for slices than those of another task: they need less
training, and seeds differ less (LOG.md).
"""

from __future__ import annotations

import dataclasses

from nas.spec.machine import cpu_count
from nas.spec.objective import Objective
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.spec.task import full_resolution
from search_spaces import ArchSpec

SOURCE = "source"
"""The subdirectory of the run that has it."""


def source_settings(settings: Settings) -> Settings | None:
    """The settings of that training run; None if the weights are taken as they are.

    Args:
        settings: of a run whose images and weights have been read.
    """
    init, task, recipe = settings.init, settings.task, settings.tuned
    if init is None or task is None or recipe is None:
        return None
    own = ArchSpec.parse(init.arch)
    size = full_resolution(own.resolution, task.image_size, recipe.least_resolution)
    arch = dataclasses.replace(own, resolution=recipe.resolution or size)
    resources = settings.resources
    gpus = 0.0 if resources.gpus_per_trial == 0 else None
    here = Resources("inline", None, cpu_count(), gpus, resources.cache_size)
    return dataclasses.replace(
        settings,
        space="train",
        trials=1,
        controller="grid",
        controller_settings={},
        objective=Objective(1.0, 0.0),  # the reward is the accuracy
        recipe=dataclasses.replace(recipe, resolution=0, least_resolution=0).suited(task.train),
        tuned=None,
        data_seed=settings.split_seed,
        confirmations=0,
        baselines={},
        scheduler="fifo",
        networks=(str(arch),),
        scaling=None,
        audit=None,
        task=dataclasses.replace(task, resolution=None),
        resources=here,
        device="",
        files={},
        keep="last",  # the best epoch would be chosen by the images that judge candidates
    )
