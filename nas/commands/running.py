"""How a command runs: in a directory of its own, and so that it can be interrupted."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas.errors import command

if TYPE_CHECKING:
    from nas.runs.run import Run
    from nas.screens.progress import Screen


def run_directory(run: Path | None, name: str) -> Path:
    """``run``, or a directory under ``runs`` with the time and ``name``."""
    return run or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def watch(screen: Screen, directory: Path, work: Callable[[], Run | None]) -> None:
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
            if (directory / "run.db").exists():
                words = "Interrupted; what was finished is kept. Go on with"
                print_parts(screen.console, [Steps([(words, command("resume", directory))])])
            raise typer.Exit(130) from None
