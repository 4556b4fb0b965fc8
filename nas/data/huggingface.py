"""``hf:NAME``: a data set of Hugging Face's hub, or local files that its library can read."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.data.dataset import Labels
from nas.data.folder import SPLITS, File, digest_of, walk
from nas.data.listing import Listing, Split

if TYPE_CHECKING:
    import datasets

LABEL_NAMES = ("label", "labels", "class", "target")


def list_huggingface(name: str) -> Listing:
    """The images of a data set, found by their type, and their labels.

    Args:
        name: on the hub, or the path of a directory or a file.

    Raises:
        ValueError: in one line, if ``datasets`` is not installed, or these are not labelled images.
    """
    if importlib.util.find_spec("datasets") is None:
        raise ValueError(
            f"hf:NAME needs the library datasets (pip install 'nas-scaling[data]'), got hf:{name}"
        )
    path = Path(name).expanduser().absolute()
    source = f"hf:{path if path.exists() else name}"
    found = _load(path, name)
    if "train" not in found:
        raise ValueError(f"{source} must have a split train, got {', '.join(found)}")
    image, label, notes = _columns(found["train"].features, source)
    raw = {split: np.array(list(table[label])) for split, table in found.items()}  # `[N]`, of any type
    if "test" in raw and _unlabelled(raw["test"]):
        notes += (f"The test split of {source} has no labels and is left out",)
        del raw["test"]
    classes, labels = _labels(found["train"].features[label], raw, source)
    splits = {
        split: Split(labels[split], _reader(found[split], image), f"{split}[{{}}]".format) for split in raw
    }
    return Listing(source, classes, splits, _digest(path, found), notes)


def _load(path: Path, name: str) -> dict[str, datasets.Dataset]:
    """The data set's splits, by our names for them."""
    import datasets

    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # we show our own
    try:
        if path.is_file():
            tables = datasets.load_dataset(str(path.parent), data_files=path.name)
        else:
            tables = datasets.load_dataset(str(path) if path.exists() else name)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"hf:NAME must be a data set that can be loaded ({reason}), got hf:{name}") from None
    finally:
        if not bars:
            datasets.enable_progress_bars()
    found: dict[str, datasets.Dataset] = {}
    for split, table in tables.items():
        if ours := SPLITS.get(str(split).lower()):
            found.setdefault(ours, table)
    return found or dict(tables)


def _columns(features: Any, source: str) -> tuple[str, str, tuple[str, ...]]:
    """The columns of images and of labels, and notes on how they were chosen."""
    import datasets

    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    if len(images) != 1:
        raise ValueError(f"{source} must have one column of images, got {len(images)} in {list(features)}")
    labels = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    if not labels:
        labels = [
            name
            for name, feature in features.items()
            if isinstance(feature, datasets.Value) and feature.dtype.startswith(("int", "uint", "string"))
        ]
        labels = [name for name in labels if name in LABEL_NAMES] or labels
        if len(labels) != 1:
            raise ValueError(
                f"{source} must have one column of labels, or one called label, got {len(labels)} "
                f"in {list(features)}"
            )
    label = next((name for name in LABEL_NAMES if name in labels), labels[0])
    if len(labels) == 1:
        return images[0], label, ()
    others = ", ".join(name for name in labels if name != label)
    return images[0], label, (f"The labels of {source} are its column {label!r} (not {others})",)


def _unlabelled(labels: np.ndarray[Any, Any]) -> bool:
    """Whether all are -1 or missing, as in the test split of a competition."""
    return all(label is None or label == -1 for label in labels.tolist())


def _labels(
    feature: Any, raw: dict[str, np.ndarray[Any, Any]], source: str
) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """The names of the classes, and each split's labels as indices of these."""
    for split, labels in raw.items():
        if labels.dtype == object:
            raise ValueError(f"{source} must have a label for every image, got none for some of {split}")
    names = getattr(feature, "names", None)
    if names is None and raw["train"].dtype.kind == "U":
        names = sorted(set(raw["train"].tolist()))
        index = {name: number for number, name in enumerate(names)}
        for split, labels in raw.items():
            if unknown := set(labels.tolist()) - set(index):
                raise ValueError(
                    f"{source} must hold training images of every class, got none of {min(unknown)!r}, "
                    f"which is in {split}"
                )
        raw = {split: np.array([index[name] for name in labels.tolist()]) for split, labels in raw.items()}
    elif names is None:
        names = list(map(str, range(min(int(raw["train"].max(initial=-1)) + 1, len(raw["train"])))))
    for split, labels in raw.items():
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
            raise ValueError(
                f"{source} must have labels in [0, {len(names) - 1}], "
                f"got {labels.min()} to {labels.max()} in {split}"
            )
    return tuple(names), {split: labels.astype(np.int64) for split, labels in raw.items()}


def _reader(table: datasets.Dataset, column: str) -> Callable[[Sequence[int]], list[str | bytes]]:
    import datasets

    encoded = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))

    def read(rows: Sequence[int]) -> list[str | bytes]:
        images = encoded[list(rows)][column]
        return [image["path"] if image["bytes"] is None else image["bytes"] for image in images]

    return read


def _digest(path: Path, found: dict[str, datasets.Dataset]) -> str:
    """SHA-256 of what identifies the data set."""
    if path.is_dir():
        return digest_of(walk(path, path))
    if path.exists():
        status = path.stat()
        return digest_of([File(path.name, status.st_size, status.st_mtime_ns)])
    # The fingerprints contain the hub's revision.
    facts = sorted(f"{split} {table._fingerprint}" for split, table in found.items())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()
