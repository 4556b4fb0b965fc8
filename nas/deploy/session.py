"""The process that measures one network here: ``python -m nas.deploy.session``, request and answer as JSON.

It has nothing else to do, is pinned to as many cores as it has threads, and ends with the measurement.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from nas.deploy.onnx_session import cpu_session
from nas.deploy.protocol import Lap, Measurement, interleave

PROC = Path("/proc/self")
Runner = Callable[[], Lap]


class Request(NamedTuple):
    """What to measure.

    runtime: ``cpu`` (onnxruntime), ``torch-cpu`` or ``cuda``.
    network, reference: ONNX files for onnxruntime, or architectures; an empty reference is none.
    resolution, reference_resolution: of their images, in pixels.
    """

    runtime: str
    network: str
    resolution: int
    reference: str
    reference_resolution: int
    threads: int
    batch: int
    classes: int
    seconds: float


def measure(request: Request) -> Measurement:
    """Measures in this process, which should do nothing else."""
    if request.runtime != "cuda":
        pin(request.threads)
    load = LOADERS[request.runtime]
    memory = _Memory(request.runtime)
    network = load(request.network, request.resolution, request)
    network()
    peak = memory.peak()
    reference = None
    if request.reference:
        reference = load(request.reference, request.reference_resolution, request)
    found = interleave(network, reference, request.seconds)
    if not counts_cpu_time(request):
        found = dataclasses.replace(found, core_share=None)
    return dataclasses.replace(found, peak_memory=peak)


def pin(threads: int) -> None:
    """Keeps this process on as many cores as it has threads: the last, as interrupts prefer the first.

    Source: microsoft/onnxruntime#10104, where threads that wander cost 25 % from run to run.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def counts_cpu_time(request: Request) -> bool:
    """Whether a run is timed by the CPU time of its thread.

    A single thread that computes without waiting takes as long as it has its core. Where other processes take
    the core meanwhile, that is not the network's latency.
    """
    return request.runtime != "cuda" and request.threads == 1


def timed(run: Callable[[], object], request: Request) -> Runner:
    """``run`` with its time."""
    clock = time.thread_time if counts_cpu_time(request) else time.perf_counter

    def lap() -> Lap:
        passed, began = time.perf_counter(), clock()
        run()
        return Lap(clock() - began, time.perf_counter() - passed)

    return lap


def load_onnx(file: str, resolution: int, request: Request) -> Runner:
    """A network in onnxruntime on the CPU."""
    import numpy as np

    session = cpu_session(file, request.threads)
    shape = (request.batch, 3, resolution, resolution)
    images = np.random.default_rng(0).standard_normal(shape, np.float32)
    name = session.get_inputs()[0].name
    return timed(lambda: session.run(None, {name: images}), request)


def load_torch(arch: str, resolution: int, request: Request) -> Runner:
    """A network in eager PyTorch, channels last, on the CPU."""
    import torch

    torch.set_num_threads(request.threads)
    network, images = _torch_network(arch, resolution, request, "cpu")

    def run() -> None:
        with torch.inference_mode():
            network(images)

    return timed(run, request)


def load_cuda(arch: str, resolution: int, request: Request) -> Runner:
    """A network in eager PyTorch, channels last, float32, on the first GPU; timed by its own events."""
    import torch

    network, images = _torch_network(arch, resolution, request, "cuda")
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def lap() -> Lap:
        with torch.inference_mode():
            start.record()
            network(images)
            end.record()
        torch.cuda.synchronize()
        seconds = start.elapsed_time(end) / 1000
        return Lap(seconds, seconds)

    return lap


def _torch_network(arch: str, resolution: int, request: Request, device: str) -> tuple[Any, Any]:
    """The network and a batch of images, on ``device``."""
    import torch

    from search_spaces import ArchSpec
    from search_spaces.network import build_network

    layout: dict[str, Any] = {"device": device, "memory_format": torch.channels_last}
    network = build_network(ArchSpec.parse(arch), request.classes).eval().to(**layout)
    images = torch.randn(request.batch, 3, resolution, resolution).to(**layout)
    return network, images


LOADERS: dict[str, Callable[[str, int, Request], Runner]] = {
    "cpu": load_onnx,
    "torch-cpu": load_torch,
    "cuda": load_cuda,
}


class _Memory:
    """The most memory used since this was made, in bytes, above that in use then."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        if runtime == "cuda":
            import torch

            torch.cuda.init()
            torch.cuda.reset_peak_memory_stats()
        elif runtime == "cpu":
            import onnxruntime  # noqa: F401 - the runtime itself does not count
        else:
            import torch
        with contextlib.suppress(OSError):
            (PROC / "clear_refs").write_text("5")  # VmHWM falls to what is resident now: man 5 proc
        self.before = _resident("VmRSS")

    def peak(self) -> int | None:
        if self.runtime == "cuda":
            import torch

            return torch.cuda.max_memory_allocated()
        most = _resident("VmHWM")
        return None if most is None or self.before is None else most - self.before


def _resident(name: str) -> int | None:
    """A line of /proc/self/status in bytes; None where there is none, as on macOS."""
    with contextlib.suppress(OSError):
        for line in (PROC / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return None


def main() -> None:
    """Reads a request from standard input, and prints the measurement, or what went wrong."""
    answer: dict[str, Any]
    try:
        answer = dataclasses.asdict(measure(Request(*json.load(sys.stdin))))
    except Exception as error:  # noqa: BLE001 - whatever the runtime raises is one line for the user
        answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
