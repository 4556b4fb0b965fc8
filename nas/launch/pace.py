"""How fast one training run is here: times a few steps, and finds the number of threads that is fastest.

Where a whole batch would take long on a CPU, steps of fewer images are timed, and of ``FIRST``: the time of a
step is a constant, mostly the optimiser's, and grows with its images.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nas.spec.machine import cpu_count
from nas.training.full import FullTraining
from search_spaces import ArchSpec

if TYPE_CHECKING:
    from nas.training.trainer import Trainer

SECONDS = 0.4
"""Seconds of steps for each number of threads, and of evaluation; less if the training run is short."""
SHARE = 0.02
"""The most that this may take of the whole training run."""
LEAST = 0.02  # seconds
FEWER = 1.05
"""Fewer threads are taken if they need at most this much more time: other programs then have more."""
HOPELESS = 1.5
"""More threads are not tried once a number of them needs this much more time than fewer."""
FIRST = 2  # images of the smallest step that is timed on a CPU
LARGE = 2.0
"""Seconds of a step that is not made larger, even if its images take less than half of them."""
EVALUATED = 16
"""Images that are evaluated at least, if there are as many."""
WRITING = 2.0
"""Seconds until a checkpoint is on the disk, for each second that it takes to make."""
AROUND = 1.0
"""Seconds that a run takes before its first epoch and after its last: its files and its page."""


class Pace(NamedTuple):
    """What a few steps tell about a training run, on ``threads`` threads of a CPU.

    setup: seconds before the first step.
    step: seconds of a step, of which an epoch has ``steps``.
    evaluation: seconds per image.
    saving: seconds per checkpoint.
    """

    threads: int
    setup: float
    steps: int
    step: float
    evaluation: float
    saving: float

    def epoch(self, task: FullTraining) -> float:
        """Seconds of an epoch, with its evaluation and its checkpoint."""
        return self.steps * self.step + len(task.data.valid.labels) * self.evaluation + self.saving

    def whole(self, task: FullTraining, epochs: int) -> float:
        """Seconds of a whole training run."""
        test = len(task.data.test.labels) if task.data.test else 0
        return AROUND + self.setup + epochs * self.epoch(task) + test * self.evaluation

    def fitting(self, task: FullTraining, seconds: float) -> int:
        """How many epochs fit into ``seconds``; 0 if none does."""
        return max(0, math.floor((seconds - self.whole(task, 0)) / self.epoch(task)))


def thread_counts() -> list[int]:
    """1, 2, 4, ... up to the CPUs that this process may use."""
    cpus = cpu_count()
    return sorted({min(2**power, cpus) for power in range(cpus.bit_length() + 1)})


def measure(arch: ArchSpec, task: FullTraining, counts: Sequence[int]) -> Pace:
    """Times ``arch``, which must already be shrunk by the recipe, for a second or a few.

    Args:
        counts: numbers of threads to choose from, rising.
    """
    import torch

    from nas.training.allocator import release_memory
    from nas.training.checkpoint import Checkpoint, save

    torch.set_num_threads(counts[0])
    recipe = dataclasses.replace(task.recipe, learning_rate=1e-6)  # too low to change anything
    started = time.perf_counter()
    trainer = dataclasses.replace(task, recipe=recipe).trainer(arch, 0, teacher=task.teacher)
    batch, steps = trainer.batch_size, trainer.steps_per_epoch
    smallest = min(FIRST, batch) if task.device == "cpu" else batch
    _seconds(trainer, smallest, 1)  # includes one-time work
    setup = time.perf_counter() - started
    first = _seconds(trainer, smallest, 1)
    limit = min(SECONDS, max(LEAST, SHARE * first / smallest * batch * steps * recipe.epochs))
    images, alone = _enough(trainer, smallest, batch, limit)
    found: dict[int, float] = {}  # seconds per step
    for count in counts:
        torch.set_num_threads(count)
        if count != counts[0] and _hopeless(trainer, images, alone):
            break
        found[count] = _step(trainer, images, batch, limit)
        if found[count] > HOPELESS * min(found.values()):
            break
    chosen = next(count for count, step in found.items() if step <= FEWER * min(found.values()))
    torch.set_num_threads(chosen)
    evaluation = _evaluation(trainer, limit, found[chosen] / batch)
    started = time.perf_counter()
    save(Checkpoint((), trainer.state_dict(), [], []), io.BytesIO())
    saving = WRITING * (time.perf_counter() - started)
    del trainer
    release_memory()
    if task.device != "cpu":
        torch.cuda.empty_cache()
    return Pace(chosen, setup, steps, found[chosen], evaluation, saving)


def _enough(trainer: Trainer, images: int, batch: int, seconds: float) -> tuple[int, float]:
    """How many images a step needs, up to ``batch``, to take ``seconds``, and mostly for its images.

    And the seconds that it takes.
    """
    small = step = _seconds(trainer, images, 1)
    while step < max(seconds, min(2 * small, LARGE)) and images < batch:
        images = min(batch, 4 * images)
        step = _seconds(trainer, images, 1)
    return images, step


def _hopeless(trainer: Trainer, images: int, alone: float) -> bool:
    """Whether a step of ``images`` takes far longer than ``alone``, its seconds with the fewest threads."""
    # The first step with other threads takes longer.
    return any(_seconds(trainer, images, 1) > limit * alone for limit in (10 * HOPELESS, HOPELESS))


def _step(trainer: Trainer, images: int, batch: int, seconds: float) -> float:
    """Mean seconds of a step of ``batch`` images, from steps of ``images`` that are timed for ``seconds``."""
    first = _seconds(trainer, images, 1)
    if images == batch:
        steps = min(max(1, len(trainer.train_images) // images), max(1, round(seconds / first)))
        turns = max(1, round(seconds / first / steps))
        return sum(_seconds(trainer, images, steps) for _ in range(turns)) / turns / steps
    if images == FIRST:  # so large a network that its images take nearly all the time
        return first * batch / images
    mean, each = _means(lambda count: _seconds(trainer, count, 1), images, seconds)
    return mean + (batch - images) * each


def _evaluation(trainer: Trainer, seconds: float, step: float) -> float:
    """Seconds per image of evaluation; ``step`` is those of training."""
    whole = min(len(trainer.valid_images), trainer.at_once)
    count = min(whole, max(EVALUATED, round(seconds / (step / 3))))

    def evaluate(count: int) -> float:
        started = time.perf_counter()
        trainer.evaluate(trainer.valid_images, count)
        return time.perf_counter() - started

    evaluate(min(FIRST, count))
    mean, each = _means(evaluate, count, seconds / 2) if count > FIRST else (evaluate(count), 0.0)
    return (mean + (whole - count) * each) / whole


def _means(timed: Callable[[int], float], images: int, seconds: float) -> tuple[float, float]:
    """Mean seconds of ``timed(images)``, and seconds that each image adds to it.

    ``timed(FIRST)`` takes turns with it, as other programs may come and go.
    """
    large, small, turns = 0.0, 0.0, 0
    while large + small < seconds or turns < 2:
        small += timed(FIRST)
        large += timed(images)
        turns += 1
    mean = large / turns
    each = (large - small) / turns / (images - FIRST)
    return mean, min(max(each, mean / images / 2), mean / images)


def _seconds(trainer: Trainer, images: int, steps: int) -> float:
    """Seconds of ``steps`` steps of ``images``, with the work that an epoch's end waits for."""
    import torch

    trainer.batch_size, trainer.steps_per_epoch = images, steps
    started = time.perf_counter()
    with _random_state_kept(trainer.device):
        sum(trainer.steps(), torch.zeros((), device=trainer.device)).item()
    return time.perf_counter() - started


@contextlib.contextmanager
def _random_state_kept(device: str) -> Iterator[None]:
    import torch

    devices = [torch.device(device)] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        yield
