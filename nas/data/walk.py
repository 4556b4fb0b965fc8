"""The files below a directory, and what is passed over on the way."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

SYSTEM = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders that systems leave behind; they count as hidden."""

OF_A_RUN = frozenset({".safetensors", ".pt", ".pth", ".ckpt", ".onnx", ".pt2", ".db"})

NO_SUFFIX = "file without a suffix"
PLURALS = {
    "run directory": "run directories",
    "dead link": "dead links",
    "special file": "special files",
    NO_SUFFIX: "files without a suffix",
    "link that leads back": "links that lead back",
    "image outside of all classes": "images outside of all classes",
}
"""What is passed over, where more of it is spelled in another way."""


class File(NamedTuple):
    """A file: its path relative to the source's directory, its size in bytes and its modification time."""

    path: str
    size: int
    mtime_ns: int


def walk(directory: Path, top: Path, passed: Counter[str]) -> Iterator[File]:
    """The files below ``top`` except hidden ones, with paths relative to ``directory``.

    Args:
        passed: is added what is passed over: hidden files and folders, links that lead nowhere or back, run
            directories, and what is no file, such as a pipe.
    """
    tops = [(str(top), _above(top) | {_identity(directory)})]
    while tops:
        folder, above = tops.pop()
        for entry in visible(Path(folder), passed):
            if entry.is_dir():
                identity = _identity(Path(entry.path))
                if identity in above:
                    passed["link that leads back"] += 1
                elif is_run(Path(entry.path)):
                    passed["run directory"] += 1
                else:
                    tops.append((entry.path, above | {identity}))
            elif entry.is_file():
                status = entry.stat()
                yield File(os.path.relpath(entry.path, directory), status.st_size, status.st_mtime_ns)


def visible(folder: Path, passed: Counter[str]) -> list[os.DirEntry[str]]:
    """The files and folders in ``folder`` that are not hidden and are there."""
    kept = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in SYSTEM:
                passed["hidden"] += 1
            elif _leads_nowhere(entry):
                passed["dead link"] += 1
            elif not entry.is_dir() and not entry.is_file():
                passed["special file"] += 1
            else:
                kept.append(entry)
    return kept


def subfolders(folder: Path, passed: Counter[str]) -> dict[str, Path]:
    """The folders in ``folder``, by name; not those that are hidden, lead back or hold a run."""
    above = _above(folder)
    found = {}
    for entry in visible(folder, passed):
        path = Path(entry.path)
        if not entry.is_dir():
            continue
        if _identity(path) in above:
            passed["link that leads back"] += 1
        elif is_run(path) or _holds_runs(path):
            passed["run directory"] += 1
        else:
            found[entry.name] = path
    return found


def is_run(folder: Path) -> bool:
    """Whether ``folder`` is the directory of a run, whose figures are not images to train on."""
    return (folder / "run.db").is_file() or (
        (folder / "config.json").is_file()
        and any((folder / name).exists() for name in ("family.json", "best.json", "run.lock", "pareto.csv"))
    )


def _holds_runs(folder: Path) -> bool:
    """Whether ``folder`` holds nothing but runs and weights, as ``runs`` does."""
    with os.scandir(folder) as scanned:
        entries = [entry for entry in scanned if not entry.name.startswith(".")]
    return bool(entries) and all(
        is_run(Path(entry.path)) if entry.is_dir() else suffix_of(entry.name) in OF_A_RUN for entry in entries
    )


def passed_words(passed: Counter[str]) -> tuple[str, ...]:
    """``12 .heic``, ``1 dead link``: what was passed over, most first."""
    return tuple(
        f"{number:,} {PLURALS.get(what, what) if number > 1 else what}"
        for what, number in sorted(passed.items(), key=lambda item: (-item[1], item[0]))
        if number > 0
    )


def suffix_of(path: str) -> str:
    """The suffix of a path, in lower case, with its dot."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122  # much faster


def digest_of(files: Iterable[File]) -> str:
    """SHA-256 of the files' names, sizes and times, not of their contents: ImageNet has 1.3 million."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(os.fsencode(file.path) + f"\0{file.size}\0{file.mtime_ns}\n".encode())
    return digest.hexdigest()


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110
    except OSError:
        return True


def _above(folder: Path) -> frozenset[tuple[int, int]]:
    """``folder`` and all that hold it, to recognise links that lead back."""
    return frozenset(map(_identity, (folder, *folder.resolve().parents)))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
