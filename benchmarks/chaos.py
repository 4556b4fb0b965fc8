"""Is anything lost when parts of a search are killed, stopped or starved? Injects faults, and compares.

    python benchmarks/chaos.py [--faults 300] [--seed 0] [--only KIND]

Every kind of fault hits real searches again and again until each has finished, alone or by ``nas resume``. A
search that trains nothing takes those of the driver; one that trains networks on 300 scans of digits, on two
workers of its own Ray or on machines of a cluster, takes the others. Afterwards

- every trial is ``done``, and the table is that of a search which nothing has disturbed,
- every trial that had finished before a fault has kept its time: none was lost, and none trained twice,
- SQLite finds nothing wrong with ``run.db``, and the choice is the same.

Exit code 1 if anything else is the case. Faults of disks, memory and the network need root on Linux; those of
the clock, a C compiler.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from faults import Chaos, clock, dies_while_writing, kill, of_processes, pauses, signals, starve, stop
from machines import disk_faults, ext4, fill, link, make_room, mend, nodes, small, spoil
from script import MACRO_TABLE, make_parser, print_marks
from sklearn.datasets import load_digits

from nas import open_run

os.environ["RAY_AUTH_MODE"] = "disabled"  # the cluster of ``nodes`` and its searches have no token
TABLE = ["--space", "nasbench-macro", "--evaluator", f"table:{MACRO_TABLE}", "--trials", "120"]
TABLE += ["--controller", "rnn", "--seed", "5"]
TRAINED = ["--space", "mnas", "--controller", "random", "--data", "npz:few.npz", "--proxy", "resolution=8"]
TRAINED += ["--proxy", "epochs=2", "--trials", "60", "--confirm", "2", "--baseline", "none"]
TIMES = ["seconds", "images_per_second", "peak_memory", "started", "finished", "worker"]
DRIVER = {
    "SIGKILL of the driver": signals(signal.SIGKILL, (0.3, 4)),
    "SIGTERM of the driver": signals(signal.SIGTERM, (0.3, 4)),
    "SIGINT of the driver": signals(signal.SIGINT, (0.3, 4)),
    "the driver stops for a moment": pauses,
    "SIGKILL while a file is written": dies_while_writing,
    "the clock jumps": clock,
    "a full disk": disk_faults(small, fill, make_room),
    "a disk turns read-only": disk_faults(ext4, spoil, mend),
}
ABOVE = {
    "SIGKILL of a worker": of_processes("ray::Worker", kill, (1, 4)),
    "SIGSTOP of a worker": of_processes("ray::Worker", stop, (3, 6)),
    "SIGKILL of the raylet": of_processes("raylet/raylet", kill, (3, 8)),
    "SIGKILL of the head (GCS)": of_processes("gcs_server", kill, (3, 8)),
    "SIGKILL of a driver that trains": signals(signal.SIGKILL, (3, 20)),
    "the kernel ends a worker for memory": of_processes("ray::Worker", starve, (1, 4)),
    "a machine of a cluster is killed": nodes,
    "the network between two machines is cut": link,
}
SHARES = {"SIGSTOP of a worker": 3, "SIGKILL of the raylet": 6, "SIGKILL of the head (GCS)": 3}
SHARES |= {"a machine of a cluster is killed": 50, "SIGKILL of a driver that trains": 12}
SHARES |= {"the network between two machines is cut": 6}
"""How many of 300 faults are of a kind; the others share what is left."""


def check(chaos: Chaos, whole: Path) -> Counter[str]:
    """What is wrong with a run that has finished, after all."""
    wrong = Counter[str]()
    trials, expected = (open_run(run).trials() for run in (chaos.run, whole))
    finished = trials.set_index("trial")["finished"]
    wrong["trials lost"] = sum(trial not in finished.index for trial in chaos.noted)
    wrong["trials trained twice"] = sum(
        trial in finished.index and finished[trial] != time for trial, time in chaos.noted.items()
    )
    wrong["trials failed"] = int((trials["status"] == "failed").sum())
    same = trials.drop(columns=TIMES).equals(expected.drop(columns=TIMES))
    wrong["other tables"] = int(not same)
    choices = [json.loads((run / "best.json").read_text())["arch"] for run in (chaos.run, whole)]
    wrong["other choices"] = int(choices[0] != choices[1])
    with contextlib.closing(sqlite3.connect(chaos.run / "run.db")) as db:
        wrong["damaged files"] = int(db.execute("PRAGMA integrity_check").fetchone() != ("ok",))
    return wrong


def prepared(root: Path, options: list[str]) -> Path:
    """A directory with images, and a run that nothing disturbs."""
    place = Path(tempfile.mkdtemp(dir=root))
    images, labels = load_digits(return_X_y=True)
    np.savez(place / "few.npz", train_x=images[:300].reshape(-1, 8, 8).astype("uint8"), train_y=labels[:300])
    undisturbed = [sys.executable, "-m", "nas", "search", *options, "--run", "whole", "-q"]
    subprocess.run(undisturbed, cwd=place, check=True)
    return place


def main() -> int:
    """Prints a line per kind, and whether anything was lost."""
    parser = make_parser(__doc__)
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[*DRIVER, *ABOVE])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nas-chaos-") as root:
        names = [asked.only] if asked.only else [*DRIVER, *ABOVE]
        return inject(Path(root), names, asked.faults, random.Random(asked.seed))


def inject(root: Path, names: list[str], number: int, rng: random.Random) -> int:
    """Injects ``number`` faults, or of fewer kinds their share, and prints what came of them."""
    kinds, total, rows = {**DRIVER, **ABOVE}, Counter[str](), []
    rest = (300 - sum(SHARES.values())) / (len(kinds) - len(SHARES))
    places: dict[int, Path] = {}
    for name in names:
        options = TABLE if name in DRIVER else TRAINED
        if id(options) not in places:
            places[id(options)] = prepared(root, options)
        wanted, hits, began = round(SHARES.get(name, rest) * number / 300), 0, time.monotonic()
        runs = resumed = 0
        said = Counter[str]()
        while hits < max(1, wanted):
            place = Path(tempfile.mkdtemp(dir=root))
            (place / "few.npz").write_bytes((places[id(options)] / "few.npz").read_bytes())
            chaos = Chaos(place, list(options), rng)
            kinds[name](chaos, max(1, min(wanted - hits, 50)))
            total.update(check(chaos, places[id(options)] / "whole"))
            with contextlib.suppress(FileNotFoundError):  # on a disk that is gone
                said.update((chaos.place / "output").read_text().splitlines())
            runs, hits, resumed = runs + 1, hits + chaos.faults, resumed + chaos.resumed
        rows.append((name, hits, runs, resumed, time.monotonic() - began))
        print(f"{name}: {hits} faults in {runs} runs, {rows[-1][-1]:.0f} s; {dict(+total)}", flush=True)
        for line, times in said.most_common(3):
            print(f"    {times} times: {line}", flush=True)
    print(
        pd.DataFrame(rows, columns=["fault", "number", "runs", "resumed", "seconds"]).to_string(index=False)
    )
    return print_marks({f"{total[name]} {name}": not total[name] for name in total})


if __name__ == "__main__":
    sys.exit(main())
