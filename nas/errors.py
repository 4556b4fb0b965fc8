"""Exceptions that end a command.

NasError          what went wrong, in one line
├── InputError    the user's input was wrong: exit code 2
└── RunError      the run itself failed: exit code 1
"""

from __future__ import annotations


class NasError(Exception):
    """What went wrong, in one line."""


class InputError(NasError):
    """The user's input was wrong; the message names the field, the rule and the value."""


class RunError(NasError):
    """The run failed although its input was right."""
