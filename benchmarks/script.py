"""What these scripts share: their option parser, data files and marks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

DATA = Path(__file__).parents[2] / "shared" / "data"
ACCEL_TABLE = DATA / "accel_nasbench" / "accel_nasbench.csv.gz"
MACRO_TABLE = DATA / "nas_bench_macro" / "nas-bench-macro_cifar10.json"
CIFAR = DATA / "cifar10_6k" / "cifar10_6k_subset_uint8.npz"


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose ``--help`` shows the script's docstring as it is written."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def print_marks(marks: Mapping[str, bool]) -> int:
    """Prints whether each mark is reached; returns the script's exit code, 1 if one is missed."""
    for mark, reached in marks.items():
        print(f"{'PASS' if reached else 'MISSED':6}  {mark}")
    return 0 if all(marks.values()) else 1
