"""Exceptions that end a command, and how a user's texts stand in their messages."""

from __future__ import annotations

import re
import shlex


class NasError(Exception):
    """What went wrong, in one line; the command ends with exit code 2 or 1, see below."""


class InputError(NasError):
    """The user's input was wrong: exit code 2. The message names the field, the rule and the value."""


class RunError(NasError):
    """The run failed although its input was valid: exit code 1."""


class TrialError(Exception):
    """What the user's own evaluation did wrong, in one line: its trial fails, and the search goes on."""


class WriteError(RunError):
    """A file of a run could not be written.

    Attributes:
        file: its name.
        reason: what the system said.
    """

    def __init__(self, file: str, reason: str, again: str) -> None:
        then = "when it can be" if re.search("read-?only|I/O", reason, re.IGNORECASE) else "with room for it"
        super().__init__(f"{file} could not be written ({reason}); {then}, go on with: {again}")
        self.file, self.reason = file, reason


def command(name: str, run: object, *words: object) -> str:
    """``nas resume 'my run'``: a command to go on with, which a shell reads as it is meant.

    ``words`` follow the name of a run or a network, which may begin with a hyphen.
    """
    text = str(run)
    return command_line(name, f"./{text}" if text.startswith("-") else text, *words)


def command_line(name: str, *words: object) -> str:
    """A command and its words, with options among them."""
    return " ".join(["nas", name, *(quoted(str(word)) for word in words)])


def quoted(text: str) -> str:
    """A word as a shell reads it."""
    if shown(text) == text:
        return shlex.quote(text)
    spelled = shown(text.replace("\\", "\\\\")).replace("'", "\\'")
    return f"$'{spelled}'"


def shown(text: str) -> str:
    """``text`` in one line: control characters, and bytes that are no UTF-8, as ``\\n`` and ``\\xe9``."""
    return re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: escaped(found[0]), text)


def encoded(text: str) -> bytes:
    """``text`` as UTF-8, for a file; bytes of a path that are none as ``\\xe9``."""
    return re.sub("[\ud800-\udfff]", lambda found: escaped(found[0]), text).encode()


def escaped(character: str) -> str:
    """One character as an escape; a byte that is no UTF-8 (``surrogateescape``) as this byte."""
    byte = ord(character) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else character.encode("unicode_escape").decode()
