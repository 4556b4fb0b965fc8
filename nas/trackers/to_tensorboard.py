"""TensorBoard: ``RUN/tensorboard`` has the run's own curves, and a directory for each trained network."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from nas.trackers.sink import Ending, Trained

DIRECTORY = "tensorboard"


class TensorBoard:
    """Event files in ``RUN/tensorboard``; those of a resumed run are written anew from what it has."""

    known: frozenset[str] = frozenset()

    def begin(self, directory: Path, before: str, settings: Mapping[str, str]) -> str:
        self.directory = directory / DIRECTORY
        if before == DIRECTORY:  # what was written while the run was killed would stand there twice
            shutil.rmtree(self.directory, ignore_errors=True)
        self.own = self._writer("")
        self.open: dict[str, SummaryWriter] = {}
        self.own.add_text("settings", table([("setting", "value"), *settings.items()]))
        self.own.flush()
        return DIRECTORY

    def epoch(self, name: str, epoch: int, values: Mapping[str, float]) -> None:
        writer = self._of(name)
        for key, value in values.items():
            writer.add_scalar(key, value, epoch)
        writer.flush()

    def again(self, name: str) -> None:
        if name in self.open:
            self.open.pop(name).close()
        shutil.rmtree(self.directory / name, ignore_errors=True)

    def trained(self, network: Trained) -> None:
        writer = self._of(network.name)
        final = {f"final/{key}": value for key, value in network.values.items()}
        for part in hparams(dict(network.decisions), final):
            writer._get_file_writer().add_summary(part)  # as SummaryWriter.add_hparams, for this writer
        for key, value in final.items():
            writer.add_scalar(key, value, network.step)
        if network.error is not None:
            writer.add_text("error", network.error)
        self.open.pop(network.name, writer).close()
        if network.step is not None:
            part = network.name.rpartition("/")[0]
            for key, value in network.values.items():
                self.own.add_scalar(f"{part or 'trials'}/{key}", value, network.step)
            self.own.flush()

    def end(self, ending: Ending) -> None:
        front = ending.front
        if len(front):
            rows = front[[name for name in front if name != "actions"]].astype(str).itertuples(index=False)
            self.own.add_text("front", table([[name for name in front if name != "actions"], *rows]))
        for writer in (*self.open.values(), self.own):
            writer.close()

    def _of(self, name: str) -> SummaryWriter:
        """The open writer of a network, or of the run itself."""
        if not name:
            return self.own
        if name not in self.open:
            self.open[name] = self._writer(name)
        return self.open[name]

    def _writer(self, name: str) -> SummaryWriter:
        return SummaryWriter(str(self.directory / name), flush_secs=10)


def table(rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown, whose first row is its head."""
    lines = ["| " + " | ".join(str(one).replace("|", "/") for one in row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * lines[0].count(" | ") + "|---|", *lines[1:]])
