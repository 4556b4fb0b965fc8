"""Tables of labels beside images: a CSV file with a column of files and a column of their classes.

Hugging Face's ``metadata.csv`` (``file_name,label``), and those of competitions (``id,breed``).
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nas.data.split_names import split_of
from nas.data.walk import File, visible

SUFFIXES = (".csv", ".tsv")
FILES = (
    *(
        "filename",
        "file",
        "filepath",
        "path",
        "image",
        "imagename",
        "imagefile",
        "imagepath",
        "imagefilename",
    ),
    *(
        "img",
        "imgname",
        "imgpath",
        "imgfile",
        "filenames",
        "files",
        "images",
        "imageid",
        "imgid",
        "photo",
        "picture",
    ),
    *("name", "id"),
)
CLASSES = (
    *("label", "labels", "class", "classname", "labelname", "classlabel", "target", "category", "classes"),
    *("categoryname", "species", "breed", "diagnosis", "y"),
)
LARGEST = 10**9  # bytes of a table


class Labelled(NamedTuple):
    """Images with the names of their classes, and a sentence on where these come from."""

    images: list[tuple[File, str]]
    note: str


def label_files(directory: Path, root: Path, split: str) -> list[Path]:
    """The tables that may hold the labels of the images in ``root``, a folder in ``directory`` or itself."""
    inside = _tables(root)
    if root == directory:
        return inside
    beside = _tables(directory)
    own = [path for path in beside if split_of(path.stem, labels=True) == split]
    common = [path for path in beside if split_of(path.stem, labels=True) is None]
    return inside + own + common


def read_labels(
    path: Path, root: Path, images: Sequence[File], directory: Path, passed: Counter[str]
) -> Labelled:
    """The labels of ``images``, which lie below ``root``, from the table ``path``.

    Args:
        directory: what the images' paths are relative to.
        passed: is added images that the table does not name, and rows without an image.

    Raises:
        ValueError: in one line, without the file's name, if it is no table of these images and their classes.
    """
    exact, loose = _index(images, root, directory)
    rows = _rows(path)

    def find(text: str) -> File | None:
        text = text.strip().replace("\\", "/").removeprefix("./")
        name = text.rpartition("/")[2].casefold()
        return exact.get(text) or loose.get(name) or loose.get(name.rpartition(".")[0] or name)

    header = [] if any(find(cell) for cell in rows[0]) else rows[0]
    rows = rows[bool(header) :]
    width = max((len(row) for row in rows), default=0)
    hits = [
        sum(find(row[column]) is not None for row in rows[:1000] if column < len(row))
        for column in range(width)
    ]
    file, label = _columns(header, hits)
    classes: dict[File, str] = {}
    for row in rows:
        if len(row) <= max(file, label):
            continue
        image, name = find(row[file]), row[label].strip()
        if image is None:
            passed[f"without a file in {path.name}"] += 1
        elif not name:
            passed[f"without a label in {path.name}"] += 1
        elif classes.setdefault(image, name) != name:
            raise ValueError(
                f"must give each image one class, got {classes[image]} and {name} for {image.path}"
            )
    passed[f"not named in {path.name}"] += (
        len(images) - len(classes) - passed[f"without a label in {path.name}"]
    )
    column = f", column {header[label].strip()}" if header else ""
    return Labelled(
        sorted(classes.items()), f"classes are those of {os.path.relpath(path, directory)}{column}"
    )


def _columns(header: Sequence[str], hits: Sequence[int]) -> tuple[int, int]:
    """Which column names the images, and which their classes; ``hits``: names of images in each.

    Raises:
        ValueError: if there is no such column.
    """
    if not any(hits):
        raise ValueError("has no column with names of these images")
    names = [re.sub(r"[\W_]", "", cell.lower()) for cell in header]
    file = next(
        (names.index(name) for name in FILES if name in names and hits[names.index(name)]),
        hits.index(max(hits)),
    )
    return file, _label_column(names, header, len(hits), file)


def _label_column(names: Sequence[str], header: Sequence[str], width: int, file: int) -> int:
    for name in CLASSES:
        if name in names and names.index(name) != file:
            return names.index(name)
    if width == 2:
        return 1 - file
    shown = ", ".join(cell.strip() for cell in header) or f"{width} columns without names"
    raise ValueError(f"must have a column of classes, called label or class, got {shown}")


def _rows(path: Path) -> list[list[str]]:
    """The rows of a table with any of the usual separators and encodings; at least one."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"must have at most {LARGEST:,} bytes, got {path.stat().st_size:,}")
        content = path.read_bytes()
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        first = text.partition("\n")[0]
        separator = max(",;\t|", key=first.count)
        table = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        rows = [row for row in table if any(cell.strip() for cell in row)]
    except (OSError, csv.Error) as error:
        raise ValueError(f"must be a table that can be read ({error})") from None
    if not rows:
        raise ValueError("must hold a table, and is empty")
    return rows


def _index(images: Sequence[File], root: Path, directory: Path) -> tuple[dict[str, File], dict[str, File]]:
    """Images by path, relative to ``root`` or ``directory``; and by name or stem, where only one has it."""
    exact: dict[str, File] = {}
    names: dict[str, list[File]] = {}
    for image in images:
        exact[image.path] = exact[os.path.relpath(directory / image.path, root)] = image
        name = os.path.basename(image.path).casefold()  # noqa: PTH119
        for key in {name, os.path.splitext(name)[0]}:  # noqa: PTH122
            names.setdefault(key, []).append(image)
    return exact, {name: found[0] for name, found in names.items() if len(found) == 1}


def _tables(folder: Path) -> list[Path]:
    """The tables in ``folder``, ``metadata.csv`` first."""
    found = [Path(entry.path) for entry in visible(folder, Counter()) if entry.is_file()]
    found = [path for path in found if path.suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: (path.stem.lower() != "metadata", path.name))
