"""Labelled images that a trained network is judged by: any number, of any classes, in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.data.dataset import Dataset, Images, Labels
from nas.data.digits import load_digits
from nas.data.folder import list_folder
from nas.data.huggingface import list_huggingface
from nas.data.listing import IN_WORDS, PARTS, Listing
from nas.data.npz import judging_arrays
from nas.data.pictures import Encoded
from nas.errors import shown
from nas.spec.listener import Listener
from search_spaces.names import unknown

WHOLE = "all"


@dataclass(frozen=True)
class Labelled:
    """Images whose classes are known, and which part of a source they are.

    Args:
        source: with any path made absolute.
        part: ``train``, ``valid`` or ``test``, or ``all``.
        classes: names, in the order of the source's labels.
        labels: `[N]`, indices of ``classes``.
        images: `[N, H, W, C]`; None if they are still to be decoded.
        read: gives the paths or contents of some image files.
        name: gives the name of an image file, for messages.
    """

    source: str
    part: str
    classes: tuple[str, ...]
    labels: Labels
    images: Images | None = None
    read: Callable[[Sequence[int]], list[Encoded]] = lambda _: []
    name: Callable[[int], str] = str

    @property
    def words(self) -> str:
        """``121 test images of folder:photos``."""
        part = "" if self.part == WHOLE else f"{IN_WORDS[self.part]} "
        number = len(self.labels)
        return shown(f"{number:,} {part}image{'s' * (number != 1)} of {self.source}")


def part_of(data: Dataset, part: str | None) -> Labelled:
    """A part of a data set that a network was trained on; by default its test part, else its validation part.

    Raises:
        ValueError: if it has no such part.
    """
    part = part or ("valid" if data.test is None else "test")
    found = getattr(data, part)
    if found is None:
        raise ValueError(f"part must be valid or all where {data.name} has no test part, got {part}")
    return Labelled(data.name, part, data.classes, found.labels, found.images)


def load_labelled(source: str, part: str | None, listener: Listener) -> Labelled:
    """The images of ``source``, which may be anything that ``load_data`` takes, and less.

    Args:
        part: ``test`` or ``valid``, its own split of this kind; ``all`` for every image; by default its test
            split, or all images if it has none.
        listener: told how the source was read.

    Raises:
        ValueError: in one line, if the source is unknown, its files cannot be used or it has no such part.
    """
    kind, _, rest = source.partition(":")
    path = Path(rest).expanduser().absolute()
    try:
        if kind in ("folder", "hf") and rest:
            folder = kind == "folder"
            listing = (
                list_folder(path, f"folder:{path}", judges=True)
                if folder
                else list_huggingface(rest, judges=True)
            )
            return _listed(listing, part, listener)
        if source == "digits":
            data = load_digits(0)
            arrays = {"train": data.train, "valid": data.valid}
            return _joined("digits", {name: (p.labels, p.images) for name, p in arrays.items()}, part)
        if kind == "npz" and rest:
            found = judging_arrays(path)
            return _joined(f"npz:{path}", {name: (p.labels, p.images) for name, p in found.items()}, part)
    except ValueError as error:  # names of files may hold anything
        raise ValueError(shown(str(error))) from None
    raise ValueError(unknown("data", source, ("digits", "npz:FILE", "folder:DIR", "hf:NAME")))


def _listed(listing: Listing, part: str | None, listener: Listener) -> Labelled:
    for note in listing.notes:
        listener.say(shown(note))
    chosen = _chosen(part, listing.splits, listing.source)
    splits = [listing.splits[name] for name in chosen]
    ends = np.cumsum([len(split.labels) for split in splits])

    def place(number: int) -> tuple[int, int]:
        index = int(np.searchsorted(ends, number, "right"))
        return index, number - int(ends[index] - len(splits[index].labels))

    def read(numbers: Sequence[int]) -> list[Encoded]:
        places = [place(number) for number in numbers]
        found: dict[tuple[int, int], Encoded] = {}
        for index, split in enumerate(splits):
            rows = [row for which, row in places if which == index]
            found |= {(index, row): image for row, image in zip(rows, split.read(rows), strict=True)}
        return [found[one] for one in places]

    def name(number: int) -> str:
        index, row = place(number)
        return splits[index].name(row)

    labels = np.concatenate([split.labels for split in splits])
    return Labelled(listing.source, _name(part, chosen), listing.classes, labels, None, read, name)


def _joined(source: str, arrays: Mapping[str, tuple[Labels, Images]], part: str | None) -> Labelled:
    """Images in memory; the labels' numbers are the names."""
    chosen = _chosen(part, arrays, source)
    labels = np.concatenate([arrays[name][0] for name in chosen])
    shapes = {arrays[name][1].shape[1:] for name in chosen}
    if len(shapes) > 1:
        raise ValueError(f"{source} must hold images of one size, got {' and '.join(map(str, shapes))}")
    names, places = np.unique(labels, return_inverse=True)
    images = np.concatenate([arrays[name][1] for name in chosen])
    return Labelled(source, _name(part, chosen), tuple(map(str, names)), places.astype(np.int64), images)


def _chosen(part: str | None, splits: Mapping[str, object], source: str) -> list[str]:
    """The names of the splits that make ``part``."""
    if part is None:
        part = "test" if "test" in splits else WHOLE
    if part == WHOLE:
        return sorted(splits, key=lambda name: PARTS.index(name) if name in PARTS else len(PARTS))
    if part not in splits:
        raise ValueError(f"part must be all where {source} has no {IN_WORDS[part]} part, got {part}")
    return [part]


def _name(part: str | None, chosen: list[str]) -> str:
    return "test" if part is None and chosen == ["test"] else part or WHOLE
