"""How a command runs, so that it can be interrupted: on the command line and in Python."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import typer

from nas.errors import command
from nas.files import is_file

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.screens.progress import Screen
    from nas.spec.listener import Listener
    from nas.trackers.chosen import Chosen


def watch(screen: Screen, work: Callable[[Listener], Run], chosen: Chosen) -> Run:
    """Does ``work`` while ``screen`` shows it; prints the report of the run that it gives, and returns it.

    A family that was scaled without training has no report.

    Args:
        work: is given the listener that it tells what happens: the screen, and the trackers of ``chosen``.

    Raises:
        KeyboardInterrupt: after saying how to go on; every finished trial is in the journal by then.
    """
    from nas.runs.config import read_settings
    from nas.screens.views import print_report
    from nas.screens.words import Steps, print_parts
    from nas.spec.own import code_fields
    from nas.trackers.chosen import followed

    with screen:
        try:
            with followed(screen, chosen) as listener:
                run = work(listener)
            if is_file(run.directory / "run.db"):
                print_report(screen.console, run)
        except KeyboardInterrupt as stop:
            if screen.directory is not None:
                given, files = code_fields(read_settings(screen.directory))
                words = "Interrupted; what was finished is kept. Go on with"
                line = command("resume", screen.directory, *["--trust-code"] * files)
                print_parts(screen.console, [Steps([(words, line)])])
                again = [f"{field}=..." for field in given] + ["trust_code=True"] * files
                called = ", ".join([repr(str(screen.directory)), *again])
                stop.add_note(f"What was finished is kept. Go on with nas.resume({called})")
            raise
    return run


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ends the command with exit code 130 on Ctrl-C, and on SIGTERM likewise."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
