"""One worker on Ray: a warm actor that trains one network after another, and gives signs of life."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nas.files import exists
from nas.launch.board import forget, get, put
from nas.spec.trial import Epoch, Evaluator, Outcome, Trial, steps
from nas.training.pulse import PULSE

# isort: split
import ray
from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

BEAT = 5.0
"""Seconds between signs of life."""
GRACE = 1.0
"""Seconds in which a worker may end by itself; if it is killed before, Ray tells the user that it died."""


Whose = Literal["trial", "worker", "machine"]
"""With what a training run was lost, or that it was its own doing."""


class Place(NamedTuple):
    """Where a worker is."""

    node: str
    host: str
    process: int


class Sign(NamedTuple):
    """What a worker said last: how often it has said something, and what its process has done until then."""

    beats: int
    steps: int


NO_SIGN = Sign(0, 0)


class Worker:
    """An actor; each step of a trial is an epoch or the outcome."""

    def prepare(self, evaluator: Evaluator, name: str) -> Place:
        """Takes what all trials have in common, and begins to give signs of life under ``name``."""
        self.evaluator = evaluator
        threading.Thread(target=live, args=(name,), daemon=True).start()
        return Place(own_node(), socket.gethostname(), os.getpid())

    def begin(self, trial: Trial, worker: str) -> Epoch | Outcome:
        """The first step of a trial; what is left of an earlier one is dropped."""
        self.steps = steps(self.evaluator, trial, worker)
        return next(self.steps)

    def step(self) -> Epoch | Outcome:
        """The next step of the trial."""
        return next(self.steps)


def live(name: str) -> None:
    """Gives signs of life, for ever."""
    beats = 0
    while True:
        beats += 1
        with contextlib.suppress(Exception):  # whether the cluster hears it is not this process's affair
            put(name, f"{beats} {PULSE.count}")
        time.sleep(BEAT)


def last_sign(name: str) -> Sign:
    """The last sign of life of a worker; ``NO_SIGN`` before the first."""
    said = get(name).split()
    return Sign(*map(int, said)) if said else NO_SIGN


def own_node() -> str:
    """The machine of this process, as Ray names it."""
    return str(ray.get_runtime_context().get_node_id())


def end(actor: Any, place: Place | None, name: str) -> None:
    """Ends a worker, even one that has been stopped and hears nothing, and forgets its signs of life."""
    ray.kill(actor)
    if place and place.node == own_node():
        kill(place.process, GRACE)
    elif place:  # if the machine is gone, this waits for ever, and nobody for it
        there = NodeAffinitySchedulingStrategy(place.node, soft=False)
        killing: Any = ray.remote(num_cpus=0, max_retries=0)(kill)
        killing.options(scheduling_strategy=there).remote(place.process, GRACE)
    forget(name)


def kill(process: int, grace: float = 0.0) -> None:
    """SIGKILL; nothing if it is over, or ends by itself within ``grace`` seconds."""
    until = time.monotonic() + grace
    while time.monotonic() < until:
        if not exists(Path(f"/proc/{process}")):
            return
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


def why_it_died(error: RayError) -> tuple[str, Whose]:
    """Why a worker died, and with what its trial was lost."""
    text = str(error)
    if isinstance(error, OutOfMemoryError) or "running low on memory" in text:
        return "the machine ran out of memory", "trial"
    if code := re.search(r"exits with an exit code (\d+)", text):
        return f"it ended its worker, with exit code {code[1]}", "trial"
    if isinstance(error, ActorUnavailableError) or "its node has died" in text:
        return "its machine is gone, or does not answer", "machine"
    return "its worker died (killed, perhaps for memory)", "worker"
