"""``hf:NAME``: a data set of Hugging Face's hub, or local files that its library can read."""

from __future__ import annotations

import glob
import hashlib
import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.data.dataset import Labels
from nas.data.listing import Listing, Split
from nas.data.split_names import split_of
from nas.data.walk import File, digest_of, walk
from nas.errors import shown

if TYPE_CHECKING:
    import datasets

LABEL_NAMES = ("label", "labels", "class", "target")
WORDS = ("string", "large_string", "string_view")
BYTES = ("binary", "large_binary", "binary_view")
NUMBERS = ("int", "uint", "float", "bool")
PATTERNS = "[]*?{}"  # signs that the library reads as patterns, even in the names of files that are there
HUB_NAMES = {"train": "train", "valid": "validation", "test": "test"}


def list_huggingface(name: str, *, judges: bool = False) -> Listing:
    """The images of a data set, found by their type, and their labels.

    Args:
        name: on the hub, or the path of a directory or a file.
        judges: see ``Listing``.

    Raises:
        ValueError: in one line, if ``datasets`` is not installed, or these are not labelled images.
    """
    if importlib.util.find_spec("datasets") is None:
        raise ValueError(
            f"hf:NAME needs the library datasets (pip install 'nas-scaling[data]'), got hf:{name}"
        )
    path = Path(name).expanduser().absolute()
    source = f"hf:{path if path.exists() else name}"
    found, notes = _load(path, name)
    if "train" not in found and not (judges and found):
        raise ValueError(f"{source} must have a split train, got {', '.join(found)}")
    features = found.get("train", next(iter(found.values()))).features
    image, label, chosen = _columns(features, source)
    raw = {split: _column(table, label, source) for split, table in found.items()}
    if "test" in raw and _unlabelled(raw["test"]):
        notes.append(f"The test split of {source} has no labels and is left out")
        del raw["test"]
    numbered = judges and getattr(features[label], "names", None) is None  # by any words or numbers
    classes, labels = _as_they_are(raw, source) if numbered else _labels(features[label], raw, source)
    splits = {
        split: Split(labels[split], _reader(found[split], image, source), f"{split}[{{}}]".format)
        for split in raw
    }
    digest = _digest(path, found)
    return Listing(source, classes, splits, digest, (*notes, *chosen), former=digest, judges=judges)


def _load(path: Path, name: str) -> tuple[dict[str, datasets.Dataset], list[str]]:
    """The data set's splits, by our names for them, and notes on splits that are passed over."""
    import datasets

    bars = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # we show our own
    try:
        if path.exists() and set(str(path)) & set(PATTERNS):
            tables = datasets.load_dataset(**_by_name(path))
        elif path.is_file():
            tables = datasets.load_dataset(str(path.parent), data_files=path.name)
        else:
            tables = datasets.load_dataset(str(path) if path.exists() else name)
    except Exception as error:  # noqa: BLE001  # what the hub, Arrow and the data set's own code raise
        reason = shown((str(error).splitlines() or [type(error).__name__])[0])
        raise ValueError(f"hf:NAME must be a data set that can be loaded ({reason}), got hf:{name}") from None
    finally:
        if not bars:
            datasets.enable_progress_bars()
    found: dict[str, datasets.Dataset] = {}
    over = []
    for split, table in tables.items():
        ours = split_of(str(split))
        if ours is None or ours in found:
            over.append(str(split))
        else:
            found[ours] = table
    if not found:
        return dict(tables), []
    notes = [f"hf:{name}: the splits {', '.join(over)} are passed over"] if over else []
    return found, notes


def _by_name(path: Path) -> dict[str, Any]:
    """How to load local files whose path has signs of patterns, which must then be given one by one."""
    listed = [path] if path.is_file() else [path / file.path for file in walk(path, path, Counter())]
    files = [file for file in sorted(listed) if file.suffix.lower() == ".parquet"]
    form = "parquet" if files else "imagefolder"
    splits: dict[str, list[str]] = {}
    for file in files or sorted(listed):
        names = [file.stem.split("-")[0], *(part.name for part in file.parents if part.is_relative_to(path))]
        split = next((split for name in names[:-1] if (split := split_of(name))), "train")
        splits.setdefault(HUB_NAMES[split], []).append(glob.escape(str(file)))
    return {"path": form, "data_files": splits}


