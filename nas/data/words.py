"""What a source was read as, in a line: a folder that was misunderstood shows here and nowhere else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from nas.data.dataset import Dataset, Labels
from nas.data.listing import IN_WORDS, PARTS
from nas.errors import shown

SHOWN = 10  # classes


def summary(data: Dataset, passed: Sequence[str] = ()) -> str:
    """One line on a data set; see ``in_a_line``."""
    labels = {name: part.labels for name in PARTS if (part := getattr(data, name)) is not None}
    return in_a_line(data.name, data.classes, labels, data.image_size, passed)


def in_a_line(
    source: str, classes: Sequence[str], labels: Mapping[str, Labels], image_size: int, passed: Sequence[str]
) -> str:
    """``Read folder:photos: 2 classes (cat 400, dog 350); 525 training, 150 validation ... of 640 px``.

    Args:
        labels: of each part.
        passed: what was passed over, in words.
    """
    counts = np.sum([np.bincount(part, minlength=len(classes)) for part in labels.values()], axis=0)
    named = [f"{name} {number:,}" for name, number in zip(classes, counts, strict=True)]
    if len(named) > SHOWN:
        more = counts[SHOWN - 2 :]
        each = f"{min(more):,} to {max(more):,}" if min(more) < max(more) else f"{min(more):,}"
        named = [*named[: SHOWN - 2], f"and {len(more):,} more of {each}"]
    sizes = [f"{len(part):,} {IN_WORDS[name]}" for name, part in labels.items()]
    images = " and ".join([", ".join(sizes[:-1]), sizes[-1]])
    size = f" of {image_size:,} px" if image_size else ""
    over = f"; passed over: {', '.join(passed)}" if passed else ""
    return shown(f"Read {source}: {len(classes):,} classes ({', '.join(named)}); {images} images{size}{over}")


def alike(classes: Sequence[str]) -> list[str]:
    """A warning if classes differ only in case or blanks, which is often a mistake."""
    groups = [list(group) for _, group in itertools.groupby(sorted(classes, key=_plain), key=_plain)]
    same = [" and ".join(map(repr, sorted(group))) for group in groups if len(group) > 1]
    if not same:
        return []
    more = f", and {len(same) - 1:,} more" if len(same) > 1 else ""
    return [f"Classes {same[0]} differ only in case or blanks{more}: they are kept apart"]


def _plain(name: str) -> str:
    return "".join(name.casefold().split())
