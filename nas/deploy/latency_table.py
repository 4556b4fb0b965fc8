"""``table:FILE``: latencies that someone else has measured, of whole networks or of layers.

A CSV or JSON file has one of

- a column ``arch``, or one column per decision of the space, and a latency of each network;
- a column ``layer`` and a latency of each layer: a network's is the sum of its layers'. ``layer_names`` says
  how layers are called.

The latency stands in ``milliseconds``, ``ms``, ``latency_ms`` or ``latency``, or in the column that
``table:FILE:COLUMN`` names. JSON is a list of such rows, or an object from networks or layers to
milliseconds. A column with ``throughput`` in its name holds images per second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nas.deploy.device import Array, Device
from nas.errors import InputError
from nas.files import is_file, read_json
from search_spaces import ArchSpec, SearchSpace, canonical
from search_spaces.limits import shown

COLUMNS = ("milliseconds", "ms", "latency_ms", "latency")


class LatencyTable(Device):
    """Known latencies by the text of the network, or of its layers.

    Args:
        text: the file, or ``FILE:COLUMN``.
        space: whose decisions the columns may be.

    Raises:
        InputError: if the file is missing or damaged, or a latency is not above 0 and finite.
    """

    predicts = True

    def __init__(self, text: str, space: SearchSpace | None = None) -> None:
        super().__init__(f"table:{text}")
        file, column = Path(text), ""
        if not is_file(file) and ":" in text:
            name, _, column = text.rpartition(":")
            file = Path(name)
        if not is_file(file):
            raise InputError(f"device table must exist, got {file}")
        self.file = file
        frame = _read(file)
        column = column or next((name for name in COLUMNS if name in frame), "")
        if column not in frame:
            known = ", ".join(map(str, frame.columns[:50]))
            raise InputError(
                f"device table must have a column {column or ', '.join(COLUMNS)}, got {known}: {file}"
            )
        keys, by_layer = _keys(frame, space, file)
        numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64)
        if "throughput" in column:
            numbers = 1000 / np.where(numbers == 0, np.nan, numbers)
        given = frame[column].notna().to_numpy()  # an empty field is a network that was not measured
        for key, number, value, there in zip(keys, numbers, frame[column], given, strict=True):
            if there and not 0 < number < math.inf:
                rule = f"device table must have latencies above 0 and finite in {column!r}"
                raise InputError(f"{rule}, got {shown(value)} for {key}: {file}")
        means = pd.Series(numbers[given], index=np.array(keys, object)[given]).groupby(level=0).mean()
        self.latencies: dict[str, float] = {str(key): float(value) for key, value in means.items()}
        self.by_layer = by_layer

    def predict(self, archs: Sequence[ArchSpec]) -> Array:
        return np.array([self._latency(arch) for arch in archs], np.float64)

    def _latency(self, arch: ArchSpec) -> float:
        names = layer_names(arch) if self.by_layer else [str(canonical(arch))]
        for name in names:
            if name not in self.latencies:
                what = "the layer" if self.by_layer else "the network"
                raise InputError(f"device table must have a row for {what} {name}: {self.file}")
        return sum(self.latencies[name] for name in names)


def layer_names(arch: ArchSpec) -> list[str]:
    """What the layers of ``arch`` are called in a table: each says all that its latency depends on.

    ``stem_k3_s2_i3_c32@224``, ``mb6_k5_s2_i24_c40_se0.25@56``, ``head_i320_c1280@7`` and
    ``classifier_i1280``; i: input channels, c: output channels, @: the side of the input in pixels,
    ``_skip``: the input is added to the output. Another activation than silu stands before the @.
    """
    kind = f"_{arch.activation}" if arch.activation != "silu" else ""
    size = arch.resolution
    stem = f"stem_k{arch.stem_kernel}_s{arch.stem_stride}_i3_c{arch.stem_channels}"
    names = [stem + "_pool" * arch.stem_pool + f"{kind}@{size}"]
    size = -(-size // arch.stem_stride)
    size = -(-size // 2) if arch.stem_pool else size
    specs = arch.layers()
    for spec in specs:
        op = f"mb{spec.expand_ratio}" if spec.op == "mbconv" else spec.op
        name = f"{op}_k{spec.kernel}_s{spec.stride}_i{spec.in_channels}_c{spec.channels}"
        name += f"_se{spec.se_ratio!r}" if spec.se_ratio else ""
        names.append(name + "_skip" * spec.residual + f"{kind}@{size}")
        size = -(-size // spec.stride)
    channels = specs[-1].channels
    if arch.head_channels:
        names.append(f"head_i{channels}_c{arch.head_channels}{kind}@{size}")
        channels = arch.head_channels
    return [*names, f"classifier_i{channels}"]


def _read(file: Path) -> pd.DataFrame:
    """The rows of a file; InputError if it has none."""
    try:
        frame = _frame(read_json(file)) if ".json" in file.suffixes else pd.read_csv(file)
    except Exception as error:  # noqa: BLE001 - whatever a damaged file makes pandas or gzip raise
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"device table must be CSV or JSON ({line}): {file}") from None
    if not len(frame):
        raise InputError(f"device table must have rows, got none: {file}")
    return frame


def _frame(value: Any) -> pd.DataFrame:
    if isinstance(value, dict):
        name = "arch" if all(key.startswith("res") for key in value) else "layer"
        return pd.DataFrame({name: list(value), "milliseconds": list(value.values())})
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise ValueError("neither a list of objects nor an object")
    return pd.DataFrame(value)


def _keys(frame: pd.DataFrame, space: SearchSpace | None, file: Path) -> tuple[list[str], bool]:
    """What each row is about, and whether that is a layer."""
    if "layer" in frame:
        return [str(name) for name in frame["layer"]], True
    decisions = space.decisions if space else ()
    try:
        if "arch" in frame:
            return [str(canonical(ArchSpec.parse(str(text)))) for text in frame["arch"]], False
        if space and {decision.name for decision in decisions} <= set(frame):
            rows = zip(*(frame[decision.name] for decision in decisions), strict=True)
            actions = ([d.choices.index(one) for d, one in zip(decisions, row, strict=True)] for row in rows)
            return [str(space.decode(one)) for one in actions], False
    except ValueError as error:
        raise InputError(f"device table must have networks in every row ({error}): {file}") from None
    columns = "a column 'arch' or 'layer'" + (f", or the decisions of {space.name!r}" if space else "")
    raise InputError(f"device table must have {columns}: {file}")
