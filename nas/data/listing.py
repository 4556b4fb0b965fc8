"""What a source of image files holds, before anything is decoded, and which of it goes into which part.

Splits are the source's own; parts are what a search needs: ``train``, ``valid`` and ``test``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nas.data.dataset import Labels
from nas.data.split import Rows, split_files

PARTS = ("train", "valid", "test")
IN_WORDS = {"train": "training", "valid": "validation", "test": "test"}
VALID_SHARE, TEST_SHARE = 0.2, 0.1
MIN_PER_CLASS = 5  # the fewest that give every part an image, and most of them to training
ORDER_SEED = 0  # of parts that are given: every seed then shares one pack


class Split(NamedTuple):
    """Labelled images, encoded.

    labels: `[N]`, indices of the listing's classes.
    read: gives, of some rows, each image file's path or its bytes.
    name: gives a row's name, for messages.
    """

    labels: Labels
    read: Callable[[Sequence[int]], list[str | bytes]]
    name: Callable[[int], str]


class Take(NamedTuple):
    """A part: these rows, in this order, of that split."""

    split: str
    rows: Rows


@dataclass(frozen=True)
class Listing:
    """A source's images, not decoded yet.

    Args:
        source: as ``load_data`` was given it.
        classes: their names, by label.
        splits: ``train``, and ``valid`` and ``test`` where the source has them.
        digest: of which files these are, hexadecimal.
        notes: what the user should know of how the source was read.

    Raises:
        ValueError: if there are fewer than two classes, one has no image to train on or to validate
            with, or too few to hold some out.
    """

    source: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    digest: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise ValueError(
                f"{self.source} must hold at least 2 classes, got {', '.join(self.classes) or 'none'}"
            )
        least = MIN_PER_CLASS if self.held_out else 1
        for name in ("train", "valid"):
            if name not in self.splits:
                continue
            counts = np.bincount(self.splits[name].labels, minlength=len(self.classes))
            if counts.min() < least:
                why = ", to hold some out" if least > 1 else ""
                raise ValueError(
                    f"{self.source} must hold at least {least} {IN_WORDS[name]} "
                    f"image{'s' * (least > 1)} of each class"
                    f"{why}, got {counts.min()} of {self.classes[counts.argmin()]!r}"
                )

    @property
    def held_out(self) -> bool:
        """Whether the validation part is taken from the training split, which then depends on the seed."""
        return "valid" not in self.splits

    def parts(self, seed: int) -> dict[str, Take]:
        """The parts, each in an order that mixes the classes: a recipe may train on the first images only.

        A source with a validation split is used as it is. Else a fifth of each class is held out of the
        training split for validation and, if there is no test split either, a tenth for a test.
        """
        if not self.held_out:
            rng = np.random.default_rng(ORDER_SEED)
            return {
                name: Take(name, rng.permutation(len(self.splits[name].labels)))
                for name in PARTS
                if name in self.splits
            }
        shares = [VALID_SHARE] if "test" in self.splits else [VALID_SHARE, TEST_SHARE]
        rows = split_files(self.splits["train"].labels, shares, seed)
        parts = {name: Take("train", part) for name, part in zip(PARTS, rows, strict=False)}
        if "test" in self.splits:
            order = np.random.default_rng(ORDER_SEED).permutation(len(self.splits["test"].labels))
            parts["test"] = Take("test", order)
        return parts
