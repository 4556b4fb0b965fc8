"""Prepares ``nas train``: what is trained, at which resolution, on how many threads and for how many epochs.

All of it is known before a run's directory is made:

    run --its data--> resolution --images at that size--> a few timed steps --> threads, epochs, duration
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nas.data import Dataset
from nas.errors import InputError
from nas.launch import prepare, suited
from nas.launch.new_run import Place, refuse_existing
from nas.launch.pace import Pace, measure, thread_counts
from nas.launch.placement import check_resources
from nas.runs.config import read_config
from nas.spec.listener import Listener
from nas.spec.settings import Settings
from nas.spec.task import full_resolution
from nas.training.full import FullTraining
from nas.training.proxy import Training
from reports.numbers import duration
from search_spaces import ArchSpec, Cost, cost

SMALLEST = 8
"""Pixels; a recipe takes no smaller resolution."""


class Origin(NamedTuple):
    """The run that a network comes from.

    taken: whether its images are, if it has any; they must then be the same.
    """

    directory: Path
    settings: Settings
    taken: bool

    @property
    def trained(self) -> bool:
        """Whether it trained on images; otherwise it looked accuracies up."""
        return self.settings.evaluator == "train"


@dataclass(frozen=True)
class Prepared:
    """A training run that can start.

    Args:
        settings: with the network as it is trained, its threads and its epochs.
        task: with the images.
        own: the resolution of the network itself, in pixels, or the one that was asked for.
        pace: None where several processes share the training run: steps are not timed then.
    """

    settings: Settings
    task: FullTraining
    own: int
    pace: Pace | None

    @property
    def arch(self) -> ArchSpec:
        """The network as it is trained."""
        return ArchSpec.parse(self.settings.networks[0])

    @property
    def cost(self) -> Cost:
        """Of the network as it is trained, with the classes and channels of the images."""
        data = self.task.data
        return cost(self.arch, data.num_classes, data.train.images.shape[3])

    @property
    def seconds(self) -> float | None:
        """How long it will take."""
        return self.pace and self.pace.whole(self.task, self.settings.recipe.epochs)


def prepare_training(
    settings: Settings,
    place: Place,
    listener: Listener,
    *,
    origin: Origin | None = None,
    until: float | None = None,
    choose_threads: bool = True,
) -> Prepared:
    """Reads the images, and times a few steps on them; makes nothing.

    Args:
        settings: its network does not have the resolution and width of its recipe yet.
        place: the new run's.
        origin: where the network comes from, if that is a run.
        until: on ``time.monotonic``: the epochs are as many as fit until then.
        choose_threads: on a CPU, take the number of threads that is fastest.

    Raises:
        InputError: if the images are no longer those of ``origin``, or anything cannot be used.
    """
    refuse_existing(place.directory)
    check_resources(settings.resources, trains=True)
    shared = settings.resources.workers not in (None, 1)
    if shared and until is not None:
        raise InputError("time must be left out where `data_parallel` processes share the training run")
    if origin and origin.trained and origin.taken:
        check_same_images(origin, settings, listener)
    network = ArchSpec.parse(settings.networks[0])
    settings, weights = prepare.read_weights(settings)

    def resized(image_size: int) -> ArchSpec:
        return at_resolution(settings, network, origin, image_size)

    data = prepare.find_data(
        settings, lambda own: suited.kept_size(resized(own).resolution, settings.recipe), listener
    )
    arch = resized(data.image_size)
    own = arch.resolution if settings.recipe.resolution else network.resolution
    settings = for_network(settings, arch, data)
    task = prepare.make_evaluator(settings, data, weights, Path(), listener)
    assert isinstance(task, FullTraining)
    prepared = Prepared(settings, task, own, None)
    return prepared if shared else paced(prepared, listener, until, choose_threads=choose_threads)


def paced(prepared: Prepared, listener: Listener, until: float | None, *, choose_threads: bool) -> Prepared:
    """``prepared`` with its threads and epochs, by a few timed steps; arguments as for ``prepare_training``.

    Raises:
        InputError: if not even one epoch fits.
    """
    settings = prepared.settings
    placed = prepare.placed(prepared.task, settings.resources)
    assert isinstance(placed, FullTraining)
    counts = thread_counts() if choose_threads and placed.device == "cpu" else [placed.threads]
    listener.progress("Timing steps", 0, 1)
    pace = measure(prepared.arch, placed, counts)
    listener.progress("Timing steps", 1, 1)
    recipe = settings.recipe
    if until is not None:
        recipe = dataclasses.replace(recipe, epochs=fitting(pace, placed, until))
    resources = dataclasses.replace(settings.resources, cpus_per_trial=pace.threads)
    settings = dataclasses.replace(settings, resources=resources, recipe=recipe)
    task = dataclasses.replace(placed, recipe=recipe, threads=pace.threads)
    return Prepared(settings, task, prepared.own, pace)


def check_same_images(origin: Origin, settings: Settings, listener: Listener) -> None:
    """InputError unless the images of ``origin`` are there, and are those that it was made with.

    With others, the split would differ too, and the network be tested on images that it was chosen by.
    """
    name, there = origin.settings.data, origin.directory
    quiet = _Progress(listener)
    before = dataclasses.replace(origin.settings, resources=settings.resources)  # this machine's cache
    try:
        data = prepare.find_data(before, suited.pack_size(before), quiet)
    except InputError as error:
        reason = str(error).removeprefix("data: ")
        raise InputError(
            f"data of {there} must still be there; name others to take them ({reason})"
        ) from None
    if read_config(there).get("input_sha256") not in prepare.fingerprints(Training(data, before.recipe)):
        raise InputError(
            f"data of {there} must still be the same, or it may be tested on images that it was chosen by; "
            f"name it to take it as it is now, got other contents of {name}"
        )


class _Progress(Listener):
    """Hands on what takes long, and says nothing: the same images are soon read again, at another size."""

    def __init__(self, listener: Listener) -> None:
        self.progress = listener.progress  # type: ignore[method-assign]


def for_network(settings: Settings, arch: ArchSpec, data: Dataset) -> Settings:
    """``settings`` for ``arch``, which has the resolution and width of the recipe, and for the images."""
    recipe = dataclasses.replace(settings.recipe, resolution=0, least_resolution=0, width=1.0, divisor=8)
    settings = dataclasses.replace(settings, networks=(str(arch),), recipe=recipe)
    settings = suited.for_images(settings, data)
    assert settings.task is not None
    task = dataclasses.replace(settings.task, channels=data.train.images.shape[3])
    return dataclasses.replace(settings, task=task)


def at_resolution(settings: Settings, network: ArchSpec, origin: Origin | None, image_size: int) -> ArchSpec:
    """The network as it is trained, by the recipe; one of a run never larger than the images.

    That is, unless the run itself or the recipe asks for a larger size.

    Args:
        image_size: of the images themselves, in pixels; 0 if unknown.
    """
    recipe = settings.recipe
    least = recipe.least_resolution
    own_images = origin is not None and origin.trained
    if origin and own_images:
        before = origin.settings
        least = max(least, network.resolution if before.kind == "training" else before.recipe.resolution)
    if (least or own_images) and not recipe.resolution:
        resolution = full_resolution(network.resolution, image_size, least)
        if resolution < network.resolution:
            recipe = dataclasses.replace(recipe, resolution=max(SMALLEST, resolution))
    return recipe.shrink(network)


def fitting(pace: Pace, task: FullTraining, until: float) -> int:
    """The number of epochs that fit until ``until``; InputError if not even one does."""
    left = until - time.monotonic()
    if epochs := pace.fitting(task, left):
        return epochs
    raise InputError(
        f"time must be enough for one epoch, which takes about {duration(pace.whole(task, 1))} here with the "
        f"start and the evaluation, got {duration(max(0.0, left))} after the images were read"
    )
