"""How long reports take: for a run with 100,000 trials, and for a million rows.

    python benchmarks/report_speed.py [--trials 100000] [--rows 1000000] [--keep DIRECTORY]

Writes a run.db with the journal's schema by SQL: random mnas networks with their real FLOPs, one in
fifty failed, four epochs each, three confirmed on two fresh seeds. Prints seconds and peak memory of
``nas report`` in its own process, alone and with JSON and figures, and of the functions on a million
rows. Exit code 1 if a mark is missed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from script import make_parser, print_marks

from nas.runs.config import write_config
from nas.search.journal import Journal
from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.settings import Settings
from reports import hypervolume, pareto_front
from search_spaces import SPACES, cost

NOISE = 0.02
COLUMNS = {
    "trials": "trial status arch actions accuracy flops params activations reward epochs seconds seed worker "
    "error started finished",
    "epochs": "trial epoch train_loss valid_loss accuracy seconds",
    "events": "kind trial reward",
    "confirmations": "trial seed accuracy epochs seconds worker error finished",
}


def write_run(directory: Path, trials: int) -> None:
    """A finished search of ``trials`` trials."""
    rng = np.random.default_rng(0)
    space, objective = SPACES["mnas"], Objective(400e6)
    directory.mkdir(parents=True)
    settings = Settings(
        space="mnas",
        trials=trials,
        data="digits",
        evaluator="train",
        controller="rnn",
        objective=objective,
        recipe=Recipe(),
        confirmations=3,
        confirm_seeds=2,
        controller_settings={"update_every": 20},
    )
    write_config(directory, settings.to_json())
    with Journal(directory, create=True):
        pass
    rows, epochs, events, truth = [], [], [], {}
    when = "2026-11-22T12:00:00.000+00:00"
    for trial in range(trials):
        actions = space.sample(rng)
        arch = space.decode(actions)
        price = cost(arch, space.num_classes)
        truth[trial] = 0.95 - 0.25 * (price.flops / 100e6) ** -0.7 - 0.02 * rng.exponential()
        accuracy = float(np.clip(truth[trial] + NOISE * rng.normal(), 0, 1))
        failed = rng.random() < 0.02
        reward = None if failed else objective(accuracy, price.flops)
        rows.append(
            (
                *(trial, "failed" if failed else "done", str(arch), json.dumps(actions)),
                *(None if failed else accuracy, *price, reward, 4, 12.5, trial, "worker 0"),
                *("ArithmeticError: loss is nan" if failed else None, when, when),
            )
        )
        epochs += [
            (trial, epoch, 1.0 / epoch, 1.1 / epoch, accuracy * epoch / 4, 3.0 * epoch)
            for epoch in range(1, 5)
        ]
        events += [("ask", trial, None), ("tell", trial, reward)]
    best = sorted((row for row in rows if row[1] == "done"), key=lambda row: -row[8])[:3]
    again = [
        (row[0], seed, float(truth[row[0]] + NOISE * rng.normal()), 4, 12.5, "worker 0", None, when)
        for row in best
        for seed in (1, 2)
    ]
    tables = {"trials": rows, "epochs": epochs, "events": events, "confirmations": again}
    with contextlib.closing(sqlite3.connect(directory / "run.db")) as db:
        for table, filled in tables.items():
            frame = pd.DataFrame(filled, columns=COLUMNS[table].split())
            frame.to_sql(table, db, if_exists="append", index=False)


def measure(*arguments: str) -> tuple[float, float]:
    """Seconds and peak GB (10^9 bytes) of ``nas ARGUMENTS`` in its own process."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "nas", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return time.perf_counter() - started, usage.ru_maxrss * 1024 / 1e9


def timed(work: Callable[[], object]) -> float:
    """Seconds of ``work``."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def line(name: str, value: str) -> None:
    """One line of the table."""
    print(f"{name:58}{value:>16}", flush=True)


def main() -> int:
    """Prints one line per measurement."""
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where to keep the run and to look for one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run = options.keep or Path(temporary) / "run"
        if not run.exists():
            write_run(run, options.trials)
        name = f"nas report, {options.trials:,} trials"
        seconds, peak = measure("report", str(run))
        line(name, f"{seconds:.1f} s, {peak:.2f} GB")
        marks = {f"{name}: mark 10 s": seconds <= 10, f"{name}: mark 2 GB": peak <= 2}
        seconds, peak = measure("report", str(run), "--json", "--target-flops", "300M")
        line(f"{name}, --json --target-flops 300M", f"{seconds:.1f} s, {peak:.2f} GB")
        figures = ["--png", str(Path(temporary) / "f.png"), "--svg", str(Path(temporary) / "f.svg")]
        seconds, peak = measure("report", str(run), *figures)
        line(f"{name}, --png --svg", f"{seconds:.1f} s, {peak:.2f} GB")
        size = (run / "report.html").stat().st_size / 1e6
        line("report.html", f"{size:.1f} MB")
        marks["report.html: mark 10 MB"] = size <= 10
    rng = np.random.default_rng(0)
    df = pd.DataFrame(rng.random((options.rows, 4)), columns=["accuracy", "flops", "params", "activations"])
    for objectives in (["flops"], ["flops", "params"], ["flops", "params", "activations"]):
        seconds = timed(lambda: pareto_front(df, ["accuracy"], objectives))  # noqa: B023
        front = f"pareto_front, {len(objectives) + 1} objectives, {options.rows:,} rows"
        line(front, f"{seconds:.2f} s")
        if len(objectives) == 1:
            marks[f"{front}: mark 2 s"] = seconds <= 2
    for objectives in (["flops"], ["flops", "params"]):
        worst = {"accuracy": 0.0, **dict.fromkeys(objectives, 1.0)}
        seconds = timed(lambda: hypervolume(df, ["accuracy"], objectives, reference=worst))  # noqa: B023
        line(f"hypervolume, {len(objectives) + 1} objectives, {options.rows:,} rows", f"{seconds:.2f} s")
    sphere = rng.normal(size=(100_000, 3))
    sphere = np.abs(sphere / np.linalg.norm(sphere, axis=1, keepdims=True))
    df = pd.DataFrame(sphere, columns=list("abc"))
    line(
        "pareto_front, 3 objectives, 100,000 rows all on it",
        f"{timed(lambda: pareto_front(df, list('abc'), [])):.2f} s",
    )
    worst = dict.fromkeys("abc", 0.0)
    line("hypervolume of these", f"{timed(lambda: hypervolume(df, list('abc'), [], reference=worst)):.2f} s")
    return print_marks(marks)


if __name__ == "__main__":
    sys.exit(main())
