"""The user's own code: how settings name it, and where what it gave stands while a command works.

A run keeps names: FILE.py:NAME, or python:NAME of an object that was given in Python. The objects themselves
stand in the context of the command that was told of them, by the field of the settings that names them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

FIELDS = ("space", "data", "evaluator", "controller")
"""Fields of settings that may name code."""
PYTHON = "python:"
"""Begins the name of an object that was given in Python, and stands in no file."""
_GIVEN: ContextVar[dict[str, Any] | None] = ContextVar("given", default=None)


def is_code(text: str) -> bool:
    """Whether ``text`` reads FILE.py:NAME."""
    return re.fullmatch(r".+\.py:\w+", text) is not None


def is_own(text: str) -> bool:
    """Whether ``text`` names the user's own code, in a file or not."""
    return is_code(text) or text.startswith(PYTHON)


def code_fields(settings: Any) -> tuple[list[str], bool]:
    """What ``nas resume`` must be given again, in Python, and whether it must be trusted to run files.

    A device's program is code, too, where the settings are those of a search.
    """
    named = {field: getattr(settings, field) for field in FIELDS}
    given = [field for field, text in named.items() if text.startswith(PYTHON)]
    files = any(map(is_code, [*named.values(), *settings.track]))
    return given, files or (settings.kind == "search" and settings.device.startswith("command:"))


def name_of(text: str) -> str:
    """The NAME of FILE.py:NAME or python:NAME."""
    return text.rpartition(":")[2]


def file_of(text: str) -> str:
    """The file of FILE.py:NAME; empty for an object that was given in Python."""
    return text.rpartition(":")[0] if is_code(text) else ""


def absolute_code(text: str) -> str:
    """FILE.py:NAME with the file's absolute path; another ``text`` as it is."""
    file, _, name = text.rpartition(":")
    return f"{Path(file).absolute()}:{name}" if file.endswith(".py") else text


@contextlib.contextmanager
def given(**objects: Any) -> Iterator[None]:
    """A command's own context, with what it was given in Python; nothing of it is left afterwards."""
    token = _GIVEN.set(objects)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def keep(field: str, made: Any) -> None:
    """Lets the rest of the command find what a field names."""
    known = _GIVEN.get()
    if known is None:
        _GIVEN.set({field: made})
    else:
        known[field] = made


def kept(field: str) -> Any:
    """What the field names; None if nobody has made it here."""
    return (_GIVEN.get() or {}).get(field)
