"""Standard output: what it cannot show is spelled, and what cannot be written does not end a run."""

from __future__ import annotations

import codecs
import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from nas.errors import escaped, shown

PLAIN = {
    "±": "+-", "×": "x", "·": "|", "→": "->", "★": "*", "…": "...", "≤": "<=", "≥": ">=", "≈": "~", "²": "^2",
    "α": "alpha", "β": "beta", "γ": "gamma", "φ": "phi", "τ": "tau", "•": "*", "\u2013": "-", "\u2014": "-",
    "\u2212": "-", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"',
}  # fmt: skip
"""How our own signs are written where the terminal's encoding has none of them."""
UNLIMITED = 10_000
"""Columns where there is no terminal."""
LEAST = 20
"""A terminal that says it has fewer columns is not believed."""
SPELLED = "nas.spelled"
"""The codecs' name for ``_spelled``."""


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """What an encoding cannot write, in its own signs: the plain ones, or an escape such as ``\\xe9``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign) or escaped(sign) for sign in text), error.end


codecs.register_error(SPELLED, _spelled)


class Terminal(Console):
    """A console that takes texts as they are: no markup, no emoji, nothing coloured.

    Whether it is a terminal says the system alone: FORCE_COLOR would put bars and cursor codes into a file.
    A file has no width, whatever COLUMNS says: scripts find every sentence in one line. A notebook is like a
    terminal; where it has no ipywidgets, it has no bars.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        try:
            there = sys.stdout.isatty()
        except (AttributeError, ValueError):  # it is closed
            there = False
        super().__init__(quiet=quiet, highlight=False, markup=False, emoji=False, force_terminal=there)
        self.shows_bars = there or (self.is_jupyter and _has_widgets())
        if self.is_jupyter:  # which has the width that Rich gives it
            return
        if not there:
            self.width = UNLIMITED
        elif self.width < LEAST:
            self.width = LEAST

    def render_str(self, text: str, **options: Any) -> Text:
        """A text in signs that the terminal has, so that columns are as wide as what stands in them.

        Control characters are spelled: a name with an escape sequence must not move the cursor.
        """
        lines = "\n".join(map(shown, text.split("\n")))
        return super().render_str(lines.encode(self.encoding, SPELLED).decode(self.encoding), **options)


def _has_widgets() -> bool:
    """Whether a notebook can show what moves."""
    return importlib.util.find_spec("ipywidgets") is not None


def is_unread() -> bool:
    """Whether nothing that is printed arrives any more: ``nas report --follow RUN | head -1``."""
    return isinstance(sys.stdout, Output) and sys.stdout.error is not None


class Output:
    """Standard output that never fails: what cannot be written is dropped, and ``error`` says why.

    A search of hours must not end because its log's disk is full, or because nobody reads its lines any more.
    """

    buffer = None  # so that nothing is written past this

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Writes ``text``, or drops it."""
        if self.error is None:
            try:
                return self.stream.write(text)
            except OSError as error:
                self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Writes what is waiting, or drops it."""
        if self.error is None:
            try:
                self.stream.flush()
            except OSError as error:
                self._drop(error)

    def _drop(self, error: OSError) -> None:
        self.error = error
        with contextlib.suppress(OSError, ValueError):  # what is waiting would be tried again at the end
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def guarded() -> Iterator[Output]:
    """Puts an ``Output`` in the place of ``sys.stdout``, and spells what the terminal has no signs for."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a closed standard stream's number must not become that of a run's file
    os.close(descriptor)
    before = sys.stdout, sys.stderr
    with contextlib.ExitStack() as undo:
        out, err = (stream or undo.enter_context(open(os.devnull, "w")) for stream in before)  # noqa: PTH123
        for stream in (out, err):
            if isinstance(stream, io.TextIOWrapper):
                undo.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors=SPELLED)
        output = Output(out)
        sys.stdout, sys.stderr = output, err
        try:
            yield output
        finally:
            output.flush()
            sys.stdout, sys.stderr = before
