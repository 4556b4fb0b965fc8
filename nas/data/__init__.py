"""Images for trials: ``load_data(source)`` gives a ``Dataset``.

digits      scikit-learn's scans on cluttered canvases
npz:FILE    a NumPy archive
"""

from __future__ import annotations

from pathlib import Path

from nas.data.dataset import Dataset, Part
from nas.data.digits import load_digits
from nas.data.npz import load_npz
from nas.errors import unknown

__all__ = ["Dataset", "Part", "load_data"]

SOURCES = {"digits": load_digits}


def load_data(source: str, *, seed: int = 0) -> Dataset:
    """The images of ``source``, split by class and by ``seed``.

    Args:
        source: ``digits`` or ``npz:FILE``.
        seed: of the split alone; a search keeps one split for all its trials.

    Raises:
        ValueError: in one line, if the source is unknown, or its file cannot be used.
    """
    if source.startswith("npz:"):
        return load_npz(Path(source.removeprefix("npz:")).expanduser().absolute(), seed)
    if source in SOURCES:
        return SOURCES[source](seed)
    raise ValueError(unknown("data", source, [*SOURCES, "npz:FILE"]))
