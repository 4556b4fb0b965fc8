import importlib.util
import runpy
import subprocess
import sys

import pytest
from places import ROOT

BENCHMARKS = ROOT / "benchmarks"
SCRIPTS = sorted(file.name for file in BENCHMARKS.glob("*.py") if "__main__" in file.read_text())
HELP = """
import runpy, sys
folder, *names = sys.argv[1:]
sys.path.insert(0, folder)
for name in names:
    sys.argv = [name, "--help"]
    try:
        runpy.run_path(f"{folder}/{name}", run_name="__main__")
    except SystemExit as end:
        print("started" if not end.code else "failed", name)
"""


def test_no_benchmark_hides_a_module():
    """A script's imports look in its own folder first."""
    for file in BENCHMARKS.glob("*.py"):
        assert importlib.util.find_spec(file.stem) is None, file


def test_every_benchmark_starts():
    """All in one process, so that torch and Ray are imported only once."""
    command = [sys.executable, "-c", HELP, BENCHMARKS, *SCRIPTS]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in lines if line.startswith("started ")] == [f"started {name}" for name in SCRIPTS]


@pytest.mark.parametrize(("reached", "code"), [(True, 0), (False, 1)])
def test_a_missed_mark_is_said_and_fails(capsys, reached, code):
    print_marks = runpy.run_path(str(BENCHMARKS / "script.py"))["print_marks"]
    assert print_marks({"a": True, "b": reached}) == code
    assert capsys.readouterr().out.splitlines() == ["PASS    a", f"{'PASS  ' if reached else 'MISSED'}  b"]
