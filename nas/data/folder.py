"""``folder:DIR``: a folder of images for each class, laid out as ImageNet is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas.data.listing import Listing, Split

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
SPLITS = {"train": "train", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}


class File(NamedTuple):
    """A file: its path relative to the source's directory, its size in bytes and its modification time."""

    path: str
    size: int
    mtime_ns: int


def list_folder(directory: Path, source: str) -> Listing:
    """The images below ``directory``: class folders, or ``train``, ``val`` and ``test`` folders of these.

    Folders inside a class folder belong to it. Hidden files and files without an image's suffix are skipped.

    Raises:
        ValueError: in one line, if the folder cannot be read or its classes do not fit together.
    """
    try:
        roots = _roots(directory)
        classes = {split: _subfolders(root) for split, root in roots.items()}
        names = tuple(sorted(classes["train"])) if "train" in classes else ()
        if not names:
            raise ValueError(f"folder:DIR must hold a folder of images for each class, got {directory}")
        for split in classes:
            if unknown := sorted(set(classes[split]) - set(names)):
                raise ValueError(
                    f"{source} must hold training images of every class, got none of {unknown[0]!r}, "
                    f"which is in {roots[split].name}"
                )
        files = {
            split: [
                (file, label)
                for label, name in enumerate(names)
                if name in classes[split]
                for file in sorted(walk(directory, roots[split] / name))
                if file.path.lower().endswith(SUFFIXES)
            ]
            for split in classes
        }
    except OSError as error:
        raise ValueError(
            f"folder:DIR must be a folder that can be read ({error.strerror}), got {error.filename}"
        ) from None
    if not any(files.values()):
        raise ValueError(f"{source} must hold images ({', '.join(SUFFIXES)}), got none")
    kept = {split: listed for split, listed in files.items() if listed or split == "valid"}
    splits = {split: _split(directory, listed) for split, listed in kept.items()}
    return Listing(source, names, splits, digest_of(file for listed in files.values() for file, _ in listed))


def digest_of(files: Iterable[File]) -> str:
    """SHA-256 of the files' names, sizes and times, not of their contents: ImageNet has 1.3 million."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(os.fsencode(file.path) + f"\0{file.size}\0{file.mtime_ns}\n".encode())
    return digest.hexdigest()


def walk(directory: Path, top: Path) -> Iterator[File]:
    """The files below ``top`` except hidden ones, with paths relative to ``directory``."""
    for entry in os.scandir(top):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from walk(directory, Path(entry.path))
        elif entry.is_file():
            status = entry.stat()
            yield File(os.path.relpath(entry.path, directory), status.st_size, status.st_mtime_ns)


def _roots(directory: Path) -> dict[str, Path]:
    """The splits' folders; if there are none, ``directory`` itself is the training split."""
    roots: dict[str, Path] = {}
    for name, path in sorted(_subfolders(directory).items()):
        split = SPLITS.get(name.lower())
        if split is None or not _subfolders(path):  # a class may be called train
            continue
        if split in roots:
            raise ValueError(
                f"folder:DIR must hold one {split} folder, got {roots[split].name} and {name} in {directory}"
            )
        roots[split] = path
    if roots and "train" not in roots:
        raise ValueError(
            f"folder:DIR must hold a folder train beside {next(iter(roots.values())).name}, got {directory}"
        )
    return roots or {"train": directory}


def _subfolders(directory: Path) -> dict[str, Path]:
    return {
        entry.name: Path(entry.path)
        for entry in os.scandir(directory)
        if entry.is_dir() and not entry.name.startswith(".")
    }


def _split(directory: Path, listed: Sequence[tuple[File, int]]) -> Split:
    paths = [file.path for file, _ in listed]

    def read(rows: Sequence[int]) -> list[str | bytes]:
        return [os.path.join(directory, paths[row]) for row in rows]  # noqa: PTH118  # much faster

    return Split(np.array([label for _, label in listed], np.int64), read, paths.__getitem__)
