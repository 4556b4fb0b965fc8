"""A name and a home for the libraries, where the user has neither, as in many containers."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from nas.files import own_directory

CACHES = {
    "HF_HOME": "huggingface",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "torch",
    "TRITON_CACHE_DIR": "triton",
}
"""Where libraries are told to write what they keep in the home of others, by environment variable."""


def settle_home() -> None:
    """Sets what is missing in the environment: torch fails without a name, matplotlib warns without a home.

    Paths of the user's are read before: a ``~`` among them is not to become this directory.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())
    home = _home()
    if home.is_absolute() and os.access(home, os.W_OK | os.X_OK):
        return
    try:
        own = own_directory()
    except OSError:
        return  # then they say what they miss
    for name, folder in CACHES.items():
        os.environ.setdefault(name, str(own / folder))
    if not home.is_absolute():  # some would make a directory called ~
        os.environ["HOME"] = str(own)


def _home() -> Path:
    """The user's home, as the system knows it; relative if it knows none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path()
