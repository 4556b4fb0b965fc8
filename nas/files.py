"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from nas.errors import RunError


def replace(path: Path, content: bytes | memoryview) -> None:
    """Writes a file, whole or not at all, even if the power fails.

    Raises:
        RunError: if it cannot be written, as on a full disk; what was there before still is.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # or the new name may be lost
        finally:
            os.close(directory)
    except OSError as error:
        raise RunError(
            f"{path.name} could not be written ({error.strerror}); with room for it, go on with: "
            f"nas resume {path.parent}"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
