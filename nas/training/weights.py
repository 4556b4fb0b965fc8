"""``weights.safetensors``: a trained network's tensors; the header says what one must know to use them.

The header's values are text, and JSON except for ``arch``, ``data``, ``padding`` and ``view``: ``classes``,
their names by label; ``in_channels``; ``view``, how ``nas.training.pixels.fit`` sizes images; ``mean`` and
``deviation`` of each channel of images in 0 to 255; ``padding`` and ``bn_epsilon`` of ``build_network``,
where other than its own; ``accuracy`` on the validation part; ``test_accuracy``, null if there is no test
part; ``epochs``, and ``kept_epoch``, the one after which the tensors were these; ``white``, by what images of
more than 8 bits were scaled, see ``nas.data.depth``.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from nas.errors import InputError, encoded
from nas.files import replace
from search_spaces.arch import PADDINGS
from search_spaces.limits import require

if TYPE_CHECKING:
    from torch import Tensor

NAME = "weights.safetensors"
METRICS = "metrics.json"
"""Beside the weights: how good they are, on each part that was not trained on; see ``reports.metrics``."""


def write_weights(directory: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Writes ``weights.safetensors``; raises as ``nas.files.replace``."""
    from safetensors.torch import save

    texts = {name: encoded(text).decode() for name, text in header.items()}
    content = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, texts)
    replace(directory / NAME, content)


@contextlib.contextmanager
def opened(path: Path, framework: str) -> Iterator[Any]:
    """The tensors and the header of a file, by safetensors, which does not take every path by its name."""
    with path.open("rb") as file, safe_open(f"/dev/fd/{file.fileno()}", framework=framework) as tensors:
        yield tensors


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a ``.safetensors`` file, by name, and its header; raises as safetensors does."""
    with opened(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def read_header(directory: Path) -> dict[str, str]:
    """The header, read without torch.

    Raises:
        InputError: if the file is missing or damaged.
    """
    path = directory / NAME
    try:
        with opened(path, "numpy") as file:
            header = dict(file.metadata() or {})
        test, epochs = (json.loads(header.get(name, '""')) for name in ("test_accuracy", "epochs"))
        if type(epochs) is not int or not (test is None or (type(test) is float and 0 <= test <= 1)):
            raise ValueError("its header has no test_accuracy or epochs")
        network_conventions(header)
    except FileNotFoundError:
        raise InputError(f"run must be a trained network's, with {NAME}, got {directory}") from None
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise InputError(f"run must have readable weights ({error}): {path}") from None
    return header


def network_conventions(header: Mapping[str, str]) -> tuple[str, float]:
    """``padding`` and ``bn_epsilon`` of ``build_network``; ValueError if they are damaged."""
    padding, epsilon = header.get("padding", PADDINGS[0]), float(header.get("bn_epsilon", "0.001"))
    require("padding", padding, PADDINGS)
    if not 0 < epsilon < math.inf:
        raise ValueError(f"bn_epsilon must be a positive number, got {epsilon}")
    return padding, epsilon
