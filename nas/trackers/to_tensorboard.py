"""TensorBoard: ``RUN/tensorboard`` has the run's own curves, and a directory for each trained network."""

from __future__ import annotations

import io
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import hparams, scalar, text

from nas.files import append
from nas.trackers.sink import Ending, Trained

DIRECTORY = "tensorboard"


class TensorBoard:
    """Event files in ``RUN/tensorboard``; those of a resumed run are written anew from what it has."""

    known: frozenset[str] = frozenset()

    def begin(self, directory: Path, before: str, settings: Mapping[str, str]) -> str:
        self.directory = directory / DIRECTORY
        if before == DIRECTORY:  # what was written while the run was killed would stand there twice
            shutil.rmtree(self.directory, ignore_errors=True)
        self.own = EventFile(self.directory)
        self.files: dict[str, EventFile] = {}
        self.own.add(text("settings", table([("setting", "value"), *settings.items()])))
        return DIRECTORY

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        self._of(name).curves(values, epoch)

    def again(self, name: str) -> None:
        self.files.pop(name, None)
        shutil.rmtree(self.directory / name, ignore_errors=True)

    def trained(self, network: Trained) -> None:
        file = self._of(network.name)
        final = {f"final/{key}": value for key, value in network.values.items()}
        file.add(*hparams(dict(network.decisions), final))
        file.curves(final, network.step or 0)
        if network.error is not None:
            file.add(text("error", network.error))
        del self.files[network.name]
        if network.step is not None:
            part = network.name.rpartition("/")[0] or "trials"
            self.own.curves({f"{part}/{key}": value for key, value in network.values.items()}, network.step)

    def end(self, ending: Ending) -> None:
        front = ending.front.drop(columns="actions", errors="ignore").astype(str)
        if len(front):
            self.own.add(text("front", table([list(front), *front.itertuples(index=False)])))

    def _of(self, name: str) -> EventFile:
        """The file of a network that is being trained, or of the run itself."""
        if not name:
            return self.own
        if name not in self.files:
            self.files[name] = EventFile(self.directory / name)
        return self.files[name]


class EventFile:
    """A new event file in ``directory``. TensorBoard's own writer has a thread, which prints its errors."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / f"events.out.tfevents.{time.time():.0f}.{uuid.uuid4().hex[:8]}"
        self._write([Event(wall_time=time.time(), file_version="brain.Event:2")])

    def add(self, *summaries: Any, step: int = 0) -> None:
        self._write([Event(wall_time=time.time(), step=step, summary=one) for one in summaries])

    def curves(self, values: Mapping[str, float], step: int) -> None:
        """A point of each curve."""
        self.add(*(scalar(key, value) for key, value in values.items()), step=step)

    def _write(self, events: Iterable[Event]) -> None:
        records = io.BytesIO()
        for event in events:
            RecordWriter(records).write(event.SerializeToString())
        append(self.path, records.getvalue())


def table(rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown, whose first row is its head."""
    lines = ["| " + " | ".join(str(one).replace("|", "/") for one in row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * lines[0].count(" | ") + "|---|", *lines[1:]])
