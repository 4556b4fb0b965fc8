"""``model_card.md``: what a network is, how it was trained and how good it is, as Hugging Face's hub has it.

Source: huggingface/hub-docs, modelcard.md (the head). Its values are JSON, which is YAML.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.deploy.finished import Finished
from nas.deploy.int8 import INT8
from search_spaces import cost

NAME = "model_card.md"
FILES = {
    "model.onnx": "ONNX, for onnxruntime and others",
    "model.pt2": "torch.export",
    "model.tflite": "LiteRT, for phones, one image at a time",
    "model.py": "plain PyTorch, with `load()` and `classify(paths)`",
    "model.safetensors": "its weights",
    "timm_model.py": "a model of timm",
    "timm_model.safetensors": "its weights, under timm's names",
    INT8: "ONNX in int8",
}


@dataclass(frozen=True)
class Origin:
    """How a network was trained; all of it is empty for one that was not.

    Args:
        data: the images, in words.
        command: that trained it.
        recipe: the fields of its recipe.
        init: the weights that it began with, in words.
        accuracies: in [0, 1], by part of the images: ``test`` and ``valid``.
    """

    data: str = ""
    command: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    init: str = ""
    accuracies: Mapping[str, float] = field(default_factory=dict)


def card(finished: Finished, origin: Origin, files: Sequence[str], checks: Sequence[str]) -> str:
    """The card's text.

    Args:
        files: names of what was exported.
        checks: sentences on how the exports compare with the network.
    """
    design, arch = finished.design, finished.arch
    price = cost(arch, len(design.classes), design.channels)
    parts = [
        f"---\n{_head(finished, origin)}---\n\n# {finished.name}",
        f"A ConvNet for images of {design.resolution} x {design.resolution} px in {len(design.classes)} "
        f"classes: {price.params:,} parameters, {price.flops:,} FLOPs (multiply-adds) an image.",
        "" if origin.data else "**It is not trained**: its weights are random.",
        f"## Architecture\n\n```\n{arch}\n```",
        "## Files\n\n" + "\n".join(f"- `{file}`: {FILES[file]}" for file in files),
        "## Images\n\nInput: float32 `[N, channels, height, width]`, any number N of images. The middle "
        f"square of an image is resized to {design.read_at} px (bicubic), its middle {design.resolution} px "
        "are taken, and each channel becomes (value from 0 to 255 - mean) / deviation. Output: a logit for "
        "each class.\n\n"
        f"```json\n{_json(finished.preprocessing())}\n```",
    ]
    if origin.accuracies:
        rows = [f"| {part} | {value:.4f} |" for part, value in origin.accuracies.items()]
        parts.append("## How good it is\n\n| images | accuracy |\n|---|---|\n" + "\n".join(rows))
    if origin.data:
        began = f"\n\nIt began with the weights of {origin.init}." if origin.init else ""
        parts.append(
            f"## How it was trained\n\nOn {origin.data}, by\n\n```sh\n{origin.command}\n```{began}\n\n"
            f"The recipe:\n\n```json\n{_json(origin.recipe)}\n```"
        )
    parts.append("## Checks\n\n" + "\n".join(f"- {check}" for check in checks))
    return "\n\n".join(part for part in parts if part) + "\n"


def _json(values: Mapping[str, Any]) -> str:
    """An object of JSON, a line for each value: lists of classes may be long."""
    lines = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
    return "{\n" + ",\n".join(lines) + "\n}"


def _head(finished: Finished, origin: Origin) -> str:
    """The head's lines of YAML."""
    named = {"test": "Test accuracy", "valid": "Validation accuracy"}
    measured = [
        {"type": "accuracy", "value": round(value, 4), "name": named[part]}
        for part, value in origin.accuracies.items()
    ]
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": origin.data, "type": "image-folder"},
        "metrics": measured,
    }
    fields: dict[str, Any] = {
        "license": "other",
        "license_name": "not-stated",  # the user's to say; images and first weights have theirs
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "neural-architecture-search", "convnet"],
        "metrics": ["accuracy"],
    }
    if measured:
        fields["model-index"] = [{"name": finished.name, "results": [result]}]
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items())
