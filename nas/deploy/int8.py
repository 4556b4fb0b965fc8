"""A network in int8, by static quantisation after training: what it costs in accuracy, and gains in time.

Weights are symmetric and per channel; activations have a scale and a zero point each, from images that the
network was trained on. Nothing is trained again.

Shapes: N images, K classes.

Source: Jacob et al. 2017, arXiv:1712.05877; onnxruntime.quantization.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas.deploy.exported_graph import IMAGES, silenced
from nas.deploy.finished import Floats, Run

INT8 = "model-int8.onnx"
CALIBRATION = 256
"""Images by which activations are scaled."""
WARM_UP, RUNS, SECONDS = 5, 30, 3.0
"""Runs that are not timed; the least number of runs that are, and the least seconds for both networks."""


class Compared(NamedTuple):
    """A float network and the same in int8: accuracies, in [0, 1], and medians of milliseconds an image.

    accuracies: by part of the images, and how many these are.
    """

    accuracies: dict[str, tuple[float, float, int]]
    milliseconds: tuple[float, float]
    megabytes: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values, by precision."""
        facts: dict[str, Any] = {}
        for number, precision in enumerate(("float32", "int8")):
            accuracies = {part: values[number] for part, values in self.accuracies.items()}
            times = {"milliseconds": self.milliseconds[number], "megabytes": self.megabytes[number]}
            facts[precision] = {"accuracy": accuracies, **times}
        return {**facts, "images": {part: values[2] for part, values in self.accuracies.items()}}

    def lines(self) -> list[str]:
        """What int8 costs and gains, in a sentence for each part and one for time and size."""
        found = [
            f"int8 {part} accuracy {short:.4f}, float {full:.4f} "
            f"({100 * (short - full):+.1f} points, {images:,} images)"
            for part, (full, short, images) in self.accuracies.items()
        ]
        (full, short), (large, small) = self.milliseconds, self.megabytes
        return [
            *found,
            f"int8 {short:.2f} ms an image, float {full:.2f} ms ({full / short:.2f} times as fast; one "
            f"thread, medians of alternating runs), {small:.1f} MB in place of {large:.1f} MB",
        ]


class _Images:
    """onnxruntime's ``CalibrationDataReader``: one image after the other."""

    def __init__(self, images: Floats) -> None:
        self._rest = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        image = next(self._rest, None)
        return None if image is None else {IMAGES: image[None]}


def quantise(model: Path, images: Floats) -> bytes:
    """The ONNX file ``model`` in int8, by the ranges of its activations on ``images`` `[N, C, H, H]`."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, silenced():
        fused, made = Path(folder, "fused.onnx"), Path(folder, INT8)
        quant_pre_process(str(model), str(fused), skip_symbolic_shape=True)
        quantize_static(
            str(fused),
            str(made),
            _Images(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return made.read_bytes()


def alternately(runs: Sequence[Run], image: Floats) -> tuple[float, ...]:
    """The median of each network's milliseconds for ``image`` `[1, C, H, H]`, in alternating runs."""
    for run in runs:
        for _ in range(WARM_UP):
            run(image)
    times: list[list[float]] = [[] for _ in runs]
    started = time.perf_counter()
    for number in itertools.count():
        if number >= RUNS and time.perf_counter() - started >= SECONDS:
            break
        for run, found in zip(runs, times, strict=True):
            before = time.perf_counter()
            run(image)
            found.append(1e3 * (time.perf_counter() - before))
    return tuple(statistics.median(found) for found in times)


def accuracy(logits: Floats, labels: Any) -> float:
    """The share of images whose largest logit is that of their label."""
    return float(np.mean(logits.argmax(1) == labels))
