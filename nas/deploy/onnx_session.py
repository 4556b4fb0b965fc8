"""ONNX files on this machine's CPU; importing this needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def cpu_session(file: str | Path, threads: int = 1) -> Any:
    """An ONNX file in onnxruntime, one operation at a time, on so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
