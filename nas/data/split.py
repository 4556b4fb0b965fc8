"""Stratified splits, for sources without a validation part: each class has its share in every part.

There are two functions, with different random generators. Both must stay: with another split, the same seed
would give another search.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nas.data.dataset import Labels

Rows = NDArray[np.intp]


def split_arrays(labels: Labels, valid_share: float, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows of images in memory (``digits``, ``npz``), by scikit-learn."""
    from sklearn.model_selection import train_test_split

    # scikit-learn takes no number as large as a date and time, but it takes a generator.
    state = seed if seed < 2**32 else np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))
    train, valid = train_test_split(
        np.arange(len(labels)), test_size=valid_share, stratify=labels, random_state=state
    )
    return train, valid


def split_files(labels: Labels, shares: Sequence[float], seed: int) -> list[Rows]:
    """Divides the rows of ``labels`` `[N]` into disjoint parts, each in random order, for image files.

    Args:
        labels: from 0 up; every class must have more rows than there are shares.
        shares: of every class, for the second and further parts; each gets at least one row. The first part
            gets the rest.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[Rows]] = [[] for _ in range(len(shares) + 1)]
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    for rows in by_class:
        ends = np.cumsum([max(1, round(share * len(rows))) for share in shares])
        *held, rest = np.split(rng.permutation(rows), ends)
        for part, piece in zip(parts, [rest, *held], strict=True):
            part.append(piece)
    return [rng.permutation(np.concatenate(part)) for part in parts]
