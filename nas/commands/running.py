"""How a command runs, so that it can be interrupted."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from nas.errors import command

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.screens.progress import Screen


def watch(screen: Screen, work: Callable[[], Run | None]) -> None:
    """Does ``work`` while ``screen`` shows it, and shows the run that it gives.

    On Ctrl-C or SIGTERM, says how to go on; every finished trial is in the journal by then.
    """
    from nas.screens.views import print_report
    from nas.screens.words import Steps, print_parts

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with screen:
        try:
            if run := work():
                print_report(screen.console, run)
        except KeyboardInterrupt:
            if screen.directory is not None:
                words = "Interrupted; what was finished is kept. Go on with"
                print_parts(screen.console, [Steps([(words, command("resume", screen.directory))])])
            raise typer.Exit(130) from None
