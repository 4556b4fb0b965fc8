"""The progress bar: one line that fits the terminal, with a time that does not jump."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.progress import ProgressColumn, Task
from rich.text import Text

SHORTEST, LONGEST = 10, 40
"""Cells of the bar itself."""


class BarLine(ProgressColumn):
    """The line of a task.

    Its fields are ``state``, words between commas, the most important first; and of trials ``begun``, how
    many were finished when the work began, ``changed``, when the last one finished, and how many are
    ``running``.
    """

    def render(self, task: Task) -> RenderableType:
        return _Line(task)


class _Line:
    def __init__(self, task: Task) -> None:
        self.task = task

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(SHORTEST, options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        task, width = self.task, options.max_width
        number = "" if task.total is None else f"{int(task.completed)}/{int(task.total)}"
        left = remaining(task)
        eta = "" if left is None else f"ETA {clock(left)}"
        state = list(filter(None, str(task.fields.get("state", "")).split(", ")))
        shown = [number, ", ".join(state), clock(task.elapsed or 0.0), eta]
        bar = bool(number)
        while _length(task.description, shown) + (SHORTEST + 1) * bar > width:
            if shown[2]:
                shown[2] = ""
            elif state:
                shown[1] = ", ".join(state := state[:-1])
            elif bar:
                bar = False
            else:
                break
        line = Text(task.description, style="progress.description", no_wrap=True, overflow="ellipsis")
        if bar:
            cells = min(LONGEST, width - _length(task.description, shown) - 1)
            filled = round(cells * min(1.0, task.completed / (task.total or 1)))
            line.append(" ")
            line.append(("-" if options.ascii_only else "━") * filled, "bar.complete")
            line.append(" " * (cells - filled))
        for text, style in zip(
            shown, ("progress.download", "", "progress.elapsed", "progress.remaining"), strict=True
        ):
            line.append(f" {text}" if text else "", style)
        yield line


def _length(description: str, shown: list[str]) -> int:
    return cell_len(description) + sum(1 + cell_len(text) for text in shown if text)


def remaining(task: Task) -> float | None:
    """Seconds until the task is done; None as long as they are unknown.

    Trials that run side by side end side by side. Their pace is therefore the mean since the work began, and
    the time runs down evenly until the next one ends, but never by more than those that are running.
    """
    if task.total is None or task.remaining is None:
        return None
    changed: float | None = task.fields.get("changed")
    if changed is None or task.start_time is None:
        return float(task.remaining / task.speed) if task.speed else None
    done = task.completed - task.fields.get("begun", 0)
    if done <= 0:
        return None
    each: float = (changed - task.start_time) / done
    running = max(1, task.fields.get("running", 1))
    left = each * task.remaining
    return max(float(left - (task.get_time() - changed)), float(left - each * running), 0.0)


def clock(seconds: float) -> str:
    """``0:01:15``"""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
