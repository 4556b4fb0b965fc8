"""Writes the files of a run atomically: each under a temporary name first, and then renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import RunError, command

if TYPE_CHECKING:
    import pandas as pd

MOST_NESTED = 50


def replace(path: Path, content: bytes | memoryview, *, shared: bool = False) -> None:
    """Writes a file completely or not at all.

    Args:
        shared: several processes may write it at the same time, such as two ``nas report``. Otherwise only
            the holder of ``run.lock`` may, and the file survives a power failure right afterwards.

    Raises:
        RunError: if it cannot be written, as on a full disk; the previous file is kept.
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
        name = "report" if (path.parent / "best.json").exists() else "resume"
        raise RunError(
            f"{path.name} could not be written ({error.strerror}); with room for it, go on with: "
            f"{command(name, path.parent)}"
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
    """The text of a JSON file with ``value``; see ``reports.plain``."""
    from reports import plain  # imported here because writing weights should not import pandas

    return json.dumps(plain(value), indent=2, allow_nan=False) + "\n"


def read_json(path: Path) -> Any:
    """The value in a JSON file, for which no recursion that follows is too deep.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not JSON, or nested too deeply; in one line.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except RecursionError:
        raise ValueError(f"nested more than {MOST_NESTED} levels deep") from None
    inside, depth = [value], 0
    while inside:
        lists = (
            one.values() if isinstance(one, dict) else one for one in inside if isinstance(one, dict | list)
        )
        inside, depth = [each for one in lists for each in one], depth + 1
        if depth > MOST_NESTED:
            raise ValueError(f"nested more than {MOST_NESTED} levels deep")
    return value
