"""The bar's line fits the terminal, and its time does not jump."""

import io
import itertools

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.progress import Progress

from nas.screens.bar import BarLine, Pace, clock, remaining


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def bar(width, clock=None, **fields):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True)
    progress = Progress(BarLine(), console=console, expand=True, get_time=clock, auto_refresh=False)
    task = progress.add_task("Confirming the best", total=30, completed=12, **fields)
    return progress, progress.tasks[task]


def line_of(progress, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(progress.get_renderable())
    return console.file.getvalue().rstrip("\n")


@pytest.mark.parametrize("width", [20, 30, 40, 60, 79, 80, 100, 120, 300])
def test_what_does_not_fit_is_left_out_whole(width):
    now = Clock()
    state = "best reward 1.0793, 2 running, front 12"
    progress, _ = bar(width, now, state=state, ends=150.0, least=0.0)
    now.now = 61.0
    line = line_of(progress, width)
    assert cell_len(line.rstrip()) <= width
    assert "\n" not in line
    words = {
        "Confirming",
        "the",
        "best",
        "12/30",
        *state.replace(",", "").split(),
        "0:01:01",
        "ETA",
        "0:01:29",
    }
    if width >= 40:
        assert {word.strip(",") for word in line.replace("━", " ").split()} <= words
        assert "ETA 0:01:29" in line
        assert "12/30" in line
    assert ("front 12" in line) == (width >= 100)
    assert ("best reward 1.0793" in line) == (width >= 79)


def test_trials_that_end_side_by_side_do_not_make_the_time_jump():
    now, pace, said = Clock(), Pace(0.0, 0), []
    progress, task = bar(80, now)
    for step in range(1, 15):  # two workers, ten seconds a trial; the second one ends a second later
        for now.now, done in (
            (10.0 * step, 2 * step - 1),
            (10.0 * step + 1, 2 * step),
            (10.0 * step + 9, 2 * step),
        ):
            progress.update(task.id, completed=done, **pace.update(now.now, done, 30, 2))
            said.append((now.now, remaining(task)))
    ends = [seconds + left for seconds, left in said[6:]]
    assert max(abs(after - before) for before, after in itertools.pairwise(ends)) < 20
    assert ends[-1] == pytest.approx(150, abs=10)
    lefts = [left for _, left in said[12:]]
    assert sum(after > before for before, after in itertools.pairwise(lefts)) <= len(lefts) / 3


def test_what_was_finished_before_does_not_count_as_fast():
    now, pace = Clock(), Pace(0.0, 12)
    progress, task = bar(80, now)
    progress.update(task.id, **pace.update(1.0, 12, 30, 1))
    assert remaining(task) is None
    now.now = 7.0
    progress.update(task.id, completed=13, **pace.update(7.0, 13, 30, 1))
    assert remaining(task) == 17 * 7.0
    now.now = 100.0  # the next one takes long: what has not begun is still to come
    assert remaining(task) == 16 * 7.0


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (59.2, "0:01:00"), (7325, "2:02:05")])
def test_the_clock(seconds, text):
    assert clock(seconds) == text
