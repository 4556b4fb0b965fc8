"""The usual names of splits: ``train``, ``Training``, ``val``, ``dev``, ``test_set``, ``train2017``, ..."""

from __future__ import annotations

import re

WORDS = {
    "train": "train|training|trn",
    "valid": "val|valid|validation|validate|validating|dev|development|eval|evaluation",
    "test": "test|testing|tst",
}
BESIDE = (
    "images?|imgs?|pictures?|pics?|photos?|data|sets?|split|part|folder|dir|samples?|examples?|jpe?gs?|pngs?"
)
"""What stands beside them, in any order."""
OF_LABELS = "labels?|metadata|meta|annotations?|annot|classes|targets?|list|files?|info|gt|csv"
"""What stands beside them in the names of files of labels."""


def split_of(name: str, *, labels: bool = False) -> str | None:
    """``train``, ``valid`` or ``test`` if ``name`` is a usual name of this split, in any case and spelling.

    Args:
        labels: whether it is the name of a file of labels, such as ``train_labels``.
    """
    beside = f"{BESIDE}|{OF_LABELS}" if labels else BESIDE
    for split, words in WORDS.items():
        if re.fullmatch(rf"(?:(?:{beside}|\d)[\W_]*)*(?:{words})(?:[\W_]*(?:{beside}|\d))*", name.lower()):
            return split
    return None


def holds_images_only(name: str) -> bool:
    """Whether a folder of this name is one of images rather than of a class, as ``images``."""
    return re.fullmatch(rf"(?:(?:{BESIDE}|all|raw|input|files)[\W_]*)+", name.lower()) is not None
