"""A search that ``chaos.py`` disturbs, and what may happen to its processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas import open_run

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


@dataclass
class Chaos:
    """One search, and what has hit it.

    Args:
        options: of the search, without ``--run``.
        within: what the search's command follows, such as a network's namespace.
        environment: further variables of its process.
        noted: when trials had finished, read before each fault.
    """

    place: Path
    options: list[str]
    rng: random.Random
    within: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
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
            arguments = [*self.within, sys.executable, *program, *self.command(), "-q"]
            given = {**os.environ, **self.environment}
            return subprocess.Popen(arguments, cwd=self.place, stdout=output, stderr=output, env=given)

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
    """The driver stands still for a moment."""

    def hit(process: subprocess.Popen[bytes]) -> bool:
        process.send_signal(signal.SIGSTOP)
        time.sleep(chaos.rng.uniform(0.2, 1))
        process.send_signal(signal.SIGCONT)
        return True

    chaos.until_over(hit, (0.5, 1), most)


def clock(chaos: Chaos, most: int) -> None:
    """The time of day jumps by up to three days, there and back."""
    source, offset = Path(__file__).parents[1] / "tests" / "support" / "jumping.c", chaos.place / "seconds"
    library = chaos.place / "jumping.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    offset.write_bytes(struct.pack("q", 0))
    chaos.environment = {"LD_PRELOAD": str(library), "OFFSET": str(offset)}

    def hit(_: subprocess.Popen[bytes]) -> bool:
        if not chaos.noted:
            return False
        with offset.open("r+b") as file:
            file.write(struct.pack("q", chaos.rng.randrange(-3 * 24 * 3600, 3 * 24 * 3600)))
        return True

    chaos.until_over(hit, (0.2, 0.6), most)


def of_processes(
    named: str, strike: Callable[[int], object], pause: tuple[float, float]
) -> Callable[[Chaos, int], None]:
    """Strikes at one of Ray's processes with this name in its command line; False if that misses."""

    def faults(chaos: Chaos, most: int) -> None:
        def hit(process: subprocess.Popen[bytes]) -> bool:
            found = [pid for pid, command in descendants(process.pid) if named in command]
            if not found or not chaos.noted:
                return False
            with contextlib.suppress(ProcessLookupError):
                return strike(chaos.rng.choice(found)) is not False
            return False

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


def kill(pid: int) -> None:
    """SIGKILL."""
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    """SIGSTOP."""
    os.kill(pid, signal.SIGSTOP)


def starve(pid: int) -> bool:
    """Lets the kernel give a process no more memory; whether that ended it within a minute."""
    group = Path(f"/sys/fs/cgroup/memory/nas-chaos-{pid}")
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(2**20))
        (group / "cgroup.procs").write_text(str(pid))
        for _ in range(600):
            if not (group / "cgroup.procs").read_text():
                return True
            time.sleep(0.1)
        (group.parent / "cgroup.procs").write_text(str(pid))
        return False
    finally:
        group.rmdir()
