"""A network as a graph that runtimes read: ONNX, and torch's .pt2. Both take batches of any size.

Neither holds where it was made: torch's notes of source files and lines are left out.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from nas.deploy.finished import Finished, Floats, Run, as_run
from nas.deploy.onnx_session import cpu_session

OPSET = 18
"""Of ONNX: the first that torch's exporter writes without converting; onnxruntime has read it since 1.14."""
IMAGES, LOGITS, BATCH = "images", "logits", "batch"
"""The names of input, output and the batch's size."""
NOTES = "preprocessing.json"
"""The file in a .pt2 that says how images are made ready."""


@functools.lru_cache(maxsize=1)  # both kinds of a network begin with it, and it takes seconds
def traced(finished: Finished) -> torch.export.ExportedProgram:
    """The network as torch.export sees it, for batches of any size."""
    with silenced():
        program = torch.export.export(
            finished.network(),
            (finished.example(2),),  # torch takes a batch of one for a constant
            dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            strict=False,
        )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def onnx_bytes(finished: Finished) -> bytes:
    """The network as an ONNX file, with its weights, and its preprocessing in ``metadata_props``."""
    import onnx

    program = traced(finished)
    with silenced():
        made = torch.onnx.export(
            program,
            (),
            dynamo=True,
            opset_version=OPSET,
            input_names=[IMAGES],
            output_names=[LOGITS],
            verbose=False,
        )
    assert made is not None
    model = made.model_proto
    strip(model.graph)
    for function in model.functions:
        del function.metadata_props[:]
    name = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    values = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    for dim in (dim for value in values for dim in value.type.tensor_type.shape.dim):
        if dim.dim_param == name:
            dim.dim_param = BATCH
    onnx.helper.set_model_props(model, notes(finished))
    content: bytes = model.SerializeToString()
    return content


def strip(graph: Any) -> None:
    """Takes the exporter's notes away, among them the paths of source files."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def notes(finished: Finished) -> dict[str, str]:
    """The architecture and the preprocessing, as texts: numbers and lists are JSON."""
    about = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in finished.preprocessing().items()
    }
    return {"arch": str(finished.arch), **about}


def open_onnx(path: Path) -> Run:
    """An ONNX file in onnxruntime, on the CPU."""
    session = cpu_session(path)

    def run(images: Floats) -> Floats:
        found: Floats = session.run([LOGITS], {IMAGES: images})[0]
        return found

    return run


def pt2_bytes(finished: Finished) -> bytes:
    """The network as a .pt2 file, with its preprocessing in the extra file ``NOTES``."""
    file = io.BytesIO()
    extra = {NOTES: json.dumps({"arch": str(finished.arch), **finished.preprocessing()})}
    with silenced():
        torch.export.save(traced(finished), file, extra_files=extra)
    return file.getvalue()


def open_pt2(path: Path) -> Run:
    """A .pt2 file in torch."""
    with silenced():
        return as_run(torch.export.load(str(path)).module())


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Without the warnings and prints of torch's exporters, which no user can act on."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
