"""What a person sees of a training run: epochs while it is in progress, the learning curve at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reports
from nas.errors import command
from nas.runs.run import Run
from nas.runs.training_results import int8_lines, training_facts, training_verdict, usage
from nas.screens.progress import PLAIN_LINES, Screen
from nas.screens.warnings import few_warning, uneven_warning
from nas.screens.words import Parts, Steps
from nas.spec.listener import Standing
from nas.spec.settings import Settings
from nas.spec.trial import Epoch, Outcome, Row, Trial
from nas.training import weights
from reports.metrics import Metrics
from reports.metrics_words import metrics_line, weak_lines
from reports.numbers import duration, plural

if TYPE_CHECKING:
    from nas.launch.training import Prepared

UPDATE_SECONDS = 0.25
"""The bar moves at most this often within an epoch."""
SHOWN = 10
"""How many of the last epochs are printed; ``curve.csv`` has all."""
RECENT = 5
"""The remaining time is estimated from this many of the last epochs."""

PARTS = {"test": "On the test images", "valid": "On the validation images"}

SLOW_STEPS, SLOW_MOMENTUM = 1000, 0.02
"""With fewer steps, BN statistics that move this slowly are still far from the network's own at the end."""


class TrainingScreen(Screen):
    """A ``Screen`` that shows epochs instead of trials."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self.epochs = 0  # of the whole training run
        self.restored = 0
        self.seconds = [0.0]  # since the start: 0, then after each epoch
        self.updated = 0.0

    def on_start(self, settings: Settings, finished: Sequence[Row], standing: Standing) -> None:
        self.epochs = settings.recipe.epochs
        self._progress.update(self._task, description="Training", total=self.epochs, completed=0)

    def on_restore(self, epochs: int) -> None:
        self.restored = epochs
        self.say(f"Resuming after epoch {epochs} of {self.epochs}")
        self._progress.update(self._task, completed=epochs)

    def on_step(self, epochs: float) -> None:
        now = time.monotonic()
        if now > self.updated + UPDATE_SECONDS:
            self.updated = now
            self._progress.update(self._task, completed=epochs)

    def on_epoch(self, trial: Trial, epoch: Epoch, standing: Standing) -> None:
        self.seconds.append(epoch.seconds)
        if epoch.epoch <= self.restored:
            return
        state = f"validation accuracy {epoch.accuracy:.4f}"
        self._progress.update(self._task, completed=epoch.epoch, state=state)
        last = epoch.epoch == self.epochs
        if self._progress.disable and (last or epoch.epoch % math.ceil(self.epochs / PLAIN_LINES) == 0):
            recent = self.seconds[-RECENT - 1 :]
            each = (recent[-1] - recent[0]) / (len(recent) - 1)
            left = "" if last else f", {duration(each * (self.epochs - epoch.epoch))} left"
            self.say(
                f"epoch {epoch.epoch}/{self.epochs}: training loss {epoch.train_loss:.4f}, validation loss "
                f"{epoch.valid_loss:.4f}, {state}, {self.seconds[-1] - self.seconds[-2]:.1f} s{left}"
            )

    def on_finish(self, row: Row, outcome: Outcome, standing: Standing) -> None:
        """Prints nothing: the report follows."""


def training_parts(_run: Run, facts: dict[str, Any]) -> Parts:
    """What was found, the last epochs, the network, and what to do next."""
    table = reports.epochs_table(facts["curve"][-SHOWN:])
    parts: Parts = [training_sentence(facts), "", table, "", *metrics_lines(facts)]
    return [*parts, network_line(facts), *int8_lines(facts), *next_lines(facts)]


def metrics_lines(facts: Mapping[str, Any]) -> list[str]:
    """What the kept weights are worth beside their accuracy, by class; nothing in older runs."""
    for part, words in PARTS.items():
        if found := facts.get("metrics", {}).get(part):
            metrics = Metrics.from_json(found)
            return [f"{words}: {metrics_line(metrics)}", *weak_lines(metrics), ""]
    return []


def training_so_far(run: Run) -> Parts:
    """The last epochs."""
    return [reports.epochs_table(training_facts(run)["curve"][-SHOWN:])]


def training_sentence(facts: dict[str, Any]) -> str:
    """What the training run has found, or how far it has come."""
    epochs, of_epochs = facts["epochs"], facts["of_epochs"]
    if facts["status"] == "failed":
        return f"Failed after {epochs} of {of_epochs} epochs: {facts['error']}"
    if facts["status"] != "done":
        return f"{epochs} of {of_epochs} epochs are done; if it was interrupted: " + command(
            "resume", facts["run"]
        )
    return training_verdict(facts)


def network_line(facts: dict[str, Any]) -> str:
    """What was trained, on what, and for how long."""
    took = f", {duration(facts['seconds'])}" if facts["seconds"] else ""
    return f"Trained on {facts['data']}{took}: {size(facts)}."


def size(facts: Mapping[str, Any]) -> str:
    """``4.03M params, 57M FLOPs at 64 px with 5 classes``."""
    return (
        f"{reports.count(facts['params'])} params, {reports.count(facts['flops'])} FLOPs at "
        f"{facts['resolution']} px with {facts.get('classes', 1000):,} classes"
    )


def next_lines(facts: dict[str, Any]) -> Parts:
    """Where the weights of a finished training run are, how to use them, and the next command."""
    if facts["status"] != "done":
        return []
    run = Path(facts["run"])
    use = [f"    {line}" for line in usage(run).splitlines()]
    steps = Steps(
        [
            ("Name the classes of images with", command("predict", run, "photos")),
            ("Look at the network with", command("show", run)),
        ]
    )
    return [f"Weights are in {run / weights.NAME}; in Python:", *use, "", steps]


def preparation_lines(prepared: Prepared, label: str) -> list[str]:
    """What will be trained and how long it will take; then, if they differ, whose resolution it is.

    Args:
        label: what the user calls the network.
    """
    settings, task, recipe = prepared.settings, prepared.settings.task, prepared.settings.recipe
    assert task is not None
    facts = {**prepared.cost._asdict(), "resolution": prepared.arch.resolution, "classes": task.classes}
    judge = f"{task.valid:,} judge it" + (f", {task.test:,} test it" if task.test else "")
    images = max(2, round(recipe.fraction * task.train))
    begun = f" from the weights of {settings.init.name}" if settings.init else ""
    first = (
        f"Training {label}{begun}: {size(facts)}, on {images:,} images of {settings.data} ({judge}), "
        f"{plural(recipe.epochs, 'epoch')}{takes(prepared)}"
    )
    further = [
        resolution_line(prepared, task.image_size),
        steps_line(prepared),
        uneven_warning(settings),
        few_warning(settings),
    ]
    return [first, *filter(None, further)]


def takes(prepared: Prepared) -> str:
    """``: about 2 h 10 min on 1 thread``."""
    seconds, threads = prepared.seconds, prepared.task.threads
    if seconds is None:
        return f", in {prepared.settings.resources.workers} processes"
    about = f"{max(1, round(seconds))} s" if seconds < 60 else duration(seconds)
    where = plural(threads, "thread") if prepared.task.device == "cpu" else "a GPU"
    return f": about {about} on {where}"


def steps_line(prepared: Prepared) -> str | None:
    """That the recipe's averages are too slow for so short a training run; otherwise None."""
    recipe = prepared.settings.recipe
    steps = recipe.epochs * prepared.pace.steps if prepared.pace else SLOW_STEPS
    if steps >= SLOW_STEPS or recipe.bn_momentum > SLOW_MOMENTUM:
        return None
    return (
        f"{plural(steps, 'step')} are few for averages over hundreds of them; better with: "
        "--set bn_momentum=0.1 --set ema=0.99, and a smaller batch_size"
    )


def resolution_line(prepared: Prepared, image_size: int) -> str | None:
    """That images are enlarged, or that the network is trained below its own resolution; otherwise None."""
    trained, own = prepared.arch.resolution, prepared.own
    if prepared.settings.init and 0 < image_size < trained:
        return f"The images have {image_size} px and are enlarged: pretrained weights know larger ones."
    if 0 < image_size < trained:
        return f"The images have {image_size} px; --set resolution={image_size} would train at their size."
    if trained < own and prepared.task.data.image_size == trained:
        return (
            f"The images have {trained} px, the network's own is {own}; --set resolution={own} enlarges them."
        )
    return None
