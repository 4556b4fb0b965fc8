"""Runs commands on damaged input in a process of its own, with limits of time and memory.

A case makes its input from a seed and runs commands on it. Each must end with exit code 0, or with 1 or 2 and
one line. Anything else is a finding: a traceback, a warning, another exit code, more than ``SECONDS`` of CPU
time, ``WALL`` seconds without an answer, or more than ``MEMORY`` bytes beyond what the process began with.
"""

import contextlib
import io
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

SECONDS, WALL, MEMORY = 10.0, 120.0, 1 << 30


class Finding(NamedTuple):
    """What went wrong in the case ``seed`` of ``kind``."""

    kind: str
    seed: int
    command: str
    what: str

    def __str__(self):
        return f"{self.kind} {self.seed}: {self.command}\n{self.what}"


class Bench:
    """What a case may use: an empty directory, commands, and a list of what went wrong."""

    def __init__(self, kind, seed, directory):
        self.kind, self.seed, self.directory = kind, seed, directory
        self.findings = []
        self.codes = []

    def found(self, command, what):
        self.findings.append(Finding(self.kind, self.seed, command, what))

    def nas(self, *arguments):
        """Runs ``nas ARGUMENTS`` and checks how it ends."""
        from nas.commands.main import main

        arguments = [str(argument) for argument in arguments]
        self.check("nas " + " ".join(arguments), main, ["nas", *arguments])

    def check(self, command, function, argv=("nas",)):
        """Calls ``function``, which ends as a command does, and checks how."""
        out, err = io.StringIO(), io.StringIO()
        sys.argv, code, started = list(argv), 0, time.process_time()
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                function()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
            self.found(command, traceback.format_exc())
            return
        seconds, said = time.process_time() - started, err.getvalue()
        self.codes.append(code)
        if seconds > SECONDS:
            self.found(command, f"took {seconds:.1f} s: {said[:300]}")
        if code not in (0, 1, 2):
            self.found(command, f"exit code {code}: {said[:300]}")
        if code:
            lines = [line for line in said.splitlines() if line.strip()]
            if not lines or not lines[-1].startswith("nas: ") or (code == 2 and len(lines) > 1):
                self.found(command, f"exit code {code}, but not one line: {said[:1500]!r}")
            elif len(lines[-1]) > 3000:
                self.found(command, f"a line of {len(lines[-1])} characters: {lines[-1][:300]!r}")
        if "Warning" in said or "Traceback" in said:
            self.found(command, said[:1500])


def run_cases(cases, kind, seeds, tell=print):
    """Runs ``cases[kind](bench, random generator)`` for every seed: findings, and commands by exit code."""
    context = multiprocessing.get_context("fork")
    findings, codes, worker = [], {}, None
    for seed in seeds:
        if worker is None:
            worker = _start(context, cases)
        process, pipe = worker
        pipe.send((kind, seed))
        try:
            if not pipe.poll(WALL):
                raise TimeoutError(f"no answer in {WALL:.0f} s")
            found, ended = pipe.recv()
        except (EOFError, OSError, TimeoutError) as error:
            found, ended, worker = [Finding(kind, seed, "", f"the process died: {error!r}")], [], None
            process.kill()
            process.join()
        for code in ended:
            codes[code] = codes.get(code, 0) + 1
        for finding in found:
            tell(finding)
        findings += found
    if worker:
        worker[1].send(None)
        worker[0].join(5)
    return findings, codes


def _start(context, cases):
    pipe, end = context.Pipe()
    process = context.Process(target=_work, args=(end, pipe, cases), daemon=True)
    process.start()
    end.close()
    return process, pipe


def _work(pipe, parents_end, cases):
    import numpy as np

    parents_end.close()  # or this process would outlive its parent, waiting for itself
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    here = Path.cwd()
    while True:
        try:
            kind, seed = pipe.recv()
        except (EOFError, TypeError):  # the parent is gone, or said None
            return
        with tempfile.TemporaryDirectory() as directory:
            os.chdir(directory)
            bench = Bench(kind, seed, Path(directory))
            try:
                cases[kind](bench, np.random.default_rng(seed))
            except BaseException:  # noqa: BLE001 - the case itself is wrong, which must not go unnoticed
                bench.found("", f"the case itself failed: {traceback.format_exc()}")
            os.chdir(here)
        pipe.send((bench.findings, bench.codes))
