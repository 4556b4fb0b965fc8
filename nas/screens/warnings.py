"""Warnings before anything is spent: what the proxy hides, and a target that no network comes near."""

from __future__ import annotations

import numpy as np

from nas.runs.kinds import space_of
from nas.spec.settings import Settings
from reports.numbers import count
from search_spaces import ArchSpec, SearchSpace, cost

COARSE = 3
"""Images with this many times the pixels per side that candidates see lose what is small in them."""
PUBLISHED = 400e6, 224
"""MnasNet's target, and the resolution in pixels that it is meant for."""
SAMPLED = 100
UNEVEN = 10
"""Classes with this many times the images of others are pointed out."""
FEW = 20_000
"""With fewer photos, training from scratch is far behind fine-tuning (LOG.md)."""
PRETRAINED = "pip install 'nas-scaling[weights]'"
FAR = 1.5
"""A target this many times above or below all sampled networks is pointed out."""


def warnings(settings: Settings) -> list[str]:
    """A line for each; empty if there is nothing to warn of, or nothing is trained as a candidate."""
    if settings.evaluator != "train" or settings.kind == "training":
        return []
    space = space_of(settings)
    first = space.first
    seen = settings.recipe.shrink(first, settings.reference)
    lines = [
        uneven_warning(settings),
        detail_warning(settings, seen),
        target_warning(settings, space),
        few_warning(settings),
    ]
    return [line for line in lines if line]


def few_warning(settings: Settings) -> str | None:
    """That so few photos say little from scratch, and which options begin with pretrained weights."""
    task = settings.task
    if settings.init or task is None or not task.image_size or task.train >= FEW:
        return None
    options = {"search": "--space mnas-lite --init", "audit": "--space mnas-lite --init"}.get(
        settings.kind, "--init"
    )
    return (
        f"{task.train:,} photos are few to train on from scratch: {options} efficientnet-lite0 begins with "
        f"ImageNet's weights ({PRETRAINED})."
    )


def uneven_warning(settings: Settings) -> str | None:
    """That some classes have far fewer training images than others, and count as much less."""
    task = settings.task
    if task is None or task.largest <= UNEVEN * task.smallest or settings.recipe.class_weights != "none":
        return None
    metric = "" if settings.kind == "training" else ", and --metric balanced_accuracy judges by them alike"
    return (
        f"The largest class has {task.largest:,} training images and the smallest {task.smallest:,}: "
        f"--class-weights balanced lets the classes count alike{metric}."
    )


def detail_warning(settings: Settings, seen: ArchSpec) -> str | None:
    """That candidates see too little of the images, or their strides leave a single pixel of it."""
    own, side = settings.task.image_size if settings.task else 0, seen.resolution
    far, one = own >= COARSE * side, seen.stride >= side
    if not far and not one:
        return None
    said = f"Of {side} px, the networks' strides leave 1 pixel"
    if far:
        said = f"The images have about {own} px, and candidates see them at {side} px"
        said += ", of which the networks' strides leave 1 pixel" * one
    return f"{said}: --proxy resolution={2 * side} shows more, at about 4 times the cost."


def target_warning(settings: Settings, space: SearchSpace) -> str | None:
    """That all networks of the space are far below or above the target."""
    if settings.kind != "search" or settings.task is None:
        return None
    rng = np.random.default_rng(0)
    flops = [cost(space.decode(space.sample(rng)), space.num_classes).flops for _ in range(SAMPLED)]
    target = settings.objective.target_flops
    if target is None:
        return None
    if min(flops) / FAR <= target <= max(flops) * FAR:
        return None
    published, resolution = PUBLISHED
    size = space.resolution
    like = published * (size / resolution) ** 2
    return (
        f"Networks of {space.name} have {count(min(flops))} to {count(max(flops))} FLOPs at {size} px, far "
        f"from the target of {count(target)}: --target-flops {count(like)} is to {size} px what "
        f"{count(published)} is to {resolution}."
    )
