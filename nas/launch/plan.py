"""What a search will take, said before it starts: hours, memory, and which networks would not fit.

space --sampled--> networks as they are trained --timed, a few--> seconds, bytes --mean_seconds--> the search
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nas.launch.placement import gpus_of
from nas.spec.listener import Listener
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.training import expected_memory, peak_memory
from nas.training.proxy import Training
from reports.numbers import gigabytes
from search_spaces import Actions, ArchSpec, Cost, SearchSpace, cost

if TYPE_CHECKING:
    from nas.training.trainer import Trainer

SAMPLED = 200
TIMED = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Which of the sampled networks are timed, by their place in the order of activations.

Activations go with the time of a step better than FLOPs do: LOG.md, and Radosavovic et al. 2020,
arXiv:2003.13678, sec. 3.3.
"""
WARM_UP = (0.0, 0.5)  # seconds of steps; the first of all is one step, which faults pages in
MEASURED = 1.5  # seconds of steps


class Candidate(NamedTuple):
    """A network of the space: as proposed, as it is trained, and in bytes what its training should need."""

    arch: ArchSpec
    trained: ArchSpec
    trained_cost: Cost
    expected_memory: int


class Timing(NamedTuple):
    """A training as a few of its steps foretell it.

    images_per_second: in training steps.
    evaluation: seconds for one image.
    setup: seconds before and in the first step, beyond what other steps take.
    peak_memory: bytes, see ``nas.training.peak_memory.peak``.
    """

    images_per_second: float
    evaluation: float
    setup: float
    peak_memory: int | None


@dataclass(frozen=True)
class Timed:
    """A row of the table; ``seconds`` are of a whole trial. A network that would not fit has neither."""

    place: float
    candidate: Candidate
    timing: Timing | None
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """What a search is expected to take.

    Args:
        device: that trials train on, with ``threads`` of torch.
        resources: what is there for them, nothing left open.
        seconds: of a trial, the mean over the space; None if no timed network fits.
        hours: from start to end; what Ray takes to start is not counted.
        cpu_hours, gpu_hours: core-hours and GPU-hours of all trainings.
        available: bytes that one trial may have, None if unknown.
        too_large: of ``sampled`` networks, how many should need more.
        largest: bytes that the largest of these is expected to need.
    """

    device: str
    threads: int
    resources: Resources
    timed: tuple[Timed, ...]
    trials: int
    confirmations: int
    seconds: float | None
    hours: float | None
    cpu_hours: float | None
    gpu_hours: float | None
    available: int | None
    too_large: int
    sampled: int
    largest: int


def make_plan(
    settings: Settings,
    resources: Resources,
    task: Training,
    space: SearchSpace,
    listener: Listener,
) -> Plan:
    """Times a few networks in this process, and says what the search will take.

    Args:
        resources: with nothing left open, see ``nas.launch.placement``.
        task: on the device, and with the threads, of a trial.
        listener: is told how many networks are timed.
    """
    found = sample(space, task, settings.seed)
    share = memory_share(resources, task.device)
    timed = []
    for number, place in enumerate(TIMED):
        listener.progress("Timing networks", number, len(TIMED))
        candidate = found[round(place * (len(found) - 1))]
        if share is not None and candidate.expected_memory > share:
            timed.append(Timed(place, candidate, None, None))
            continue
        timing = time_training(candidate.trained, task)
        timed.append(Timed(place, candidate, timing, trial_seconds(timing, task)))
    listener.progress("Timing networks", len(TIMED), len(TIMED))
    done = [(row.candidate.trained_cost, row.seconds) for row in timed if row.seconds is not None]
    seconds = mean_seconds(done, [candidate.trained_cost for candidate in found]) if done else None
    again = settings.confirmations * settings.confirm_seeds
    total = None if seconds is None else seconds * (settings.trials + again)
    return Plan(
        device=task.device,
        threads=task.threads,
        resources=resources,
        timed=tuple(timed),
        trials=settings.trials,
        confirmations=again,
        seconds=seconds,
        hours=None
        if seconds is None
        else wall_hours(seconds, settings.trials, again, resources.workers or 1),
        cpu_hours=None if total is None else total * resources.cpus_per_trial / 3600,
        gpu_hours=None if total is None else total * gpus_of(resources, task.device) / 3600,
        available=share,
        too_large=0 if share is None else sum(candidate.expected_memory > share for candidate in found),
        sampled=len(found),
        largest=max(candidate.expected_memory for candidate in found),
    )


def sample(space: SearchSpace, task: Training, seed: int, number: int = SAMPLED) -> list[Candidate]:
    """Random networks of the space, or all of a small one, by the activations of what is trained."""
    rng = np.random.default_rng(seed)
    if len(space.decisions) == 1 and space.size <= number:
        actions: list[Actions] = [(action,) for action in range(space.size)]
    else:
        actions = [space.sample(rng) for _ in range(number)]
    found = []
    for arch in map(space.decode, actions):
        trained = task.recipe.shrink(arch, task.reference)
        price = cost(trained, task.data.num_classes, task.data.train.images.shape[3])
        found.append(
            Candidate(arch, trained, price, expected_memory.expected_peak(trained, task.data, task.recipe))
        )
    return sorted(found, key=lambda candidate: candidate.trained_cost.activations)


