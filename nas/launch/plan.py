"""Estimates what a search will take, before it starts: hours, memory, and which networks would not fit.

space --sample--> networks as they are trained --time_training, a few--> seconds --mean_seconds--> the search
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nas.launch.measuring import measuring_seconds
from nas.launch.placement import gpus_of, threads_of
from nas.spec.listener import Listener
from nas.spec.resources import Resources
from nas.spec.settings import Settings
from nas.spec.source import source_settings
from nas.training import expected_memory, peak_memory
from nas.training.proxy import Training
from reports.numbers import gigabytes
from search_spaces import ArchSpec, Cost, SearchSpace, cost

if TYPE_CHECKING:
    from nas.training.trainer import Trainer

SAMPLED = 200
TIMED = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Which of the sampled networks are timed, as quantiles of activations.

Activations predict the time of a step better than FLOPs do: LOG.md, and Radosavovic et al. 2020,
arXiv:2003.13678, sec. 3.3.
"""
ROUNDS = (0.5, 1.5)  # seconds of training steps; only the last round counts, the others warm up


class Candidate(NamedTuple):
    """A network of the space, as proposed and as trained, and the bytes that training should need."""

    arch: ArchSpec
    cost: Cost
    trained: ArchSpec
    trained_cost: Cost
    expected_memory: int


class Timing(NamedTuple):
    """What a few steps tell about a training run.

    images_per_second: while training.
    evaluation: seconds per image.
    setup: seconds before the first step, plus what that step takes longer than others.
    peak_memory: bytes, see ``nas.training.peak_memory.peak``.
    """

    images_per_second: float
    evaluation: float
    setup: float
    peak_memory: int | None


@dataclass(frozen=True)
class Timed:
    """A timed network and the ``seconds`` of a whole trial of it; both None if it would not fit in memory."""

    place: float
    candidate: Candidate
    timing: Timing | None
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """What a search is expected to take.

    Args:
        device: where trials train, with ``threads`` of torch.
        resources: with workers and GPUs filled in.
        seconds: mean time of a trial over the space; None if no timed network fits.
        measuring_seconds: time of these to measure the network on a device; 0 where that is not done.
        source_seconds: time to fine-tune the weights that candidates inherit; 0 if that is not done.
        hours: from start to end, without Ray's start.
        cpu_hours, gpu_hours: core-hours and GPU-hours of all training runs.
        available: bytes that one trial may use, None if unknown.
        too_large: how many of the ``sampled`` networks are expected to need more.
        largest: bytes that the largest sampled network is expected to need.
    """

    device: str
    threads: int
    resources: Resources
    timed: tuple[Timed, ...]
    trials: int
    confirmations: int
    seconds: float | None
    measuring_seconds: float
    source_seconds: float
    hours: float | None
    cpu_hours: float | None
    gpu_hours: float | None
    available: int | None
    too_large: int
    sampled: int
    largest: int


