"""``checkpoint.pt``: a training run at the end of an epoch, to resume it from."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nas.errors import InputError, command
from nas.files import replace
from nas.spec.trial import Epoch

NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """A training run so far.

    Args:
        curve: its epochs.
        state: ``Trainer.state_dict()``.
        mean, deviation: for each channel of the training images; all images are normalised by them.
        test_accuracy: of the kept weights, after the last epoch, if the data has a test part.
        kept: the number of the epoch whose weights are kept so far; 0 in older checkpoints, which keep the
            last.
        kept_weights: its tensors, by name; None if it is the last epoch so far.
    """

    curve: tuple[Epoch, ...]
    state: dict[str, Any]
    mean: list[float]
    deviation: list[float]
    test_accuracy: float | None = None
    kept: int = 0
    kept_weights: dict[str, Any] | None = None

    @property
    def kept_epoch(self) -> Epoch:
        """The epoch whose ``weights`` are kept."""
        return self.curve[self.kept - 1]

    @property
    def weights(self) -> dict[str, Any]:
        """The tensors to keep, by name: of the network that was evaluated after ``kept_epoch``."""
        weights: dict[str, Any] = self.kept_weights or self.state["average"] or self.state["network"]
        return weights


def save(checkpoint: Checkpoint, file: IO[bytes]) -> None:
    """Writes a checkpoint that ``torch.load(..., weights_only=True)`` can read."""
    import torch

    torch.save({**vars(checkpoint), "curve": [tuple(epoch) for epoch in checkpoint.curve]}, file)


def load(file: IO[bytes]) -> Checkpoint:
    """The inverse of ``save``, on the CPU; a damaged file can raise any exception."""
    import torch

    with zipfile.ZipFile(file) as archive:
        if damaged_part := archive.testzip():  # torch writes checksums, but does not check them
            raise ValueError(f"{damaged_part} does not match its checksum")
    file.seek(0)
    fields = torch.load(file, map_location="cpu", weights_only=True)
    checkpoint = Checkpoint(**{**fields, "curve": tuple(Epoch(*epoch) for epoch in fields["curve"])})
    if not len(checkpoint.curve) == checkpoint.state["epoch"] > 0:
        raise ValueError(f"{len(checkpoint.curve)} epochs in the curve, {checkpoint.state['epoch']} trained")
    if not 0 <= checkpoint.kept <= len(checkpoint.curve):
        raise ValueError(f"epoch {checkpoint.kept} is kept of {len(checkpoint.curve)}")
    return checkpoint


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Writes ``checkpoint.pt``; raises as ``nas.files.replace``."""
    content = io.BytesIO()  # torch does not say why a file cannot be written
    save(checkpoint, content)
    replace(directory / NAME, content.getbuffer())


def read_checkpoint(directory: Path) -> Checkpoint | None:
    """The run's latest checkpoint; None if there is none.

    Raises:
        InputError: if it is damaged.
    """
    path = directory / NAME
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            return load(file)
    except Exception as error:
        raise damaged(directory, error) from error


def damaged(directory: Path, error: Exception) -> InputError:
    """The error for a checkpoint that cannot be used."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:80]
    return InputError(
        f"run has a damaged checkpoint ({reason}); to train again from the first epoch, delete "
        f"{directory / NAME} and: {command('resume', directory)}"
    )
