"""``digits``: scikit-learn's handwritten digits, shifted, rotated and resized on a larger canvas."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import Dataset, Images, Part
from nas.data.split import split_arrays

CANVAS = 32  # pixels
SCALE = (3.0, 3.75)  # pixels of the canvas per pixel of a scan
TURN = math.radians(15)
SHIFT = 2.0  # pixels
COPIES = 4  # per scan
DIGITS_VALID_SHARE = 0.4  # of the scans; large, because a small part would measure mostly noise


def load_digits(seed: int) -> Dataset:
    """1797 scans of 8 x 8 pixels, each drawn ``COPIES`` times at a random size, angle and place.

    Scans are split before they are copied, so that no scan of the validation part is trained on. The task is
    meant to be about as hard as a trial of 130 steps can learn. With clutter and noise, or more freedom of
    place, many networks get stuck on a plateau, which they leave by luck, and seeds agree less on the ranking
    (LOG.md).
    """
    from sklearn import datasets

    scans, labels = datasets.load_digits(return_X_y=True)
    scans = scans.reshape(-1, 8, 8) / 16.0  # [N, 8, 8] in [0, 1]
    labels = labels.astype(np.int64)
    train, valid = (
        Part(_draw(scans[rows], np.random.default_rng(number)), np.tile(labels[rows], COPIES))
        for number, rows in enumerate(split_arrays(labels, DIGITS_VALID_SHARE, seed), 1)
    )
    return Dataset("digits", tuple(map(str, range(10))), train, valid, image_size=CANVAS)


def _draw(scans: NDArray[np.float64], rng: np.random.Generator) -> Images:
    """Draws scans `[N, 8, 8]` on canvases `[COPIES * N, CANVAS, CANVAS, 1]`: all once, then all again, ..."""
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
