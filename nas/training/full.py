"""Full training: a checkpoint after every epoch, and the network's weights at the end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import InputError, shown
from nas.files import replace
from nas.spec.listener import Listener
from nas.spec.trial import Epoch, Trial, is_over, kept_epoch
from nas.training.checkpoint import Checkpoint, damaged, read_checkpoint, write_checkpoint
from nas.training.proxy import Training
from nas.training.weights import METRICS, write_weights

if TYPE_CHECKING:
    from nas.data import Dataset
    from nas.training.pretrained import Pretrained
    from nas.training.trainer import Trainer


def checkpoints_alone(training: FullTraining, trial: Trial, start: Checkpoint | None) -> Iterator[Checkpoint]:
    """``checkpoints`` of a new trainer in this process; raises as they do."""
    if start and training.is_over(start.curve):
        return iter(())
    import torch

    torch.set_num_threads(training.threads)
    trainer = training.trainer(trial.arch, trial.seed, teacher=training.teacher, whole_curve=True)
    steps = itertools.count((len(start.curve) if start else 0) * trainer.steps_per_epoch + 1)
    trainer.on_step = lambda: training.listener.on_step(next(steps) / trainer.steps_per_epoch)
    return checkpoints(trainer, start, training)


Checkpoints = Callable[["FullTraining", Trial, Checkpoint | None], Iterator[Checkpoint]]


@dataclass(frozen=True)
class FullTraining(Training):
    """Trains a network at full size, from ``checkpoint.pt`` if there is one.

    Args:
        directory: the run's.
        workers: processes that share every batch.
        checkpoints: trains the epochs that are left; see ``nas.launch.data_parallel`` for several processes.
        listener: told of restored epochs and, if one process trains, of every step.
        keep: whose weights are kept, see ``nas.spec.trial.kept_epoch``.
        patience: see ``nas.spec.trial.is_over``.
        teacher: see ``Trainer``.
    """

    directory: Path = Path()
    workers: int = 1
    checkpoints: Checkpoints = checkpoints_alone
    listener: Listener = field(default_factory=Listener)
    keep: str = "best"
    patience: int = 0
    teacher: Pretrained | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher:
            check_teacher(self.teacher, self.data)
        images = round(self.recipe.fraction * len(self.data.train.labels))
        batch = max(2, min(self.recipe.batch_size, images))
        if batch < 2 * self.workers:
            raise InputError(
                f"workers must leave every process 2 images of a batch of {batch}, got {self.workers}"
            )

    def __call__(self, trial: Trial) -> Generator[Epoch, None, Epoch]:
        """The checkpoint's epochs, and then each further epoch when it is trained; returns the kept one.

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
        self._write_metrics()
        return now.kept_epoch

    def is_over(self, curve: Sequence[Epoch]) -> bool:
        """Whether the training run ends after these epochs."""
        return is_over(curve, self.recipe.epochs, self.patience)

    def _write_metrics(self) -> None:
        """Writes the kept weights' metrics on the validation and the test part to ``metrics.json``."""
        import torch

        from nas.training.classifier import open_classifier
        from nas.training.precision import uses_bfloat16
        from reports.metrics import measure

        # Processes on other machines may have had GPUs where this one has none.
        device = self.device if torch.cuda.is_available() else "cpu"
        bfloat16 = uses_bfloat16(self.recipe.precision, device)
        classifier = open_classifier(self.directory, device, bfloat16=bfloat16)
        parts = {"valid": self.data.valid, "test": self.data.test}
        found = {
            name: measure(part.labels, classifier.probabilities(part.images), self.data.classes)
            for name, part in parts.items()
            if part is not None
        }
        text = json.dumps({name: metrics.to_json() for name, metrics in found.items()}, allow_nan=False)
        replace(self.directory / METRICS, text.encode())

    def _header(self, trial: Trial, end: Checkpoint) -> dict[str, str]:
        return {
            "arch": str(trial.arch),
            "classes": json.dumps(self.data.classes),
            "in_channels": str(self.data.train.images.shape[3]),
            "view": "centre" if self.recipe.crop == "random_resized" else "whole",
            "mean": json.dumps(end.mean),
            "deviation": json.dumps(end.deviation),
            "accuracy": json.dumps(end.kept_epoch.accuracy),
            "test_accuracy": json.dumps(end.test_accuracy),
            "epochs": str(len(end.curve)),
            "kept_epoch": str(end.kept_epoch.epoch),
            "data": self.data.name,
            **({"padding": self.init.padding, "bn_epsilon": str(self.init.bn_epsilon)} if self.init else {}),
            "white": json.dumps({kind: span[1:] for kind, span in self.data.white.items()}),
        }


def check_teacher(teacher: Pretrained, data: Dataset) -> None:
    """InputError if the teacher does not know the classes of ``data``, in their order, or its channels."""
    there, channels = len(teacher.tensors["classifier.weight"]), data.train.images.shape[3]
    if teacher.classes not in (None, tuple(data.classes)) or there != data.num_classes:
        names = ", ".join(teacher.classes or ()) or f"{there:,} classes"
        raise InputError(f"teacher must know the classes {', '.join(data.classes)}, got {shown(names)}")
    if len(teacher.mean) != channels:
        raise InputError(f"teacher must take images of {channels} channels, got {len(teacher.mean)}")


def checkpoints(trainer: Trainer, start: Checkpoint | None, training: FullTraining) -> Iterator[Checkpoint]:
    """A checkpoint after each epoch that is left after ``start``; the last one has the test accuracy.

    Their tensors are those of ``trainer``, so they change with the next step; kept weights do not.

    Raises:
        ArithmeticError: if the loss is no longer finite.
        InputError: if ``start``, read from the run's directory, does not fit ``trainer``.
    """
    curve: tuple[Epoch, ...] = ()
    kept, weights = None, None
    if start:
        try:
            trainer.judged.load_state_dict(start.weights)  # fails now, rather than after the last epoch
            trainer.load_state_dict(start.state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise damaged(training.directory, error) from error
        curve, kept, weights = start.curve, start.kept_epoch, start.weights
    mean, deviation = trainer.normalise.mean.tolist(), trainer.normalise.deviation.tolist()
    test = None
    for epoch in trainer.epochs():
        curve = (*curve, epoch)
        kept = kept_epoch((kept, epoch), training.keep) if kept else epoch
        if kept is epoch:
            weights = _copy(trainer)
        assert weights is not None
        over = training.is_over(curve)
        if over:
            test = _test(trainer, weights)
        older = None if kept is epoch else weights
        yield Checkpoint(curve, trainer.state_dict(), mean, deviation, test, kept.epoch, older)
        if over:
            return


def _copy(trainer: Trainer) -> dict[str, Any]:
    """The tensors that are evaluated, by name, as they are now."""
    return {name: tensor.clone() for name, tensor in trainer.judged.state_dict().items()}


def _test(trainer: Trainer, weights: dict[str, Any]) -> float | None:
    """The accuracy of ``weights`` on the test part; None if the data has none."""
    now = _copy(trainer)
    trainer.judged.load_state_dict(weights)
    accuracy = trainer.test_accuracy()
    trainer.judged.load_state_dict(now)
    return accuracy
