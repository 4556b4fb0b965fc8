"""Image data for proxy trials: labelled uint8 images, split once into training and validation.

``digits``: scikit-learn's handwritten digits, scattered over cluttered canvases.
``npz:FILE``: a NumPy archive of the user's own.

Shapes: N images, H and W pixels, C channels (1: grey, 3: colour).
"""

from __future__ import annotations

import difflib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

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
    known = [*SOURCES, "npz:FILE"]
    close = difflib.get_close_matches(source, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"unknown data {source!r}; {hint}Known: {', '.join(known)}")


def _split(labels: Labels, valid_share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the training and the validation part, with each class's share in both."""
    from sklearn.model_selection import train_test_split

    train, valid = train_test_split(
        np.arange(len(labels)), test_size=valid_share, stratify=labels, random_state=seed
    )
    return train, valid


CANVAS = 32  # pixels
DIGITS_VALID_SHARE = 0.4  # of the scans; a large share, because validation noise is ranking noise
TRAIN_COPIES = 5
VALID_COPIES = 4


def _load_digits(seed: int) -> Dataset:
    """1797 scans of 8 x 8 pixels, each drawn several times at a random place, size and angle.

    Scans are split before they are copied, so that no scan of the validation part is trained
    on. Plain digits are learnt by every network in a few passes, which leaves nothing to rank;
    on cluttered canvases accuracies spread.
    """
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    scans = scans.reshape(-1, 8, 8) / 16.0  # [N, 8, 8] in [0, 1]
    labels = labels.astype(np.int64)
    train, valid = _split(labels, DIGITS_VALID_SHARE, seed)
    train_x, train_y = _scatter(scans[train], labels[train], TRAIN_COPIES, np.random.default_rng(1))
    valid_x, valid_y = _scatter(scans[valid], labels[valid], VALID_COPIES, np.random.default_rng(2))
    return Dataset("digits", 10, train_x, train_y, valid_x, valid_y)


def _scatter(
    scans: NDArray[np.float64], labels: Labels, copies: int, rng: np.random.Generator
) -> tuple[Images, Labels]:
    """``copies`` canvases of each scan: `[N * copies, CANVAS, CANVAS, 1]` and their labels.

    A canvas holds noise, fragments of other scans as clutter, and one whole digit.
    """
    which = np.repeat(np.arange(len(scans)), copies)
    canvases = np.empty((len(which), CANVAS, CANVAS, 1), np.uint8)
    for canvas, scan in zip(canvases, scans[which], strict=True):
        ink = rng.uniform(0, 0.25, (CANVAS, CANVAS))
        for fragment in scans[rng.integers(len(scans), size=4)]:
            row, column = rng.integers(0, 5, 2)
            ink = np.maximum(ink, _draw(fragment[row : row + 4, column : column + 4], rng))
        ink = np.maximum(ink, _draw(scan, rng))
        canvas[..., 0] = np.round(255 * ink)
    return canvases, labels[which]


def _draw(scan: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """``scan`` on an empty canvas: 1.5 to 2.75 times its size, turned by up to 30 degrees, anywhere inside."""
    from scipy.ndimage import affine_transform

    scale, angle = rng.uniform(1.5, 2.75), rng.uniform(-np.pi / 6, np.pi / 6)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    matrix = np.array([[cos, -sin], [sin, cos]])  # canvas offsets to scan offsets
    margin = len(scan) * scale / 2
    centre = rng.uniform(margin, CANVAS - 1 - margin, 2)
    offset = (len(scan) - 1) / 2 - matrix @ centre
    drawn: NDArray[np.float64] = affine_transform(
        scan, matrix, offset, (CANVAS, CANVAS), order=1, mode="constant"
    )
    return drawn


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


def _read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of the file that this module knows; others, such as class names, are left alone."""
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            keys = list(archive)
            arrays = {key: archive[key] for key in ("train_x", "train_y", "test_x", "test_y") if key in keys}
    except OSError as error:
        raise ValueError(f"data must be a readable npz file, got {path}: {error.strerror}") from None
    except (ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"data must be an npz file without pickled objects, got {path}: {error}") from None
    if not {"train_x", "train_y"} <= set(keys):
        raise ValueError(f"{path.name} must hold train_x and train_y, got {', '.join(keys) or 'nothing'}")
    if ("test_x" in keys) != ("test_y" in keys):
        raise ValueError(f"{path.name} must hold both test_x and test_y or neither, got {', '.join(keys)}")
    return arrays


def _checked(arrays: dict[str, NDArray[np.generic]], part: str) -> tuple[Images, Labels]:
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
