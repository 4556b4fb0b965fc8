"""A controller's state as text: JSON with arrays in base64, so reading it cannot run code.

state_dict() --write--> text in run.db --read--> load_state_dict()
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

_ARRAY = "array"


def write(state: Mapping[str, Any]) -> str:
    """``state``: dicts with text keys, lists, tuples, plain values and arrays; tuples become lists."""
    return json.dumps(state, default=_pack)


def read(text: str) -> Any:
    """The inverse of ``write``, to the last bit.

    Raises:
        ValueError: if ``write`` did not make ``text``.
    """
    return json.loads(text, object_hook=_unpack)


def _pack(value: object) -> dict[str, list[Any]]:
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:
        raise TypeError(f"a state must be plain values and arrays, got {type(value).__name__}")
    return {_ARRAY: [value.dtype.str, value.shape, base64.b64encode(value.tobytes()).decode()]}


def _unpack(value: dict[str, Any]) -> Any:
    if value.keys() != {_ARRAY}:
        return value
    kind, shape, data = value[_ARRAY]
    return np.frombuffer(base64.b64decode(data), np.dtype(kind)).reshape(shape).copy()