def time_training(arch: ArchSpec, task: Training) -> Timing:
    """A few steps and evaluations of ``arch``, as it is trained, at a learning rate that changes nothing."""
    import torch

    from nas.training.trainer import CURVE_IMAGES, Trainer

    torch.set_num_threads(task.threads)
    epochs = max(task.recipe.epochs, len(WARM_UP) + 2)  # the last one would evaluate all images
    recipe = dataclasses.replace(task.recipe, learning_rate=1e-6, epochs=epochs)
    started = time.perf_counter()
    trainer = Trainer(arch, task.data, recipe, 0, task.device)
    setup = time.perf_counter() - started
    most = trainer.steps_per_epoch
    first, _, _ = time_steps(trainer, 1)
    step = first
    for seconds in (*WARM_UP[1:], MEASURED):
        step, evaluation, peak = time_steps(trainer, min(most, max(1, round(seconds / step))))
    evaluated = min(CURVE_IMAGES, len(trainer.valid_images))
    rate = trainer.batch_size / step
    del trainer
    if task.device != "cpu":
        torch.cuda.empty_cache()
    return Timing(rate, evaluation / evaluated, setup + max(0.0, first - step), peak)


def time_steps(trainer: Trainer, steps: int) -> tuple[float, float, int | None]:
    """Seconds of one of so many steps, seconds of the evaluation behind them, and the peak memory so far."""
    trainer.steps_per_epoch = steps
    before = trainer.seconds
    epoch = trainer.next_epoch()
    assert epoch.images_per_second
    training = steps * trainer.batch_size / epoch.images_per_second
    return training / steps, epoch.seconds - before - training, epoch.peak_memory


def trial_seconds(timing: Timing, task: Training) -> float:
    """A whole trial: its steps, a part of the validation images after each epoch, all after the last."""
    from nas.training.trainer import CURVE_IMAGES

    recipe, valid = task.recipe, len(task.data.valid.labels)
    images = max(2, round(recipe.fraction * len(task.data.train.labels)))
    batch = min(recipe.batch_size, images)
    trained = recipe.epochs * (images // batch) * batch
    evaluated = (recipe.epochs - 1) * min(CURVE_IMAGES, valid) + valid
    return timing.setup + trained / timing.images_per_second + evaluated * timing.evaluation


def mean_seconds(timed: Sequence[tuple[Cost, float]], networks: Sequence[Cost]) -> float:
    """The mean time of ``networks``: a regression of time on FLOPs and activations, none of them negative."""
    from scipy.optimize import nnls

    costs = np.array([(1.0, price.flops, price.activations) for price, _ in timed])  # [T, 3]
    scale = costs.max(axis=0)
    weights, _ = nnls(costs / scale, np.array([seconds for _, seconds in timed]))
    mean = np.mean([(1.0, price.flops, price.activations) for price in networks], axis=0)
    return float(mean / scale @ weights)


def wall_hours(seconds: float, trials: int, confirmations: int, workers: int) -> float:
    """Hours of trials of mean ``seconds``, and of the confirmations behind them, so many at a time."""
    return seconds * (math.ceil(trials / workers) + math.ceil(confirmations / workers)) / 3600


def memory_share(resources: Resources, device: str) -> int | None:
    """Bytes that one trial may have: its share of a GPU, or of the memory that is free here.

    None where the system does not say, and on a cluster without GPUs, whose machines may be others.
    """
    free = peak_memory.available(device)
    if free is None or (device == "cpu" and resources.address == "auto"):
        return None
    if device != "cpu":
        return int(free * min(1.0, gpus_of(resources, device)))
    return free // (resources.workers or 1)


def memory_warning(space: SearchSpace, task: Training, resources: Resources, seed: int) -> str | None:
    """One line if networks of ``space`` are expected not to fit, with what helps; None if all are."""
    share = memory_share(resources, task.device)
    if share is None:
        return None
    needs = [candidate.expected_memory for candidate in sample(space, task, seed)]
    too_large = sum(need > share for need in needs)
    return fit_line(too_large, len(needs), max(needs), share, resources, task.device) if too_large else None


def fit_line(
    too_large: int, sampled: int, largest: int, share: int, resources: Resources, device: str
) -> str:
    """How many networks would not fit, and what helps; or that all fit."""
    workers = resources.workers or 1
    if device != "cpu":
        there, also = f"its share of a GPU is {gigabytes(share)}", ", or a larger --gpus-per-trial,"
    elif workers > 1:
        there, also = f"each of {workers} can have {gigabytes(share)}", ", or fewer --workers,"
    else:
        there, also = f"{gigabytes(share)} are free", ""
    needs = f"Memory: a training needs up to {gigabytes(largest)}, and {there}: "
    if not too_large:
        return f"{needs}all {sampled} sampled networks fit."
    return (
        f"{needs}{too_large} of {sampled} sampled networks would not fit; a smaller batch_size or resolution "
        f"(--proxy){also} helps."
    )
