"""Does damaged or odd input ever end in anything but a clear line or a right answer?

    python benchmarks/fuzz.py [--config 3000] [--database 1000] [--files 1000] [--options 1000]
                              [--texts 300000] [--seed 0] [--only KIND SEED]

Changes config.json (every field, every JSON type), run.db (bytes and rows), best.json, family.json, tables,
weights and checkpoints of real runs, numbers in options, and architecture texts, and runs the commands that
read them, in a process of its own (tests/support/fuzz_worker.py). Prints every traceback, warning, other exit
code, hang and use of more than 1 GB, with its seed; ``--only`` runs that case again. Exit
code 1 if there is one.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
from pathlib import Path

from script import make_parser, print_marks

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

COUNTS = {"config": 3000, "database": 1000, "files": 1000, "options": 1000, "texts": 300_000}
PER_CASE = {"texts": 1000}


def main() -> int:
    """Runs the cases, and returns the exit code."""
    parser = make_parser(__doc__)
    for kind, count in COUNTS.items():
        parser.add_argument(f"--{kind}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", nargs=2, metavar=("KIND", "SEED"), help="one case")
    asked = parser.parse_args()

    from fuzz_cases import CASES, warm
    from fuzz_worker import run_cases

    warm()
    plan = {
        kind: range(asked.seed, asked.seed + getattr(asked, kind) // PER_CASE.get(kind, 1)) for kind in COUNTS
    }
    if asked.only:
        plan = {asked.only[0]: range(int(asked.only[1]), int(asked.only[1]) + 1)}
    marks = {}
    for kind, seeds in plan.items():
        started = time.perf_counter()
        findings, codes = run_cases(CASES, kind, seeds, lambda finding: print(finding, flush=True))
        ended = ", ".join(f"{number:,} x {code}" for code, number in sorted(codes.items(), key=str))
        count = len(seeds) * PER_CASE.get(kind, 1)
        print(f"{kind}: {count:,} cases, {ended}; {time.perf_counter() - started:.0f} s", flush=True)
        marks[f"{kind}: {len(findings)} findings"] = not findings
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
