"""A network as a LiteRT file, ``.tflite``: what TensorFlow Lite runs on phones. It takes one image at a time.

The converter brings jax and transformers along, and is therefore in no extra: ``pip install litert-torch``.

Shapes: N images, C channels, H pixels a side, K classes.

Source: google-ai-edge/litert-torch.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from nas.deploy.exported_graph import silenced
from nas.deploy.finished import Finished, Floats, Run

INSTALL = "pip install litert-torch"


def litert_bytes(finished: Finished) -> bytes:
    """The network as a .tflite file: float images `[1, C, H, H]` to logits `[1, K]`."""
    import litert_torch

    with silenced(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        litert_torch.convert(finished.network(), (finished.example(1),)).export(str(path))
        return path.read_bytes()


def open_litert(path: Path) -> Run:
    """A .tflite file in LiteRT's interpreter, on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (images_in,), (logits_out,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: Floats) -> Floats:
        found = []
        for image in images:
            interpreter.set_tensor(images_in["index"], image[None])
            interpreter.invoke()
            found.append(interpreter.get_tensor(logits_out["index"]))
        return np.concatenate(found)

    return run
