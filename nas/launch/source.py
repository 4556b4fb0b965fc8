"""Fine-tunes the weights that candidates inherit, on the run's images, before any candidate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from nas.files import exists
from nas.launch.prepare import EvaluatorKind
from nas.runs.source import source_line
from nas.spec.listener import Listener
from nas.spec.settings import Settings
from nas.spec.source import SOURCE
from nas.spec.trial import Epoch, Trial
from nas.training.proxy import Training


class SourceListener(Listener):
    """Shows the source's epochs as the progress of a preparation, and says nothing of images read again."""

    def __init__(self, listener: Listener, name: str) -> None:
        self.listener, self.name, self.epochs = listener, name, 1
        self.progress = listener.progress  # type: ignore[method-assign]

    def on_start(self, settings: Settings, *_: object) -> None:
        self.epochs = settings.recipe.epochs
        self.listener.say(
            f"First {self.name} itself is fine-tuned on these images, for {self.epochs} epochs; candidates "
            "inherit from the result."
        )
        self._show(0)

    def on_epoch(self, _: Trial, epoch: Epoch, *_others: object) -> None:
        self._show(epoch.epoch)

    def _show(self, epoch: int) -> None:
        self.listener.progress(f"Fine-tuning {self.name}", epoch, self.epochs)


def with_source(
    evaluator: EvaluatorKind,
    settings: Settings,
    directory: Path,
    listener: Listener,
    go_on: Callable[[Path, Listener], bool],
) -> EvaluatorKind:
    """``evaluator`` with the fine-tuned weights of ``RUN/source``, which are made first.

    It stays as it is where weights are taken as they are.

    Args:
        directory: the run's, or that of its second part, which has the same source.
        go_on: finishes a run.
    """
    if settings.tuned is None or settings.init is None or not isinstance(evaluator, Training):
        return evaluator
    from torch.cuda import empty_cache

    from nas.training.pretrained import load_pretrained

    own = directory / SOURCE
    there = own if exists(own) else directory.parent / SOURCE
    if go_on(there, SourceListener(listener, settings.init.name)):
        listener.say(source_line(there))
        empty_cache()  # candidates may train on the same GPU, in other processes
    return dataclasses.replace(evaluator, init=load_pretrained(str(there)))
