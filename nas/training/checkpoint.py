"""``checkpoint.pt``: a training at the end of an epoch, to go on from; always a whole one."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nas.errors import InputError
from nas.files import replace
from nas.spec.trial import Epoch

NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """A training so far.

    Args:
        curve: its epochs.
        state: of its ``Trainer``.
        mean, deviation: of each channel of the training images, which are normalised by them.
        test_accuracy: at the end of the training, if the data has a test part.
    """

    curve: tuple[Epoch, ...]
    state: dict[str, Any]
    mean: list[float]
    deviation: list[float]
    test_accuracy: float | None = None

    @property
    def weights(self) -> dict[str, Any]:
        """The tensors of the network that was evaluated, by name."""
        weights: dict[str, Any] = self.state["average"] or self.state["network"]
        return weights


def save(checkpoint: Checkpoint, file: IO[bytes]) -> None:
    """Writes a checkpoint as ``torch.load(..., weights_only=True)`` reads it."""
    import torch

    fields = {field.name: getattr(checkpoint, field.name) for field in dataclasses.fields(checkpoint)}
    torch.save({**fields, "curve": [tuple(epoch) for epoch in checkpoint.curve]}, file)


def load(file: IO[bytes]) -> Checkpoint:
    """The inverse of ``save``, on the CPU; what it raises of a damaged file can be anything."""
    import torch

    with zipfile.ZipFile(file) as archive:
        if damaged_part := archive.testzip():  # torch writes checksums, and does not read them
            raise ValueError(f"{damaged_part} has another checksum")
    file.seek(0)
    fields = torch.load(file, map_location="cpu", weights_only=True)
    checkpoint = Checkpoint(**{**fields, "curve": tuple(Epoch(*epoch) for epoch in fields["curve"])})
    if not len(checkpoint.curve) == checkpoint.state["epoch"] > 0:
        raise ValueError(f"{len(checkpoint.curve)} epochs, where {checkpoint.state['epoch']} are trained")
    return checkpoint


def write_checkpoint(directory: Path, checkpoint: Checkpoint) -> None:
    """Writes ``checkpoint.pt``; the one before is there until it is whole.

    Raises:
        RunError: if it cannot be written, as on a full disk.
    """
    content = io.BytesIO()  # torch does not say why a file cannot be written
    save(checkpoint, content)
    replace(directory / NAME, content.getbuffer())


def read_checkpoint(directory: Path) -> Checkpoint | None:
    """What ``write_checkpoint`` wrote last; None if there is nothing.

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
    """What to say of a checkpoint that cannot be used."""
    words = f"{type(error).__name__}: {error}".split()
    reason = " ".join(words)[:80]
    return InputError(
        f"run has a damaged checkpoint ({reason}); to train again from the first epoch, delete "
        f"{directory / NAME} and: nas resume {directory}"
    )
