"""Image data for proxy trials: labelled uint8 images, split once into training and validation.

``digits``: scikit-learn's handwritten digits, shifted, turned and resized on a larger canvas.
``npz:FILE``: a NumPy archive of the user's own.

Shapes: N images, H and W pixels, C channels (1: grey, 3: colour).
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import unknown

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

KEYS = ("train_x", "train_y", "test_x", "test_y")
VALID_SHARE = 0.2  # of an npz file's training images
MIN_PER_CLASS = 5  # with a share of 0.2, the fewest that give every class a validation image


@dataclass(frozen=True)
class Dataset:
    """A task's images, in memory; picklable, so that workers can be sent it.

    Args:
        name: the source that ``load_data`` was given, a file's path made absolute.
        num_classes: labels are 0 to ``num_classes - 1``.
        train_x: `[N, H, W, C]`.
        train_y: `[N]`.
        valid_x: `[N', H, W, C]`, never trained on; a trial's accuracy is measured here.
        valid_y: `[N']`.
    """

    name: str
    num_classes: int
    train_x: Images
    train_y: Labels
    valid_x: Images
    valid_y: Labels


def load_data(source: str, *, seed: int = 0) -> Dataset:
    """The images of ``source``, split by class and by ``seed``.

    Args:
        source: ``digits`` or ``npz:FILE``.
        seed: of the split alone; a search keeps one split for all its trials.

    Raises:
        ValueError: in one line, if the source is unknown, or its file cannot be used.
    """
    if source.startswith("npz:"):
        return _load_npz(Path(source.removeprefix("npz:")).expanduser().absolute(), seed)
    if source in SOURCES:
        return SOURCES[source](seed)
    raise ValueError(unknown("data", source, [*SOURCES, "npz:FILE"]))


def _split(labels: Labels, valid_share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the training and the validation part, with each class's share in both."""
    from sklearn.model_selection import train_test_split

    train, valid = train_test_split(
        np.arange(len(labels)), test_size=valid_share, stratify=labels, random_state=seed
    )
    return train, valid


CANVAS = 32  # pixels
SCALE = (3.0, 3.75)  # pixels of the canvas per pixel of a scan
TURN = math.radians(15)
SHIFT = 2.0  # pixels
COPIES = 4  # of each scan
DIGITS_VALID_SHARE = 0.4  # of the scans; large, because what a small part measures is noise


def _load_digits(seed: int) -> Dataset:
    """1797 scans of 8 x 8 pixels, each drawn ``COPIES`` times at a random size, angle and place.

    Scans are split before they are copied, so that no scan of the validation part is trained on.
    The task is meant to be about as hard as a trial of 130 steps can learn. With clutter and noise, or
    with more freedom of place, many networks end on a plateau that they leave by luck, and seeds
    agree less on the ranking (LOG.md).
    """
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    scans = scans.reshape(-1, 8, 8) / 16.0  # [N, 8, 8] in [0, 1]
    labels = labels.astype(np.int64)
    train, valid = _split(labels, DIGITS_VALID_SHARE, seed)
    return Dataset(
        "digits",
        len(np.unique(labels)),
        train_x=_draw(scans[train], np.random.default_rng(1)),
        train_y=np.tile(labels[train], COPIES),
        valid_x=_draw(scans[valid], np.random.default_rng(2)),
        valid_y=np.tile(labels[valid], COPIES),
    )


def _draw(scans: NDArray[np.float64], rng: np.random.Generator) -> Images:
    """Canvases `[COPIES * N, CANVAS, CANVAS, 1]` of scans `[N, 8, 8]`: one of each, then another of each."""
    from scipy.ndimage import affine_transform

    count = len(scans) * COPIES
    scale, turn = rng.uniform(*SCALE, count), rng.uniform(-TURN, TURN, count)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale  # [2, 2, N]
    centre = (CANVAS - 1) / 2 + rng.uniform(-SHIFT, SHIFT, (count, 2))
    canvases = np.empty((count, CANVAS, CANVAS, 1), np.uint8)
    for i, scan in enumerate(np.tile(scans, (COPIES, 1, 1))):
        to_scan = matrix[..., i]  # from canvas offsets to scan offsets
        offset = (np.array(scan.shape) - 1) / 2 - to_scan @ centre[i]
        canvases[i, ..., 0] = np.rint(
            255 * affine_transform(scan, to_scan, offset, (CANVAS, CANVAS), order=1)
        )
    return canvases


def _load_npz(path: Path, seed: int) -> Dataset:
    """The file's training images, split; its test images are only checked, a search never uses them."""
    arrays = _read_npz(path)
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
    if "test_x" in arrays:
        test_x, test_y = _checked(arrays, "test")
        if test_x.shape[1:] != images.shape[1:]:
            raise ValueError(
                f"test_x must hold images of {list(images.shape[1:])}, got {list(test_x.shape[1:])}"
            )
        if test_y.min() < 0 or test_y.max() >= len(classes):
            raise ValueError(
                f"test_y must lie in [0, {len(classes) - 1}], got {test_y.min()} to {test_y.max()}"
            )
    train, valid = _split(labels, VALID_SHARE, seed)
    return Dataset(f"npz:{path}", len(classes), images[train], labels[train], images[valid], labels[valid])


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of the file that this module knows; others, such as class names, are left alone."""
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            keys = list(archive)
            arrays: dict[str, NDArray[Any]] = {key: archive[key] for key in KEYS if key in keys}
    except OSError as error:
        raise ValueError(f"data must be a readable npz file, got {path}: {error.strerror}") from None
    except (ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"data must be an npz file without pickled objects, got {path}: {error}") from None
    if not {"train_x", "train_y"} <= set(keys):
        raise ValueError(f"{path.name} must hold train_x and train_y, got {', '.join(keys) or 'nothing'}")
    if ("test_x" in keys) != ("test_y" in keys):
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


SOURCES: dict[str, Callable[[int], Dataset]] = {"digits": _load_digits}
