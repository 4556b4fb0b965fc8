"""Exceptions that end a command."""

from __future__ import annotations

import shlex


class NasError(Exception):
    """What went wrong, in one line; the command ends with exit code 2 or 1, see below."""


class InputError(NasError):
    """The user's input was wrong: exit code 2. The message names the field, the rule and the value."""


class RunError(NasError):
    """The run failed although its input was valid: exit code 1."""


def command(name: str, *words: object) -> str:
    """``nas resume 'my run'``: a command to go on with, which a shell reads as it is meant."""
    return f"nas {name} {shlex.join(map(str, words))}"
