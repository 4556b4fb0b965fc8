"""Full training: a checkpoint after every epoch, and the network's weights at the end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import InputError
from nas.spec.listener import Listener
from nas.spec.trial import Epoch, Trial
from nas.training.checkpoint import Checkpoint, damaged, read_checkpoint, write_checkpoint
from nas.training.proxy import Training
from nas.training.weights import write_weights

if TYPE_CHECKING:
    from nas.training.trainer import Trainer


def checkpoints_alone(training: FullTraining, trial: Trial, start: Checkpoint | None) -> Iterator[Checkpoint]:
    """``checkpoints`` of a new trainer in this process; raises as they do."""
    if start and len(start.curve) == training.recipe.epochs:
        return iter(())
    import torch

    from nas.training.trainer import Trainer

    torch.set_num_threads(training.threads)
    trainer = Trainer(
        trial.arch, training.data, training.recipe, trial.seed, training.device, whole_curve=True
    )
    steps = itertools.count((len(start.curve) if start else 0) * trainer.steps_per_epoch + 1)
    trainer.on_step = lambda: training.listener.on_step(next(steps) / trainer.steps_per_epoch)
    return checkpoints(trainer, start, training.directory)


Checkpoints = Callable[["FullTraining", Trial, Checkpoint | None], Iterator[Checkpoint]]


@dataclass(frozen=True)
class FullTraining(Training):
    """Trains a network at full size, from ``checkpoint.pt`` if there is one.

    Args:
        directory: the run's.
        workers: processes that share every batch.
        checkpoints: trains the epochs that are left; see ``nas.launch.data_parallel`` for several processes.
        listener: told of restored epochs and, if one process trains, of every step.
    """

    directory: Path = Path()
    workers: int = 1
    checkpoints: Checkpoints = checkpoints_alone
    listener: Listener = field(default_factory=Listener)

    def __post_init__(self) -> None:
        images = round(self.recipe.fraction * len(self.data.train.labels))
        batch = max(2, min(self.recipe.batch_size, images))
        if batch < 2 * self.workers:
            raise InputError(
                f"workers must leave every process 2 images of a batch of {batch}, got {self.workers}"
            )

    def __call__(self, trial: Trial) -> Iterator[Epoch]:
        """The checkpoint's epochs, and then each further epoch when it is trained.

        Raises:
            InputError: if the checkpoint is damaged.
            RunError: if a file cannot be written.
        """
        now = start = read_checkpoint(self.directory)
        if start:
            self.listener.on_restore(len(start.curve))
            yield from start.curve
        for now in self.checkpoints(self, trial, start):
            write_checkpoint(self.directory, now)
            yield now.curve[-1]
        assert now is not None
        write_weights(self.directory, now.weights, self._header(trial, now))

    def _header(self, trial: Trial, end: Checkpoint) -> dict[str, str]:
        return {
            "arch": str(trial.arch),
            "classes": json.dumps(self.data.classes),
            "in_channels": str(self.data.train.images.shape[3]),
            "view": "centre" if self.recipe.crop == "random_resized" else "whole",
            "mean": json.dumps(end.mean),
            "deviation": json.dumps(end.deviation),
            "accuracy": json.dumps(end.curve[-1].accuracy),
            "test_accuracy": json.dumps(end.test_accuracy),
            "epochs": str(len(end.curve)),
            "data": self.data.name,
        }


def checkpoints(trainer: Trainer, start: Checkpoint | None, directory: Path) -> Iterator[Checkpoint]:
    """A checkpoint after each epoch that is left after ``start``; the last one has the test accuracy.

    Their tensors are those of ``trainer``, so they change with the next step.

    Raises:
        ArithmeticError: if the loss is no longer finite.
        InputError: if ``start``, read from ``directory``, does not fit ``trainer``.
    """
    from nas.training.pixels import Pixels

    curve: tuple[Epoch, ...] = ()
    if start:
        try:
            trainer.load_state_dict(start.state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise damaged(directory, error) from error
        curve = start.curve
    mean, deviation = trainer.normalise.mean.tolist(), trainer.normalise.deviation.tolist()
    test, test_accuracy = trainer.data.test, None
    for epoch in trainer.epochs():
        curve = (*curve, epoch)
        if test and epoch.epoch == trainer.recipe.epochs:
            pixels = Pixels(test, trainer.device, trainer.arch.resolution, view=trainer.valid_images.view)
            _, test_accuracy = trainer.evaluate(pixels)
        yield Checkpoint(curve, trainer.state_dict(), mean, deviation, test_accuracy)
