"""Words on a terminal: lines that are wrapped between words, and commands that can be pasted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

Parts = Sequence[RenderableType]
"""Tables, commands, and lines of text."""

INDENT = "  "
"""Of a command that can be pasted."""
WORD = re.compile(r"""(?:\$'(?:\\.|[^'\\])*'|'[^']*'|"[^"]*"|\\.|[^\s'"\\])+""", re.DOTALL)
"""A word of a command, with its quotes."""


def print_parts(console: Console, parts: Parts) -> None:
    """Prints parts one below the other; lines are wrapped between words."""
    for part in parts:
        console.print(part)


class Steps:
    """Commands, each after the words that say what it does.

    A command that does not fit beside its words stands on lines of its own, which end in a backslash, so that
    a shell reads them as one.

    Args:
        steps: words and command of each.
    """

    def __init__(self, steps: Iterable[tuple[str, str]]) -> None:
        self.steps = list(steps)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = options.max_width
        indent = max((cell_len(words) for words, _ in self.steps), default=0) + 2
        if all(indent + cell_len(command) <= width for _, command in self.steps):
            for words, command in self.steps:
                yield Text(f"{words}:".ljust(indent) + command)
            return
        for words, command in self.steps:
            yield Text(f"{words}:")
            for line in pasteable(command, width):
                yield Text(line, no_wrap=True, overflow="ignore")


def pasteable(command: str, width: int) -> list[str]:
    """``command`` in lines of at most ``width``, if its words allow it, which a shell reads as one.

    A word that is too long is cut after a hyphen or a slash, if it needs no quotes.
    """
    lines = [INDENT]
    for word in WORD.findall(command):
        if lines[-1].strip() and cell_len(lines[-1]) + cell_len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append(INDENT * 2)
        lines[-1] += " " * bool(lines[-1].strip()) + word
        while cell_len(lines[-1]) + 2 > width and (cut := _joint(lines[-1], width - 1)):
            lines[-1:] = [lines[-1][:cut] + "\\", lines[-1][cut:]]  # no indent: it would end the word
    return lines


def _joint(line: str, most: int) -> int:
    """Where ``line`` can be cut within a word, at ``most`` characters in; 0 if nowhere."""
    if "'" in line:
        return 0
    start = len(line) - len(line.lstrip())
    cut = max(line.rfind(joint, start + 1, most) for joint in "-/") + 1
    return cut if cut > start + 1 else 0
