"""What a source of image files holds, before anything is decoded, and how it is divided into parts.

Splits are the source's own; parts are what a search needs: ``train``, ``valid`` and ``test``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from nas.data.dataset import Labels
from nas.data.split import Rows, split_files

PARTS = ("train", "valid", "test")
IN_WORDS = {"train": "training", "valid": "validation", "test": "test"}
VALID_SHARE, TEST_SHARE = 0.2, 0.1
MIN_PER_CLASS = 5  # the fewest that give every part an image and training most of them
ORDER_SEED = 0  # for splits that the source has: all seeds then share one pack


class Split(NamedTuple):
    """Labelled images, encoded.

    labels: `[N]`, indices of the listing's classes.
    read: gives the path or the encoded bytes of each of some rows.
    name: gives a row's name, for messages.
    """

    labels: Labels
    read: Callable[[Sequence[int]], list[str | bytes]]
    name: Callable[[int], str]


class Take(NamedTuple):
    """A part: rows of a split, in order."""

    split: str
    rows: Rows


@dataclass(frozen=True)
class Listing:
    """A source's images, not decoded yet.

    Args:
        source: as given to ``load_data``, with any path made absolute.
        classes: their names, by label.
        splits: ``train``, and ``valid`` and ``test`` where the source has them.
        digest: identifies the files, hexadecimal.
        notes: what the user should know about how the source was read.
        passed: what was passed over, in words.
        former: the digest in version 0.1; None if that version would not have read the same files.
        judges: a trained network is judged by the images, so there may be any number of any class.

    Raises:
        ValueError: if there are fewer than two classes, or a class has too few images to train on, to
            validate with or to hold out.
    """

    source: str
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    digest: str
    notes: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    former: str | None = None
    judges: bool = False

    def __post_init__(self) -> None:
        if self.judges:
            return
        if len(self.classes) < 2:
            raise ValueError(
                f"{self.source} must hold at least 2 classes, got {', '.join(self.classes) or 'none'}"
                f"{self._without}"
            )
        least = MIN_PER_CLASS if self.held_out else 1
        for name in ("train", "valid"):
            if name not in self.splits:
                continue
            counts = np.bincount(self.splits[name].labels, minlength=len(self.classes))
            if counts.min() < least:
                images = "images of each class, to hold some out" if least > 1 else "image of each class"
                raise ValueError(
                    f"{self.source} must hold at least {least} {IN_WORDS[name]} {images}, "
                    f"got {counts.min()} of {self.classes[counts.argmin()]!r}{self._without}"
                )

    @property
    def _without(self) -> str:
        return f" (passed over: {', '.join(self.passed)})" if self.passed else ""

    def without(self, unusable: Mapping[str, Sequence[int]], passed: str) -> Listing:
        """The listing without some rows of its splits, and without a test split that is empty then.

        Args:
            passed: says in words what these are.

        Raises:
            ValueError: if a class has too few images left.
        """
        splits = {
            name: split._replace(labels=np.delete(split.labels, unusable.get(name, [])))
            for name, split in self.splits.items()
        }
        splits = {name: split for name, split in splits.items() if name != "test" or len(split.labels)}
        return replace(self, splits=splits, passed=(*self.passed, passed))

    @property
    def held_out(self) -> bool:
        """Whether the validation part is held out of the training split; the seed then decides which rows."""
        return "valid" not in self.splits

    def parts(self, seed: int) -> dict[str, Take]:
        """The parts, each in an order that mixes the classes: a recipe may train on the first images only.

        Splits are kept if one is for validation. Otherwise a fifth of each class is held out of the training
        split for validation and, if there is no test split either, a tenth for a test part.
        """
        if not self.held_out:
            rng = np.random.default_rng(ORDER_SEED)
            names = [name for name in PARTS if name in self.splits]
            return {name: Take(name, rng.permutation(len(self.splits[name].labels))) for name in names}
        shares = [VALID_SHARE] if "test" in self.splits else [VALID_SHARE, TEST_SHARE]
        rows = split_files(self.splits["train"].labels, shares, seed)
        parts = {name: Take("train", part) for name, part in zip(PARTS, rows, strict=False)}
        if "test" in self.splits:
            order = np.random.default_rng(ORDER_SEED).permutation(len(self.splits["test"].labels))
            parts["test"] = Take("test", order)
        return parts
