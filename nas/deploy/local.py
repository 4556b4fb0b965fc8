"""Networks on this machine, each in a process of its own: ``cpu``, ``torch-cpu`` and ``cuda``."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from nas.deploy.device import Conditions, Device, checked, onnx_files, require_extra
from nas.deploy.protocol import Measurement
from nas.deploy.session import Request
from nas.errors import InputError
from search_spaces import ArchSpec


class LocalDevice(Device):
    """A runtime on this machine; see ``nas.deploy.session`` for what runs in the other process.

    Raises:
        InputError: if onnxruntime, or a GPU, is not there.
    """

    measures = True

    def __init__(self, name: str, conditions: Conditions) -> None:
        super().__init__(name)
        self.conditions = conditions
        if name == "cpu":
            require_extra(name, "onnx", "onnxruntime")
        elif name == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise InputError("device cuda needs a GPU that torch can use, and there is none")

    def measure(self, arch: ArchSpec) -> Measurement:
        asked = self.conditions
        reference = asked.reference
        with self._given(arch) as (network, other):
            request = Request(
                self.name,
                network,
                arch.resolution,
                other,
                reference.resolution if reference else 0,
                asked.threads,
                asked.batch,
                asked.classes,
                asked.seconds,
            )
            answer = self._ask(request, arch)
        if "error" in answer:
            raise InputError(f"device {self.name} could not run {arch} ({answer['error']})")
        found = Measurement(**answer)
        checked(found.milliseconds, self.name)
        return found

    @contextlib.contextmanager
    def _given(self, arch: ArchSpec) -> Iterator[tuple[str, str]]:
        """Network and reference as the other process takes them: ONNX files, or texts."""
        archs = [arch, *filter(None, [self.conditions.reference])]
        if self.name != "cpu":
            texts = [str(one) for one in archs]
            yield texts[0], texts[1] if texts[1:] else ""
            return
        with onnx_files(archs, self.conditions.classes) as files:
            yield str(files[0]), str(files[1]) if files[1:] else ""

    def _ask(self, request: Request, arch: ArchSpec) -> dict[str, Any]:
        """The answer of a new process."""
        command = [sys.executable, "-P", "-m", "nas.deploy.session"]
        places = os.pathsep.join(path for path in sys.path if path)
        environment = os.environ | {"PYTHONPATH": places, "OMP_NUM_THREADS": str(request.threads)}
        try:
            ended = subprocess.run(  # noqa: S603 - our own module
                command,
                input=json.dumps(request),
                capture_output=True,
                text=True,
                timeout=self.conditions.timeout,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise InputError(
                f"timeout must be longer than a measurement takes, got {self.conditions.timeout:g} s: {arch}"
            ) from None
        lines = ended.stdout.splitlines()
        if ended.returncode or not lines:
            reason = (ended.stderr.splitlines() or [f"exit code {ended.returncode}"])[-1]
            return {"error": reason}
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer
