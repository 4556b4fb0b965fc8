"""What every source of images gives: labelled uint8 images in a training, a validation and a test part.

Shapes: N images, H and W pixels, C channels (1: grey, 3: colour).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Part(NamedTuple):
    """Labelled images.

    images: `[N, H, W, C]`.
    labels: `[N]`, from 0 to ``num_classes - 1``.
    """

    images: Images
    labels: Labels

    def hash_into(self, digest: hashlib._Hash) -> None:
        """Adds to ``digest`` what tells these images from others."""
        for array in (self.images, self.labels):
            digest.update(array.tobytes())


@dataclass(frozen=True)
class Dataset:
    """A task's images; picklable, so that workers can be sent it.

    Args:
        name: the source that ``load_data`` was given, a file's path made absolute.
        classes: their names, by label.
        train: what networks are trained on.
        valid: never trained on; a trial's accuracy is measured here.
        test: neither trained on nor searched with; None if the source has no such part.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    valid: Part
    test: Part | None = None

    @property
    def num_classes(self) -> int:
        """Outputs of a classifier for it."""
        return len(self.classes)
