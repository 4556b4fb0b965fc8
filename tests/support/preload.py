"""Libraries that change what the system says to a program."""

import shutil
import subprocess

import pytest
from places import ROOT


def compiled(name, place):
    """The library of ``tests/support/NAME.c``; the test is skipped if there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library = place / f"{name}.so"
    source = ROOT / "tests" / "support" / f"{name}.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library
