"""What a network can be exported to: how each kind of file is written, and opened again."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nas.deploy import exported_graph, litert, sources
from nas.deploy.finished import Finished, Run
from nas.deploy.timm_text import spell
from nas.errors import InputError
from nas.files import replace
from search_spaces import ArchSpec
from search_spaces.names import unknown

ONNX, PT2, TFLITE = "model.onnx", "model.pt2", "model.tflite"


class Format(NamedTuple):
    """A kind of export.

    files: what it writes, by name.
    open: runs what was written, from its folder.
    needs: packages that are no dependency of this one.
    install: how they are installed.
    """

    files: Mapping[str, Callable[[Finished], bytes]]
    open: Callable[[Path, Finished], Run]
    needs: tuple[str, ...] = ()
    install: str = "pip install 'nas-scaling[export]'"


FORMATS = {
    "onnx": Format(
        {ONNX: exported_graph.onnx_bytes},
        lambda folder, _: exported_graph.open_onnx(folder / ONNX),
        ("onnx", "onnxscript", "onnxruntime"),
    ),
    "pt2": Format({PT2: exported_graph.pt2_bytes}, lambda folder, _: exported_graph.open_pt2(folder / PT2)),
    "pytorch": Format(
        {sources.MODEL: lambda one: sources.model_py(one).encode(), sources.WEIGHTS: sources.weights},
        lambda folder, _: sources.open_model(folder),
    ),
    "timm": Format(
        {
            sources.TIMM_MODEL: lambda one: sources.timm_py(one).encode(),
            sources.TIMM_WEIGHTS: sources.timm_weights,
        },
        sources.open_timm,
    ),
    "litert": Format(
        {TFLITE: litert.litert_bytes},
        lambda folder, _: litert.open_litert(folder / TFLITE),
        ("litert_torch", "ai_edge_litert"),
        litert.INSTALL,
    ),
}


def find_formats(text: str) -> list[str]:
    """The formats that ``onnx,pt2`` names, each once.

    Raises:
        InputError: if one is unknown, or needs a package that is not installed.
    """
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise InputError(f"to: {unknown('format', name, FORMATS)}")
        missing = [one for one in FORMATS[name].needs if importlib.util.find_spec(one) is None]
        if missing:
            raise InputError(f"to: {name} needs {', '.join(missing)} ({FORMATS[name].install}), got {text}")
    return names


def refuse(names: Sequence[str], arch: ArchSpec) -> None:
    """InputError if one of the formats cannot say the network; before anything is spent."""
    if "timm" in names:
        try:
            spell(arch)
        except ValueError as error:
            raise InputError(f"to: {error}") from None


def write(finished: Finished, name: str, folder: Path) -> Run:
    """Writes a network's files of one format to a folder; what they compute."""
    kind = FORMATS[name]
    for file, content in kind.files.items():
        replace(folder / file, content(finished), shared=True)
    return kind.open(folder, finished)
