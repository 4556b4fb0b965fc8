"""The devices there are, by the text that names them.

cpu                 onnxruntime on this machine
torch-cpu, cuda     PyTorch on this machine
command:PROGRAM     any program that is given a file and prints milliseconds
table:FILE          latencies that are known
predictor:FILE      latencies predicted by a fitted model
"""

from __future__ import annotations

from pathlib import Path

from nas.deploy.device import Conditions, Device
from nas.deploy.latency_model import Predictor
from nas.deploy.latency_table import LatencyTable
from nas.deploy.local import LocalDevice
from nas.deploy.program import Program
from nas.errors import InputError
from search_spaces import SearchSpace
from search_spaces.names import unknown

LOCAL = ("cpu", "torch-cpu", "cuda")
WITH_ARGUMENT = ("command", "table", "predictor")
PROGRAM = "command:"
"""Begins the name of a device that is a program."""


def only_measures(text: str) -> bool:
    """Whether the device that ``text`` names measures networks, and knows none before."""
    return text in LOCAL or text.startswith(PROGRAM)


def open_device(text: str, conditions: Conditions | None = None, space: SearchSpace | None = None) -> Device:
    """The device that ``text`` names.

    Args:
        conditions: how it measures; by default one image, one thread, no reference.
        space: of the networks that it will be asked about, where a table has columns of decisions, or a
            predictor was fitted on a space that has no name.

    Raises:
        InputError: if there is no such device, or what it needs is missing or damaged.
    """
    conditions = conditions or Conditions()
    kind, colon, argument = text.partition(":")
    if not colon and kind in LOCAL:
        return LocalDevice(kind, conditions)
    if colon and argument.strip() and kind in WITH_ARGUMENT:
        if kind == "command":
            return Program(argument, conditions)
        return LatencyTable(argument, space) if kind == "table" else Predictor(Path(argument), space)
    known = [*LOCAL, "command:PROGRAM", "table:FILE", "predictor:FILE"]
    raise InputError(f"device: {unknown('device', text, known)}")
