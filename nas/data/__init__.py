"""Images for trials: ``load_data(source)`` gives a ``Dataset``.

digits      scikit-learn's scans on cluttered canvases
npz:FILE    a NumPy archive
folder:DIR  a folder of images for each class
hf:NAME     a data set of Hugging Face's hub, or local Parquet files or folders of images

The last two are decoded and resized once, into a pack (``nas.data.pack``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.data.cache import Cache
from nas.data.dataset import Dataset, Part
from nas.data.digits import load_digits
from nas.data.npz import load_npz
from nas.data.pack import load_packed
from nas.data.words import summary
from nas.errors import shown
from nas.spec.listener import Listener
from search_spaces.names import unknown

__all__ = ["Dataset", "Part", "load_data"]

KNOWN = ("digits", "npz:FILE", "folder:DIR", "hf:NAME")


def load_data(
    source: str,
    *,
    size: int | Callable[[int], int] = 224,
    seed: int = 0,
    cache: Cache | None = None,
    listener: Listener | None = None,
) -> Dataset:
    """The images of ``source``, split by class and ``seed`` unless the source comes with splits.

    Args:
        source: one of ``KNOWN``.
        size: in pixels; packed images are resized to it, others keep their own size. A function is given the
            images' own size (see ``Dataset``) and gives the size of the pack.
        seed: for the split only; a search keeps one split for all its trials.
        cache: for packs; None takes the default one.
        listener: told what was read, what takes long, and which images are left out.

    Raises:
        ValueError: in one line, if the source is unknown or its files cannot be used.
        InputError: likewise, if the cache has no room.
    """
    kind, _, rest = source.partition(":")
    listener = listener or Listener()
    try:
        if kind in ("folder", "hf") and rest:
            return load_packed(source, size, seed, cache or Cache(), listener)
        if source == "digits":
            data = load_digits(seed)
        elif kind == "npz" and rest:
            data = load_npz(Path(rest).expanduser().absolute(), seed)
        else:
            raise ValueError(unknown("data", source, KNOWN))
    except ValueError as error:  # names of files may hold anything
        raise ValueError(shown(str(error))) from None
    listener.say(summary(data))
    return data