def make_plan(
    settings: Settings, resources: Resources, task: Training, space: SearchSpace, listener: Listener
) -> Plan:
    """Times a few networks in this process, and estimates what the search will take.

    Args:
        resources: with workers and GPUs filled in, see ``nas.launch.placement.counted``.
        task: with the device and the threads of a trial.
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
    measured = measuring_seconds(settings, space, found[len(found) // 2].arch)
    costs = [candidate.trained_cost for candidate in found]
    seconds = mean_seconds(done, costs) + measured if done else None
    again = (settings.confirmations + len(settings.baselines)) * settings.confirm_seeds
    hours = cpu_hours = gpu_hours = None
    tuning = source_seconds(settings, task)
    if seconds is not None:
        total = seconds * (settings.trials + again)
        hours = wall_hours(seconds, settings.trials, again, resources.workers or 1) + tuning / 3600
        cpu_hours = total * resources.cpus_per_trial / 3600
        gpu_hours = total * gpus_of(resources, task.device) / 3600
    return Plan(
        device=task.device,
        threads=task.threads,
        resources=resources,
        timed=tuple(timed),
        trials=settings.trials,
        confirmations=again,
        seconds=seconds,
        measuring_seconds=measured,
        source_seconds=tuning,
        hours=hours,
        cpu_hours=cpu_hours,
        gpu_hours=gpu_hours,
        available=share,
        too_large=0 if share is None else sum(candidate.expected_memory > share for candidate in found),
        sampled=len(found),
        largest=max(candidate.expected_memory for candidate in found),
    )


def source_seconds(settings: Settings, task: Training) -> float:
    """How long the weights that candidates inherit will be fine-tuned; 0 if they are taken as they are."""
    source = source_settings(settings)
    if source is None:
        return 0.0
    threads = threads_of(source.resources)
    first = dataclasses.replace(task, recipe=source.recipe, threads=threads, reference=None)
    return trial_seconds(time_training(ArchSpec.parse(source.networks[0]), first), first)


def sample(space: SearchSpace, task: Training, seed: int) -> list[Candidate]:
    """Random networks of ``space``, or all of a short list, sorted by activations as trained."""
    rng = np.random.default_rng(seed)
    if len(space.decisions) == 1 and space.size <= SAMPLED:
        archs = [space.decode((action,)) for action in range(space.size)]
    else:
        archs = [space.decode(space.sample(rng)) for _ in range(SAMPLED)]
    found = []
    for arch in archs:
        trained = task.recipe.shrink(arch, task.reference)
        price = cost(trained, task.data.num_classes, task.data.train.images.shape[3])
        memory = expected_memory.expected_peak(trained, task.data, task.recipe)
        found.append(Candidate(arch, cost(arch, space.num_classes), trained, price, memory))
    return sorted(found, key=lambda candidate: candidate.trained_cost.activations)


def time_training(arch: ArchSpec, task: Training) -> Timing:
    """Times a few steps and evaluations of ``arch``, which must already be shrunk by the recipe."""
    import torch

    from nas.training.trainer import CURVE_IMAGES

    torch.set_num_threads(task.threads)
    epochs = max(task.recipe.epochs, len(ROUNDS) + 2)  # the last epoch would evaluate all images
    recipe = dataclasses.replace(task.recipe, learning_rate=1e-6, epochs=epochs)  # too low to change anything
    started = time.perf_counter()
    trainer = dataclasses.replace(task, recipe=recipe).trainer(arch, 0)
    setup = time.perf_counter() - started
    most = trainer.steps_per_epoch
    first, _, _ = time_steps(trainer, 1)  # includes one-time work, such as faulting pages in
    step = first
    for seconds in ROUNDS:
        step, evaluation, peak = time_steps(trainer, min(most, max(1, round(seconds / step))))
    evaluated = min(CURVE_IMAGES, len(trainer.valid_images))
    rate = trainer.batch_size / step
    del trainer
    if task.device != "cpu":
        torch.cuda.empty_cache()
    return Timing(rate, evaluation / evaluated, setup + max(0.0, first - step), peak)


def time_steps(trainer: Trainer, steps: int) -> tuple[float, float, int | None]:
    """Mean seconds of ``steps`` steps, seconds of the evaluation after them, and peak memory in bytes."""
    trainer.steps_per_epoch = steps
    before = trainer.seconds
    epoch = trainer.next_epoch()
    assert epoch.images_per_second
    training = steps * trainer.batch_size / epoch.images_per_second
    return training / steps, epoch.seconds - before - training, epoch.peak_memory


def trial_seconds(timing: Timing, task: Training) -> float:
    """Seconds of a whole trial: each epoch evaluates part of the validation images, the last one all."""
    from nas.training.trainer import CURVE_IMAGES

    recipe, valid = task.recipe, len(task.data.valid.labels)
    images = max(2, round(recipe.fraction * len(task.data.train.labels)))
    batch = min(recipe.batch_size, images)
    trained = recipe.epochs * (images // batch) * batch
    evaluated = (recipe.epochs - 1) * min(CURVE_IMAGES, valid) + valid
    return timing.setup + trained / timing.images_per_second + evaluated * timing.evaluation


def mean_seconds(timed: Sequence[tuple[Cost, float]], networks: Sequence[Cost]) -> float:
    """The mean time of ``networks``, by regression of time on FLOPs and activations with weights >= 0."""
    from scipy.optimize import nnls

    costs = np.array([(1.0, price.flops, price.activations) for price, _ in timed])  # [T, 3]
    scale = costs.max(axis=0)
    weights, _ = nnls(costs / scale, np.array([seconds for _, seconds in timed]))
    mean = np.mean([(1.0, price.flops, price.activations) for price in networks], axis=0)
    return float(mean / scale @ weights)


def wall_hours(seconds: float, trials: int, confirmations: int, workers: int) -> float:
    """Hours of the trials and then the confirmations, of mean ``seconds`` each, ``workers`` at a time."""
    return seconds * (math.ceil(trials / workers) + math.ceil(confirmations / workers)) / 3600


def memory_share(resources: Resources, device: str) -> int | None:
    """Bytes that one trial may use: its share of a GPU, or of this machine's free memory.

    None where the system does not say, and for CPUs of a cluster: its machines may differ from this one.
    """
    free = peak_memory.available(device)
    if free is None or (device == "cpu" and resources.joins):
        return None
    if device != "cpu":
        return int(free * min(1.0, gpus_of(resources, device)))
    return free // (resources.workers or 1)


def memory_warning(space: SearchSpace, task: Training, resources: Resources, seed: int) -> str | None:
    """One line that says what helps, if networks of ``space`` are expected not to fit; None if all fit."""
    share = memory_share(resources, task.device)
    if share is None:
        return None
    needs = [candidate.expected_memory for candidate in sample(space, task, seed)]
    too_large = sum(need > share for need in needs)
    return fit_line(too_large, len(needs), max(needs), share, resources, task.device) if too_large else None


def fit_line(
    too_large: int, sampled: int, largest: int, share: int, resources: Resources, device: str
) -> str:
    """A line that says how many networks would not fit and what helps, or that all fit."""
    workers = resources.workers or 1
    if device != "cpu":
        there, also = f"its share of a GPU is {gigabytes(share)}", ", or a larger --gpus-per-trial,"
    elif workers > 1:
        there, also = f"each of {workers} can have {gigabytes(share)}", ", or fewer --workers,"
    else:
        there, also = f"{gigabytes(share)} are free", ""
    needs = f"Memory: a training run needs up to {gigabytes(largest)}, and {there}: "
    if not too_large:
        return f"{needs}all {sampled} sampled networks fit."
    return (
        f"{needs}{too_large} of {sampled} sampled networks would not fit; a smaller batch_size or resolution "
        f"(--proxy){also} helps."
    )
