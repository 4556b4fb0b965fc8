"""``npz:FILE``: a NumPy archive that the user made."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import Dataset, Images, Labels, Part
from nas.data.split import split_arrays
from nas.errors import shown

KEYS = ("train_x", "train_y", "test_x", "test_y")
VALID_SHARE = 0.2  # of the training images
MIN_PER_CLASS = 5  # at a share of 0.2, the fewest that give every class a validation image


def load_npz(path: Path, seed: int) -> Dataset:
    """The file's training images, split for validation, and its test images if it has any."""
    return split_arrays_of(_read_npz(path), f"npz:{path}", seed)


def split_arrays_of(arrays: dict[str, NDArray[Any]], name: str, seed: int) -> Dataset:
    """The same of arrays named as in ``KEYS``; ValueError if they are no images and labels."""
    images, labels = _checked(arrays, "train")
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"train_y must hold at least 2 classes, got only {classes[0]}")
    if classes[0] != 0 or classes[-1] != len(classes) - 1:
        raise ValueError(
            f"train_y must use every label from 0 to the largest, got {len(classes)} labels "
            f"from {classes[0]} to {classes[-1]}"
        )
    if counts.min() < MIN_PER_CLASS:
        raise ValueError(
            f"train_y must hold at least {MIN_PER_CLASS} images of each class to split, "
            f"got {counts.min()} of class {counts.argmin()}"
        )
    test = None
    if "test_x" in arrays:
        test = Part(*_checked(arrays, "test"))
        if test.images.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"test_x must hold images of {list(images.shape[1:])}, got {list(test.images.shape[1:])}"
            )
        if test.labels.min() < 0 or test.labels.max() >= len(classes):
            raise ValueError(
                f"test_y must lie in [0, {len(classes) - 1}], got {test.labels.min()} to {test.labels.max()}"
            )
    train, valid = (Part(images[rows], labels[rows]) for rows in split_arrays(labels, VALID_SHARE, seed))
    return Dataset(name, tuple(map(str, classes)), train, valid, test, min(images.shape[1:3]))


def judging_arrays(path: Path) -> dict[str, Part]:
    """The file's parts ``train`` and ``test``, or one of them, to judge a trained network by; any labels."""
    arrays = _read_npz(path, judges=True)
    return {part: Part(*_checked(arrays, part)) for part in ("train", "test") if f"{part}_x" in arrays}


def _read_npz(path: Path, *, judges: bool = False) -> dict[str, NDArray[Any]]:
    """The file's arrays in ``KEYS``; others, such as class names, are ignored.

    Args:
        judges: the test arrays alone are enough.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "Not a regular file")  # a pipe would wait for ever
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            keys = list(archive)
            arrays: dict[str, NDArray[Any]] = {key: archive[key] for key in KEYS if key in keys}
    except OSError as error:
        raise ValueError(f"data must be a readable npz file, got {path}: {error.strerror}") from None
    except Exception as error:  # noqa: BLE001  # NumPy parses what the file says about itself
        reason = shown(str(error) or type(error).__name__)
        raise ValueError(f"data must be an npz file without pickled objects, got {path}: {reason}") from None
    if not {"train_x", "train_y"} <= set(keys) and not (judges and {"test_x", "test_y"} <= set(keys)):
        raise ValueError(f"{path.name} must hold train_x and train_y, got {', '.join(keys) or 'nothing'}")
    if ("test_x" in keys) != ("test_y" in keys) or ("train_x" in keys) != ("train_y" in keys):
        raise ValueError(f"{path.name} must hold both test_x and test_y or neither, got {', '.join(keys)}")
    return arrays


def _checked(arrays: dict[str, NDArray[Any]], part: str) -> tuple[Images, Labels]:
    """``part``'s images as `[N, H, W, C]` and labels as `[N]`."""
    images, labels = arrays[f"{part}_x"], arrays[f"{part}_y"]
    if images.dtype != np.uint8:
        raise ValueError(f"{part}_x must be uint8, got {images.dtype}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape or images.shape[3] not in (1, 3):
        raise ValueError(f"{part}_x must be [N, H, W] or [N, H, W, 1 or 3], got {list(images.shape)}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"{part}_y must be integers, got {labels.dtype}")
    if labels.shape != (len(images),):
        raise ValueError(f"{part}_y must be [{len(images)}] as {part}_x is, got {list(labels.shape)}")
    return images.astype(np.uint8, copy=False), labels.astype(np.int64)
