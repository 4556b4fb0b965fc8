"""A name and a home for the libraries, where the user has neither, as in many containers."""

from __future__ import annotations

import contextlib
import getpass
import os
from pathlib import Path

from nas.files import own_directory


def settle_home() -> None:
    """Sets LOGNAME and HOME if the user has no name, or no home that can be written.

    Torch fails without a name, and Ray without such a home; matplotlib warns. The paths that the user gave
    have been read before, so a ``~`` among them is never this directory.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())
    with contextlib.suppress(RuntimeError):
        if os.access(Path.home(), os.W_OK | os.X_OK):
            return
    with contextlib.suppress(OSError):  # without one they say what they miss
        os.environ["HOME"] = str(own_directory())
