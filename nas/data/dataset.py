"""What every source gives: labelled uint8 images in a training, a validation and perhaps a test part.

Shapes: N images, H and W pixels, C channels (1: grey, 3: colour).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.data.depth import Span

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class Part(NamedTuple):
    """Labelled images.

    images: `[N, H, W, C]`.
    labels: `[N]`, from 0 to ``num_classes - 1``.
    """

    images: Images
    labels: Labels

    def hash_into(self, digest: hashlib._Hash, *, former: bool = False) -> None:  # noqa: ARG002
        """Updates ``digest`` with what identifies these images, or did so in a ``former`` version."""
        for array in (self.images, self.labels):
            digest.update(array.tobytes())


@dataclass(frozen=True)
class Dataset:
    """A task's images; picklable, so that it can be sent to workers.

    Args:
        name: the source given to ``load_data``, with any path made absolute.
        classes: their names, by label.
        train: networks are trained on it.
        valid: never trained on; trials' accuracies are measured on it.
        test: used neither for training nor for the search; None if the source has no such part.
        image_size: the images' own size in pixels, before any resizing: the median of their shorter sides;
            0 if unknown.
        white: what images of more than 8 bits were scaled by, by their kind, see ``nas.data.depth``; empty if
            there are none, or in older packs.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    valid: Part
    test: Part | None = None
    image_size: int = 0
    white: Mapping[str, Span] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)
