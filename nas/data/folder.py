"""``folder:DIR``: a folder of images for each class, as ImageNet is laid out, or a table of labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nas.data.decode import suffixes
from nas.data.label_files import label_files, read_labels
from nas.data.layout import Roots, find_roots
from nas.data.listing import Listing, Split
from nas.data.walk import NO_SUFFIX, File, digest_of, passed_words, suffix_of, walk

FORMER_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")  # all that version 0.1 read

Images = list[tuple[File, str]]
"""Files and their classes."""


def list_folder(directory: Path, source: str, *, judges: bool = False) -> Listing:
    """The images below ``directory``: class folders or a table of labels, perhaps in folders of splits.

    Args:
        judges: see ``Listing``.

    Raises:
        ValueError: in one line, if the folder cannot be read or its classes do not fit together.
    """
    passed: Counter[str] = Counter()
    notes: list[str] = []
    try:
        roots = find_roots(directory, passed, judges=judges)
        images: dict[str, Images] = {}
        for split in roots.folders:
            found = _images_of(directory, split, roots, passed, notes)
            if found is not None:
                images[split] = found
    except OSError as error:
        raise ValueError(
            f"folder:DIR must be a folder that can be read ({error.strerror}), got {error.filename}"
        ) from None
    notes = [*(f"{source}: {note}" for note in (*roots.notes, *notes))]
    listing = _listing if not judges else _judging
    return listing(directory, source, images, roots, passed, tuple(notes))


def _images_of(
    directory: Path, split: str, roots: Roots, passed: Counter[str], notes: list[str]
) -> Images | None:
    """The images of a split; None if it is a test split without labels.

    Raises:
        ValueError: if it holds neither class folders nor a table of labels.
    """
    classes = roots.folders[split]
    if classes:
        return [
            (file, name)
            for name, folder in sorted(classes.items())
            for file in _images(directory, folder, passed)
        ]
    root = roots.tops[split]
    found = list(_images(directory, root, passed))
    tables = label_files(directory, root, split)
    reasons = []
    for table in tables:
        counted: Counter[str] = Counter()
        try:
            labelled = read_labels(table, root, found, directory, counted)
        except ValueError as error:
            reasons.append(f"{table.name} {error}")
            continue
        passed.update(counted)
        passed[suffix_of(table.name)] -= 1  # it was counted as no image
        notes.append(labelled.note)
        return labelled.images
    if not found:
        raise ValueError(f"folder:DIR must hold a folder of images for each class, got {root}")
    name = "" if root == directory else f"; {root.name} has neither"
    if split == "test":
        notes.append(f"{root.name} has neither class folders nor a table of labels and is passed over")
        return None
    if reasons:
        name += f" ({'; '.join(reasons)})"
    raise ValueError(
        f"folder:DIR must hold a folder of images for each class, or a CSV file of file_name,label{name}, "
        f"got {len(found):,} image{'s' * (len(found) != 1)} in {root}"
    )


def _images(directory: Path, folder: Path, passed: Counter[str]) -> Sequence[File]:
    """The images below ``folder``, in order; counts other files."""
    read, kept = suffixes(), []
    for file in walk(directory, folder, passed):
        suffix = suffix_of(file.path)
        if suffix in read:
            kept.append(file)
        else:
            passed[suffix or NO_SUFFIX] += 1
    return sorted(kept)


def _listing(
    directory: Path,
    source: str,
    images: Mapping[str, Images],
    roots: Roots,
    passed: Counter[str],
    notes: tuple[str, ...],
) -> Listing:
    left_out = passed_words(passed)
    classes = roots.folders["train"] or {name: Path() for _, name in images["train"]}
    names = tuple(sorted(classes, key=_numbers_first if not roots.folders["train"] else None))
    if not any(images.values()):
        raise ValueError(
            f"{source} must hold images that Pillow reads (.jpg, .png, .tif, .webp, ...), "
            f"got {', '.join(left_out) or 'none'}"
        )
    index = {name: label for label, name in enumerate(names)}
    for split in images:
        found = set(roots.folders[split]) or {name for _, name in images[split]}
        if unknown := sorted(found - set(names)):
            raise ValueError(
                f"{source} must hold training images of every class, got none of {unknown[0]!r}, "
                f"which is in {roots.tops[split].name}"
            )
    splits = {
        split: _split(directory, sorted(((file, index[name]) for file, name in listed), key=_by_label))
        for split, listed in images.items()
        if listed or split == "valid"
    }
    files = [file for listed in images.values() for file, _ in listed]
    former = all(file.path.lower().endswith(FORMER_SUFFIXES) for file in files)
    digest = digest_of(files)
    return Listing(source, names, splits, digest, notes, left_out, former=digest if former else None)


def _judging(
    directory: Path,
    source: str,
    images: Mapping[str, Images],
    roots: Roots,  # noqa: ARG001
    passed: Counter[str],
    notes: tuple[str, ...],
) -> Listing:
    """As ``_listing``, with the classes of any split."""
    left_out = passed_words(passed)
    names = sorted({name for listed in images.values() for _, name in listed})
    if not names:
        raise ValueError(f"{source} must hold images of classes, got {', '.join(left_out) or 'none'}")
    index = {name: label for label, name in enumerate(names)}
    splits = {
        split: _split(directory, sorted((file, index[name]) for file, name in listed))
        for split, listed in images.items()
        if listed
    }
    return Listing(source, tuple(names), splits, "", notes, left_out, judges=True)


def _by_label(one: tuple[File, int]) -> tuple[int, File]:
    return one[1], one[0]


def _numbers_first(name: str) -> tuple[bool, int, str]:
    """Orders classes that are called 0 to 10 as numbers."""
    number = name.isascii() and name.isdigit()
    return not number, int(name[:18]) if number else 0, name


def _split(directory: Path, listed: Sequence[tuple[File, int]]) -> Split:
    paths = [file.path for file, _ in listed]

    def read(rows: Sequence[int]) -> list[str | bytes]:
        return [os.path.join(directory, paths[row]) for row in rows]  # noqa: PTH118  # much faster

    return Split(np.array([label for _, label in listed], np.int64), read, paths.__getitem__)
