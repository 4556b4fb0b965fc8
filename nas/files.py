"""The files of a run, each written whole or not at all: under another name first, which it then loses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import RunError

if TYPE_CHECKING:
    import pandas as pd


def replace(path: Path, content: bytes | memoryview) -> None:
    """Writes a file that is still there if the power fails the moment after.

    Only the process that holds ``run.lock`` may: it overwrites what a killed one has left unfinished.

    Raises:
        RunError: if it cannot be written, as on a full disk; what was there before still is.
    """
    _write(path, content, path.with_name(f"{path.name}.unfinished"), lasting=True)


def write(path: Path, text: str) -> None:
    """Writes a text file; several processes may at a time, such as two of ``nas report``.

    Raises:
        RunError: as ``replace``.
    """
    _write(path, text.encode(), path.with_name(f"{path.name}.{os.getpid()}.unfinished"), lasting=False)


def write_json(path: Path, value: object) -> None:
    """Writes ``value`` as ``json_text``; see ``write``."""
    write(path, json_text(value))


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Writes the rows of ``frame``; see ``write``."""
    write(path, frame.to_csv(index=False))


def json_text(value: object) -> str:
    """``value`` as a JSON file has it; see ``reports.plain``."""
    from reports import plain  # here, because whoever writes weights needs no pandas

    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def _write(path: Path, content: bytes | memoryview, unfinished: Path, *, lasting: bool) -> None:
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
        if lasting:
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)  # or the new name may be lost
            finally:
                os.close(directory)
    except OSError as error:
        command = "report" if (path.parent / "best.json").exists() else "resume"
        raise RunError(
            f"{path.name} could not be written ({error.strerror}); with room for it, go on with: "
            f"nas {command} {path.parent}"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
