"""A run's settings and sizes for the images that there are."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from nas.errors import InputError
from nas.runs.kinds import KINDS, space_of
from nas.spec import own
from nas.spec.recipe import FINETUNE, Recipe, enlarged
from nas.spec.settings import Settings
from nas.spec.task import Task, family_limit, full_resolution
from search_spaces import PUBLISHED, ArchSpec, cost, narrowed
from search_spaces.around import AROUND

if TYPE_CHECKING:
    from nas.data import Dataset


def sized(settings: Settings, image_size: int) -> Settings:
    """``settings`` with networks as large as in the end, for images of ``image_size`` pixels."""
    if settings.data == "digits":  # drawn at any size: they stand in for photos
        image_size = 0
    if settings.scaling:
        limit = settings.scaling.largest or family_limit(settings.scaling.arch.resolution, image_size)
        scaling = dataclasses.replace(settings.scaling, largest=limit)
        return dataclasses.replace(settings, scaling=scaling, task=Task(image_size=image_size))
    if settings.networks or settings.space.startswith(AROUND):  # given as they are
        return dataclasses.replace(settings, task=Task(image_size=image_size))
    least = settings.recipe.resolution
    if settings.init is not None:  # the winner's training run enlarges smaller images to this
        least = max(least, FINETUNE.least_resolution)
    size = full_resolution(space_of(settings).resolution, image_size, least)
    task = Task(resolution=size, image_size=image_size)
    return dataclasses.replace(settings, task=task)


def for_images(settings: Settings, data: Dataset) -> Settings:
    """``settings`` with the task and epochs that suit ``data``; a scaling run's networks have its classes."""
    settings = sized(settings, data.image_size)
    assert settings.task is not None
    images = np.bincount(data.train.labels, minlength=data.num_classes)
    task = dataclasses.replace(
        settings.task,
        classes=data.num_classes,
        train=len(data.train.labels),
        valid=len(data.valid.labels),
        test=len(data.test.labels) if data.test else 0,
        smallest=int(images.min()),
        largest=int(images.max()),
    )
    recipe, audit = settings.recipe.suited(task.train), settings.audit
    if audit and audit.long:
        audit = dataclasses.replace(audit, long=audit.long.suited(task.train))
    settings = dataclasses.replace(settings, task=task, recipe=recipe, audit=audit)
    if task.resolution is not None:  # those of the space are at this resolution too
        known = {
            name: str(dataclasses.replace(ArchSpec.parse(text), resolution=task.resolution))
            for name, text in settings.baselines.items()
        }
        settings = dataclasses.replace(settings, baselines=known)
        settings = with_plain_rival(settings, task.resolution, data.num_classes)
    if settings.scaling is None:
        return settings
    scaling = dataclasses.replace(settings.scaling, num_classes=data.num_classes)
    try:
        for candidate in scaling.candidates:
            if not scaling.sweep:
                scaling.family(candidate.triples[0])  # raises now what would fail after all training
    except ValueError as error:
        raise InputError(str(error)) from None
    trials = len(scaling.candidates) * scaling.seeds
    objective = settings.objective
    if not scaling.latencies:
        objective = dataclasses.replace(objective, target_flops=scaling.target_flops)
    return dataclasses.replace(settings, scaling=scaling, trials=trials, objective=objective)


def with_plain_rival(settings: Settings, resolution: int, num_classes: int) -> Settings:
    """``settings`` with the network to beat: that of the inherited weights, narrowed to the target's FLOPs.

    It comes first among the published networks of the space, where these are compared with the choice, and
    the weights' own network has more FLOPs.
    """
    published = PUBLISHED.get(settings.space, ())
    if settings.init is None or not published or set(settings.baselines) != set(published):
        return settings
    whole = dataclasses.replace(ArchSpec.parse(settings.init.arch), resolution=resolution)
    target = settings.objective.target_flops
    if target is None or cost(whole, num_classes).flops <= target:
        return settings
    width, arch = narrowed(whole, target, num_classes)
    name = f"{settings.init.name} x{width:g}"
    return dataclasses.replace(settings, baselines={name: str(arch), **settings.baselines})


def pack_size(settings: Settings) -> int:
    """The side, in pixels, at which images are kept for a run: that of the largest resolution it trains.

    Of an earlier run in a space in code, which is not run again, its task knows.
    """
    task = settings.task
    if task and task.resolution and own.is_own(settings.space) and own.kept("space") is None:
        return kept_size(settings.recipe.resolution or task.resolution, settings.recipe)
    space = space_of(settings)
    # Networks differ in resolution only where they are a list, or where it is the first decision.
    differ = KINDS[settings.kind].given or space.resolutions
    count = len(space.decisions[0].choices) if differ else 1
    archs = [space.decode([choice] + [0] * (len(space.decisions) - 1)) for choice in range(count)]
    resolution = max(settings.recipe.shrink(arch, settings.reference).resolution for arch in archs)
    return kept_size(resolution, settings.recipe)


def kept_size(resolution: int, recipe: Recipe) -> int:
    """The side at which images are kept for networks of ``resolution``, in pixels.

    Random crops need a margin around it: EfficientNet is evaluated on the middle 224 of 256 pixels.
    """
    return enlarged(resolution) if recipe.crop == "random_resized" else resolution
