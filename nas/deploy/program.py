"""``command:'./on_my_phone {onnx}'``: any program that is given a network's file and prints milliseconds."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nas.deploy.device import Conditions, Device, checked, onnx_files, require_extra
from nas.deploy.protocol import Measurement, summarize
from nas.errors import InputError
from search_spaces import ArchSpec
from search_spaces.limits import shown

FORMS = ("{onnx}", "{pt2}")


class Program(Device):
    """A program that runs a network wherever it likes, and prints one latency or many, in milliseconds.

    It is started without a shell, with ``{onnx}`` or ``{pt2}`` replaced by the path of a file that is removed
    when it ends. Its standard output holds numbers and nothing else; what it prints on standard error is
    shown if it fails. With a reference, it runs on that first.

    Raises:
        InputError: if the command cannot be split into words, or names neither file, or both.
    """

    measures = True

    def __init__(self, command: str, conditions: Conditions) -> None:
        super().__init__(f"command:{command}")
        self.command, self.conditions = command, conditions
        try:
            self.words = shlex.split(command)
        except ValueError as error:
            raise InputError(f"device command must be words as in a shell ({error}), got {command}") from None
        forms = [form for form in FORMS if form in command]
        if len(forms) != 1 or forms[0] in self.words[0]:
            raise InputError(f"device command must be a program with {{onnx}} or {{pt2}} once, got {command}")
        self.form = forms[0]
        if self.form == "{onnx}":
            require_extra("command", "onnx")

    def measure(self, arch: ArchSpec) -> Measurement:
        reference = self.conditions.reference
        archs = [arch, *([reference] if reference else [])]
        with self._files(archs) as files:
            before = summarize(self._run(files[1]))[0] if reference else None
            numbers = self._run(files[0])
        middle, low, high = summarize(numbers)
        ratio = middle / before if before else None
        return Measurement(middle, low, high, ratio, before, runs=len(numbers))

    @contextlib.contextmanager
    def _files(self, archs: list[ArchSpec]) -> Iterator[list[Path]]:
        if self.form == "{onnx}":
            with onnx_files(archs, self.conditions.classes) as files:
                yield files
            return
        with tempfile.TemporaryDirectory(prefix="nas-measure-") as directory:
            files = [
                Path(directory, f"{name}.pt2")
                for name, _ in zip(("network", "reference"), archs, strict=False)
            ]
            for file, arch in zip(files, archs, strict=True):
                _save_pt2(file, arch, self.conditions)
            yield files

    def _run(self, file: Path) -> list[float]:
        """What the program prints for one file; InputError if that is not latencies."""
        words = [word.replace(self.form, str(file)) for word in self.words]
        try:
            program = subprocess.Popen(  # noqa: S603 - the user's own command
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(
                f"device command must be a program that can be started ({error.strerror}), got {self.command}"
            ) from None
        try:
            output, errors = program.communicate(timeout=self.conditions.timeout)
        except subprocess.TimeoutExpired:
            raise InputError(
                f"device command must end within {self.conditions.timeout:g} s, the timeout: {self.command}"
            ) from None
        finally:
            if program.poll() is None:  # the time is over, or Ctrl-C: what it has started ends too
                os.killpg(program.pid, signal.SIGKILL)
                program.communicate()
        if program.returncode:
            said = next(reversed(errors.split("\n")[:-1] or [errors]), "").strip()
            reason = f"exit code {program.returncode}" + (f": {said}" if said else "")
            raise InputError(f"device command must succeed ({reason}): {self.command}")
        return self._numbers(output)

    def _numbers(self, output: str) -> list[float]:
        words = output.split()
        if not words:
            raise InputError(
                f"device command must print milliseconds, and it printed nothing: {self.command}"
            )
        try:
            return [checked(float(word), self.command) for word in words]
        except ValueError:
            raise InputError(
                f"device command must print milliseconds alone, got {shown(output.strip())}: {self.command}"
            ) from None


def _save_pt2(file: Path, arch: ArchSpec, conditions: Conditions) -> None:
    """The network as ``torch.export`` saves it, for the batch that is asked for."""
    import torch

    from search_spaces.network import build_network

    images = torch.zeros(conditions.batch, 3, arch.resolution, arch.resolution)
    network = build_network(arch, conditions.classes).eval()
    torch.export.save(torch.export.export(network, (images,)), file)
