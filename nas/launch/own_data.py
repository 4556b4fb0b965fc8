"""Images of the user's own: FILE.py:NAME, ``(images, labels)`` as arrays, a torch ``Dataset``, or a function.

made --a function? call it--> pairs --one by one, or whole arrays--> uint8 [N, H, W, C], labels [N]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import InputError
from nas.launch.own_code import load, place_of, told
from nas.spec import own
from nas.spec.listener import Listener
from nas.spec.settings import Settings

if TYPE_CHECKING:
    from nas.data import Dataset

Arrays = dict[str, NDArray[Any]]
"""``train_x`` and ``train_y``, as in an npz file."""


def load_own_images(text: str, sha256: str = "") -> tuple[Arrays, str]:
    """The images of FILE.py:NAME, and the SHA-256 of its file. Errors as ``load`` and ``own_images``."""
    made, found = load(text, "data", sha256)
    return own_images(made, text.rpartition(":")[0]), found


def own_images(made: Any, file: str = "") -> Arrays:
    """The images and labels that ``made`` is, has or gives.

    Args:
        made: a pair of arrays, a ``Dataset`` of pairs, or a function without arguments that gives either.
            Images are uint8, or floats in [0, 1], with their channels first (torch) or last, all of one size.
        file: where it stands; empty if it was given in Python.

    Raises:
        InputError: in one line, if it is neither, or an image is another.
    """
    where = place_of(made, file)
    if callable(made) and not hasattr(made, "__getitem__"):
        with told("data must be given without an error", file, InputError):
            made = made()
    with told("data must give images and labels", file, InputError):
        if isinstance(made, tuple) and len(made) == 2:
            images, labels = _array(made[0]), _array(made[1])
        elif hasattr(made, "__getitem__") and hasattr(made, "__len__"):
            pairs = [made[index] for index in range(len(made))]
            images, labels = _stacked((pair[0] for pair in pairs), where), _array([int(p[1]) for p in pairs])
        else:
            rule = "(images, labels), a Dataset of such pairs, or a function that gives them"
            raise InputError(f"data must be {rule}, got {type(made).__name__}: {where}")
    return {"train_x": _bytes(_channels_last(images), where), "train_y": labels}


def own_dataset(settings: Settings, listener: Listener) -> Dataset:
    """The images of ``settings``, which this command has made, split as those of an npz file.

    Raises:
        InputError: if it has not made them, or they cannot be used.
    """
    from nas.data.npz import split_arrays_of
    from nas.data.words import summary

    if (arrays := own.kept("data")) is None:
        raise InputError(f"data must be named again, as no code of a run is run unasked, got {settings.data}")
    try:
        data = split_arrays_of(arrays, settings.data, settings.split_seed)
    except ValueError as error:
        raise InputError(f"data: {error}") from None
    listener.say(summary(data))
    return data


def _array(values: Any) -> NDArray[Any]:
    """A tensor of torch, or anything else, as an array."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _stacked(images: Iterable[Any], where: str) -> NDArray[Any]:
    """Images one by one as one array; InputError if they differ in size."""
    arrays = [_array(image) for image in images]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise InputError(
            f"data must have images of one size, got {list(shapes[0])} and {list(shapes[1])}: {where}"
        )
    return np.stack(arrays) if arrays else np.empty((0, 0, 0), np.uint8)


def _channels_last(images: NDArray[Any]) -> NDArray[Any]:
    """`[N, H, W, C]` where torch has `[N, C, H, W]`; other shapes as they are."""
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    return images


def _bytes(images: NDArray[Any], where: str) -> NDArray[Any]:
    """uint8, in which floats in [0, 1] become 0 to 255; InputError if they are others."""
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    if not np.issubdtype(images.dtype, np.floating) or not ((images >= 0) & (images <= 1)).all():
        kinds = f"{images.dtype}, from {images.min():g} to {images.max():g}" if images.size else "none"
        raise InputError(f"data must have images of uint8, or floats in [0, 1], got {kinds}: {where}")
    scaled: NDArray[Any] = np.rint(images * 255).astype(np.uint8)
    return scaled
