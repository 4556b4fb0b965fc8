"""What all devices have: a name, and latencies that are predicted or measured."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.deploy.protocol import Measurement
from nas.errors import InputError
from nas.files import replace
from nas.spec.machine import cpu_count
from search_spaces import ArchSpec

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Conditions:
    """How networks are measured.

    Args:
        threads: of one network, each on a core of its own.
        batch: images that go through the network together; latencies are those of the whole batch.
        classes: outputs of the classifier.
        seconds: how long each network runs at least, without the reference.
        timeout: seconds that one measurement may take.
        reference: the network that runs in between; None for none.

    Raises:
        InputError: if a number is out of range, or there are fewer CPUs than ``threads``.
    """

    threads: int = 1
    batch: int = 1
    classes: int = 1000
    seconds: float = 3.0
    timeout: float = 600.0
    reference: ArchSpec | None = None

    def __post_init__(self) -> None:
        for name in ("threads", "batch", "classes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("seconds", "timeout"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} must be positive and finite, got {getattr(self, name)}")
        if self.threads > cpu_count():
            raise InputError(f"threads must be at most the {cpu_count()} CPUs there are, got {self.threads}")


class Device:
    """A place where networks run, or a model of one. A subclass predicts, or measures, or both.

    Attributes:
        name: as it was asked for.
        predicts, measures: whether ``predict``, and ``measure``, can be called.
    """

    predicts = measures = False

    def __init__(self, name: str) -> None:
        self.name = name

    def predict(self, archs: Sequence[ArchSpec]) -> Array:
        """Latencies of N networks, in milliseconds: `[N]`.

        Raises:
            InputError: if the device only measures, or does not know a network.
        """
        del archs
        raise InputError(f"device must be one that predicts, table:FILE or predictor:FILE, got {self.name}")

    def measure(self, arch: ArchSpec) -> Measurement:
        """Measures one network.

        Raises:
            InputError: if the device only predicts, or the measurement fails.
        """
        del arch
        raise InputError(f"device must be one that measures, such as cpu, got {self.name}")


def require_extra(name: str, *modules: str) -> None:
    """InputError if one of the ``modules`` that the device ``name`` needs is not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise InputError(f"device {name} needs {missing[0]}: pip install 'nas-scaling[export]'")


def checked(milliseconds: float, source: str) -> float:
    """A latency; InputError if it is not above 0 and finite."""
    if not 0 < milliseconds < math.inf:
        raise InputError(f"device must give latencies above 0 and finite, got {milliseconds}: {source}")
    return milliseconds


@contextlib.contextmanager
def onnx_files(archs: Sequence[ArchSpec], classes: int) -> Iterator[list[Path]]:
    """The networks as ONNX files, with random weights, which are removed afterwards."""
    from nas.deploy.measured_graph import onnx_graph

    with tempfile.TemporaryDirectory(prefix="nas-measure-") as directory:
        files = [
            Path(directory, f"{name}.onnx") for name, _ in zip(("network", "reference"), archs, strict=False)
        ]
        for file, arch in zip(files, archs, strict=True):
            replace(file, onnx_graph(arch, classes).SerializeToString(), shared=True)
        yield files
