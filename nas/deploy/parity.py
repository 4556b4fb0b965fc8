"""Whether an exported network says what the network itself says, on the same images.

Shapes: N images, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nas.deploy.finished import Floats

TOLERANCE = 1e-4
"""The largest difference of logits, over the largest logit: float32 has 1e-7, and sums are long."""


class Parity(NamedTuple):
    """Two networks compared.

    images: how many they have seen.
    same: images that both name alike.
    ties: images of the others whose two classes are equal within the tolerance.
    difference: the largest of all logits, over the largest logit; NaN if one is not finite.
    """

    images: int
    same: int
    ties: int
    difference: float

    @property
    def holds(self) -> bool:
        """Whether the networks are the same."""
        return self.same + self.ties == self.images and self.difference <= TOLERANCE

    def __str__(self) -> str:
        agree = f"{self.same:,} of {self.images:,}" if self.same < self.images else f"all {self.images:,}"
        return (
            f"the same top-1 on {agree} images, and a largest difference of logits of {self.difference:.1e} "
            "of the largest logit"
        )


def compare(logits: Floats, found: Floats) -> Parity:
    """How well the logits ``found`` `[N, K]` of an export agree with the network's own."""
    largest = float(np.abs(logits).max())
    difference = float(np.abs(logits - found).max()) / largest if largest else float(np.abs(found).max())
    own, theirs = logits.argmax(1), found.argmax(1)
    lead = logits.max(1) - np.take_along_axis(logits, theirs[:, None], 1)[:, 0]  # 0 where they agree
    ties = (own != theirs) & (lead <= TOLERANCE * largest)
    return Parity(len(logits), int((own == theirs).sum()), int(ties.sum()), difference)
