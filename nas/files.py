"""The files of a run, each written whole or not at all: under another name first, which it then loses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import RunError

if TYPE_CHECKING:
    import pandas as pd


def replace(path: Path, content: bytes | memoryview, *, shared: bool = False) -> None:
    """Writes a file, whole or not at all.

    Args:
        shared: several processes may write it at a time, such as two of ``nas report``. Otherwise only the
            one that holds ``run.lock`` may, and the file is still there if the power fails the moment after.

    Raises:
        RunError: if it cannot be written, as on a full disk; what was there before still is.
    """
    unfinished = path.with_name(f"{path.name}{f'.{os.getpid()}' * shared}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            if not shared:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
        if not shared:
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


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Writes the rows of ``frame`` to a shared file; see ``replace``."""
    replace(path, frame.to_csv(index=False).encode(), shared=True)


def write_json(path: Path, value: object) -> None:
    """Writes ``value`` to a shared file; see ``replace``."""
    replace(path, json_text(value).encode(), shared=True)


def json_text(value: object) -> str:
    """``value`` as a JSON file has it, see ``reports.plain``."""
    from reports import plain  # here, because whoever writes weights needs no pandas

    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"