def _columns(features: Any, source: str) -> tuple[str, str, tuple[str, ...]]:
    """The columns of images and of labels, and notes on how they were chosen."""
    import datasets

    types = ", ".join(f"{name} ({_type(feature)})" for name, feature in features.items())
    images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    images = images or [name for name, feature in features.items() if _is_encoded(feature)]
    if len(images) != 1:
        raise ValueError(f"{source} must have one column of images, got {len(images)} in {types}")
    labels = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    if not labels:
        labels = [
            name
            for name, feature in features.items()
            if isinstance(feature, datasets.Value) and feature.dtype.startswith((*NUMBERS, *WORDS))
        ]
        labels = [name for name in labels if name in LABEL_NAMES] or labels
        if len(labels) != 1:
            raise ValueError(
                f"{source} must have one column of labels, or one called label, got {len(labels)} in {types}"
            )
    label = next((name for name in LABEL_NAMES if name in labels), labels[0])
    if len(labels) == 1:
        return images[0], label, ()
    others = ", ".join(name for name in labels if name != label)
    return images[0], label, (f"The labels of {source} are its column {label!r} (not {others})",)


def _is_encoded(feature: Any) -> bool:
    """Whether a column holds the bytes of files, alone or as Hugging Face's images do."""
    if isinstance(feature, Mapping):
        feature = feature.get("bytes")
    return getattr(feature, "dtype", None) in BYTES


def _type(feature: Any) -> str:
    """A column's type in a few words."""
    if isinstance(feature, Mapping):
        return f"{{{', '.join(feature)}}}"
    name = type(feature).__name__
    return str(feature.dtype) if name == "Value" else name


def _column(table: datasets.Dataset, name: str, source: str) -> np.ndarray[Any, Any]:
    """A column's values `[N]`, of any type; whole and true-or-false ones as integers or words."""
    try:
        values = np.array(list(table[name]))
    except Exception as error:  # noqa: BLE001
        raise ValueError(f"{source} must have labels that can be read, got {type(error).__name__}") from None
    if values.dtype.kind == "b":
        return values.astype(str)
    if values.dtype.kind != "f":
        return values
    if np.isnan(values).any():
        return np.array([None if np.isnan(value) else int(value) for value in values], object)
    if (odd := values[~np.isfinite(values) | (values != np.rint(values))]).size:
        raise ValueError(
            f"{source} must have labels that are words or whole numbers, got {odd[0]:g} in {name}"
        )
    return values.astype(np.int64)


def _unlabelled(labels: np.ndarray[Any, Any]) -> bool:
    """Whether all are -1 or missing, as in the test split of a competition."""
    return all(label is None or label == -1 for label in labels.tolist())


def _labels(
    feature: Any, raw: dict[str, np.ndarray[Any, Any]], source: str
) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """The names of the classes, and each split's labels as indices of these."""
    _refuse_missing(raw, source)
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


def _as_they_are(
    raw: dict[str, np.ndarray[Any, Any]], source: str
) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """As ``_labels``, with the words or numbers that there are as the names."""
    _refuse_missing(raw, source)
    names = sorted({str(label) for labels in raw.values() for label in labels.tolist()})
    index = {name: number for number, name in enumerate(names)}
    places = {split: [index[str(label)] for label in labels.tolist()] for split, labels in raw.items()}
    return tuple(names), {split: np.array(found, np.int64) for split, found in places.items()}


def _refuse_missing(raw: dict[str, np.ndarray[Any, Any]], source: str) -> None:
    for split, labels in raw.items():
        if labels.dtype == object:
            raise ValueError(f"{source} must have a label for every image, got none for some of {split}")


def _reader(
    table: datasets.Dataset, column: str, source: str
) -> Callable[[Sequence[int]], list[str | bytes]]:
    import datasets

    encoded = table.select_columns([column])
    if isinstance(table.features[column], datasets.Image):
        encoded = encoded.cast_column(column, datasets.Image(decode=False))

    def read(rows: Sequence[int]) -> list[str | bytes]:
        try:
            return [_encoded(image) for image in encoded[list(rows)][column]]
        except Exception as error:  # noqa: BLE001
            reason = shown(f"{type(error).__name__}: {error}".splitlines()[0])
            raise ValueError(f"{source} must hold images that can be read ({reason})") from None

    return read


def _encoded(image: Any) -> str | bytes:
    """The bytes of an image or its path; no bytes where it is missing."""
    if isinstance(image, Mapping):
        image = image["path"] if image["bytes"] is None else image["bytes"]
    return image or b""


def _digest(path: Path, found: dict[str, datasets.Dataset]) -> str:
    """SHA-256 of what identifies the data set."""
    if path.is_dir():
        return digest_of(walk(path, path, Counter()))
    if path.exists():
        status = path.stat()
        return digest_of([File(path.name, status.st_size, status.st_mtime_ns)])
    # The fingerprints contain the hub's revision.
    facts = sorted(f"{split} {table._fingerprint}" for split, table in found.items())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()
