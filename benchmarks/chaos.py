"""Is anything lost when parts of a search are killed, stopped or starved? Injects faults, and compares.

    python benchmarks/chaos.py [--faults 300] [--seed 0] [--only KIND]

Every kind of fault hits real searches again and again until each has finished, alone or by ``nas resume``. A
search that trains nothing takes those of the driver; one that trains networks on 300 scans of digits, on two
workers of its own Ray or on machines of a cluster, takes the others. Afterwards

- every trial is ``done``, and the table is that of a search which nothing has disturbed,
- every trial that had finished before a fault has kept its time: none was lost, and none trained twice,
- SQLite finds nothing wrong with ``run.db``, and the choice is the same.

Exit code 1 if anything else is the case. A full disk needs root.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from script import MACRO_TABLE, make_parser, print_marks
from sklearn.datasets import load_digits

from nas import open_run

os.environ["RAY_AUTH_MODE"] = "disabled"  # the cluster of ``nodes`` and its searches have no token
TABLE = ["--space", "nasbench-macro", "--evaluator", f"table:{MACRO_TABLE}", "--trials", "120"]
TABLE += ["--controller", "rnn", "--seed", "5"]
TRAINED = ["--space", "mnas", "--controller", "random", "--data", "npz:few.npz", "--proxy", "resolution=8"]
TRAINED += ["--proxy", "epochs=2", "--trials", "60", "--confirm", "2", "--baseline", "none"]
WRITES = """
import os, signal, sys
from pathlib import Path
left, replace = int(sys.argv.pop(1)), Path.replace
def dying(self, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = dying
from nas.commands.main import main
main()
"""
"""``nas``, which kills itself before it renames its N-th finished file: its choice, its page, any other."""
TIMES = ["seconds", "images_per_second", "peak_memory", "started", "finished", "worker"]


@dataclass
class Chaos:
    """One search, and what has hit it.

    Args:
        options: of the search, without ``--run``.
        noted: when trials had finished, read before each fault.
    """

    place: Path
    options: list[str]
    rng: random.Random
    faults: int = 0
    noted: dict[int, Any] = field(default_factory=dict)
    resumed: int = 0

    @property
    def run(self) -> Path:
        """Its directory."""
        return self.place / "run"

    def command(self) -> list[str]:
        """What begins the search, or goes on with it."""
        there = (self.run / "config.json").exists()
        self.resumed += there
        return ["resume", "run"] if there else ["search", *self.options, "--run", "run"]

    def start(self, program: tuple[str, ...] = ("-m", "nas")) -> subprocess.Popen[bytes]:
        """The search, in a process of its own."""
        with (self.place / "output").open("ab") as output:
            arguments = [sys.executable, *program, *self.command(), "-q"]
            return subprocess.Popen(arguments, cwd=self.place, stdout=output, stderr=output)

    def note(self) -> None:
        """Remembers which trials have finished."""
        with contextlib.suppress(Exception):  # it is not there yet
            trials = open_run(self.run).trials()
            self.noted |= trials[trials["status"] == "done"].set_index("trial")["finished"].to_dict()

    @property
    def over(self) -> bool:
        """Whether the run has finished."""
        return (self.run / "best.json").exists()

    def until_over(
        self, hit: Callable[[subprocess.Popen[bytes]], bool], pause: tuple[float, float], most: int
    ) -> None:
        """Lets the search run, hits it after random pauses, and goes on with it whenever it has ended."""
        for _ in range(50 * most):
            process = self.start()
            while process.poll() is None:
                if self.faults >= most:
                    process.wait()
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self.rng.uniform(*pause))
                    break
                self.note()
                self.faults += hit(process)
            if self.over:
                return
        raise AssertionError(f"the run does not finish: {(self.place / 'output').read_text()[-2000:]}")


def descendants(pid: int) -> list[tuple[int, str]]:
    """Processes below ``pid``, with their command lines."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    below = {pid}
    for _ in range(6):
        below |= {int(row[0]) for row in rows if int(row[1]) in below}
    return [(int(row[0]), row[2]) for row in rows if int(row[0]) in below and int(row[0]) != pid]


def signals(kind: signal.Signals, pause: tuple[float, float]) -> Callable[[Chaos, int], None]:
    """Signals to the driver."""

    def hit(process: subprocess.Popen[bytes]) -> bool:
        process.send_signal(kind)
        process.wait()
        return True

    return lambda chaos, most: chaos.until_over(hit, pause, most)


def pauses(chaos: Chaos, most: int) -> None:
    """The driver stands still for a moment: to it, the clock jumps."""

    def hit(process: subprocess.Popen[bytes]) -> bool:
        process.send_signal(signal.SIGSTOP)
        time.sleep(chaos.rng.uniform(0.2, 1))
        process.send_signal(signal.SIGCONT)
        return True

    chaos.until_over(hit, (0.5, 1), most)


def of_processes(
    named: str, kind: signal.Signals, pause: tuple[float, float]
) -> Callable[[Chaos, int], None]:
    """Signals to one of Ray's processes with this name in its command line."""

    def faults(chaos: Chaos, most: int) -> None:
        def hit(process: subprocess.Popen[bytes]) -> bool:
            found = [pid for pid, command in descendants(process.pid) if named in command]
            if not found or not chaos.noted:
                return False
            with contextlib.suppress(ProcessLookupError):
                os.kill(chaos.rng.choice(found), kind)
            return True

        chaos.until_over(hit, pause, most)

    return faults


def dies_while_writing(chaos: Chaos, most: int) -> None:
    """The driver is killed between writing a file and giving it its name."""
    for number in range(most):
        chaos.note()
        process = chaos.start(("-c", WRITES, str(number % 12)))
        process.wait()
        chaos.faults += process.returncode == -signal.SIGKILL
        if chaos.over and process.returncode == 0:
            return
    chaos.start().wait()


def nodes(chaos: Chaos, most: int) -> None:
    """Machines of a cluster are killed, one after another; another one joins each time."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    there = [cluster.add_node(num_cpus=1, wait=False) for _ in range(2)]
    chaos.options += ["--address", cluster.address]

    def hit(_: subprocess.Popen[bytes]) -> bool:
        if not chaos.noted:
            return False
        lost = there.pop(chaos.rng.randrange(2))
        cluster.remove_node(lost, allow_graceful=False)
        there.append(cluster.add_node(num_cpus=1, wait=False))
        return True

    try:
        chaos.until_over(hit, (4, 8), most)
    finally:
        cluster.shutdown()


@contextlib.contextmanager
def disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of its own."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def disk_faults(spoil: Callable[[Path], None], mend: Callable[[Path], None]) -> Callable[[Chaos, int], None]:
    """The run's disk takes nothing more for a moment."""

    def faults(chaos: Chaos, most: int) -> None:
        with disk(chaos.place / "disk", "32m") as place:
            whole, chaos.place = chaos.place, place

            def hit(process: subprocess.Popen[bytes]) -> bool:
                spoil(place)
                process.wait()
                mend(place)
                return process.returncode != 0

            chaos.until_over(hit, (0.8, 2.0), most)
            subprocess.run(["cp", "-r", place / "run", whole / "run"], check=True)
        chaos.place = whole

    return faults


def fill(place: Path) -> None:
    """Leaves no room."""
    with (place / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


DRIVER = {
    "SIGKILL of the driver": signals(signal.SIGKILL, (0.3, 4)),
    "SIGTERM of the driver": signals(signal.SIGTERM, (0.3, 4)),
    "SIGINT of the driver": signals(signal.SIGINT, (0.3, 4)),
    "the driver stops for a moment": pauses,
    "SIGKILL while a file is written": dies_while_writing,
    "a full disk": disk_faults(fill, lambda place: (place / "filler").unlink()),
}
ABOVE = {
    "SIGKILL of a worker": of_processes("ray::Worker", signal.SIGKILL, (1, 4)),
    "SIGSTOP of a worker": of_processes("ray::Worker", signal.SIGSTOP, (3, 6)),
    "SIGKILL of the raylet": of_processes("raylet/raylet", signal.SIGKILL, (3, 8)),
    "SIGKILL of the head (GCS)": of_processes("gcs_server", signal.SIGKILL, (3, 8)),
    "SIGKILL of a driver that trains": signals(signal.SIGKILL, (3, 20)),
    "a machine of a cluster is killed": nodes,
}
SHARES = {"SIGSTOP of a worker": 3, "SIGKILL of the raylet": 6, "SIGKILL of the head (GCS)": 3}
SHARES |= {"a machine of a cluster is killed": 50, "SIGKILL of a driver that trains": 12}
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
    places = {id(options): prepared(root, options) for options in (TABLE, TRAINED)}
    for name in names:
        options = TABLE if name in DRIVER else TRAINED
        wanted, hits, began = round(SHARES.get(name, rest) * number / 300), 0, time.monotonic()
        runs = resumed = 0
        while hits < max(1, wanted):
            place = Path(tempfile.mkdtemp(dir=root))
            (place / "few.npz").write_bytes((places[id(options)] / "few.npz").read_bytes())
            chaos = Chaos(place, list(options), rng)
            kinds[name](chaos, max(1, min(wanted - hits, 50)))
            total.update(check(chaos, places[id(options)] / "whole"))
            runs, hits, resumed = runs + 1, hits + chaos.faults, resumed + chaos.resumed
        rows.append((name, hits, runs, resumed, time.monotonic() - began))
        print(f"{name}: {hits} faults in {runs} runs, {rows[-1][-1]:.0f} s; {dict(+total)}", flush=True)
    print(
        pd.DataFrame(rows, columns=["fault", "number", "runs", "resumed", "seconds"]).to_string(index=False)
    )
    return print_marks({f"{total[name]} {name}": not total[name] for name in total})


if __name__ == "__main__":
    sys.exit(main())
