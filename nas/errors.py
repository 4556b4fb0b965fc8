"""Exceptions that end a command.

NasError          what went wrong, in one line
├── InputError    the user's input was wrong: exit code 2
└── RunError      the run itself failed: exit code 1
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NasError(Exception):
    """What went wrong, in one line."""


class InputError(NasError):
    """The user's input was wrong; the text names the option, the rule and the value."""


class RunError(NasError):
    """The run failed although its input was right."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """``unknown space 'mans'; did you mean 'mnas'? Known: ...``."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    hint = f" did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {name!r};{hint} Known: {', '.join(names)}"
