"""The progress bar: one line that fits the terminal, with a time that does not jump."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.progress import ProgressColumn, Task
from rich.text import Text

SHORTEST, LONGEST = 10, 40
"""Cells of the bar itself."""
CALM = 0.3
"""How far the time until the end follows a new estimate."""


class BarLine(ProgressColumn):
    """The line of a task.

    Its fields are ``state``, words between commas, the most important first; and of trials those of ``Pace``.
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

    Of trials, it is the time to ``ends``, but never less than all that have not begun will take (``least``).
    """
    if task.total is None or task.remaining is None:
        return None
    if (ends := task.fields.get("ends")) is not None:
        return max(float(ends - task.get_time()), float(task.fields.get("least", 0.0)), 0.0)
    return float(task.remaining / task.speed) if task.speed else None


class Pace:
    """When the trials will have ended.

    Trials that run side by side end side by side, so the pace is the mean since the work began, and each
    estimate moves the one before by a part only: the time on the screen does not jump.

    Args:
        began: when the work began, in seconds.
        before: how many trials had been finished then.
    """

    def __init__(self, began: float, before: int) -> None:
        self.began, self.before = began, before
        self.done = before
        self.ends: float | None = None
        self.each = 0.0  # seconds from one end to the next

    def update(self, now: float, done: int, total: int, running: int) -> dict[str, Any]:
        """The fields ``ends`` and ``least`` of the bar's task."""
        if done > self.done:
            self.done, self.each = done, (now - self.began) / (done - self.before)
            ends = now + self.each * (total - done)
            self.ends = ends if self.ends is None else self.ends + CALM * (ends - self.ends)
        return {"ends": self.ends, "least": self.each * max(0, total - done - running)}


def clock(seconds: float) -> str:
    """``0:01:15``"""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
