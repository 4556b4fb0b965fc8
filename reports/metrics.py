"""How well a network tells classes apart, as people report it.

Shapes: N images, K classes. A class's precision is undefined if it was never predicted, and its recall if no
image is of it: both are None then, and nothing is averaged over them. Macro F1 and balanced accuracy are the
means of F1 and recall over the classes that have images; a class that is never predicted counts there with 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.json_values import plain

BINS = 15
"""Of the calibration error, as in the paper's tables."""
TOP = 5


@dataclass(frozen=True, eq=False)
class Metrics:
    """What a network's answers are worth, on images whose classes are known.

    Args:
        classes: their names, by label.
        confusion: `[K, K]`: how many images of each class (row) were taken for which (column).
        calibration_error: see ``calibration_error``.
        top_5_accuracy: share of images whose class is among the five most probable; None unless K > 5.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    calibration_error: float
    top_5_accuracy: float | None = None

    @property
    def images(self) -> int:
        """How many images there were."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of images whose class is the most probable one."""
        return float(np.trace(self.confusion) / self.images)

    @property
    def balanced_accuracy(self) -> float:
        """The mean recall of the classes that have images."""
        return balanced_accuracy(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that have images."""
        return macro_f1(np.diag(self.confusion), self.confusion.sum(1), self.confusion.sum(0))

    @property
    def never_predicted(self) -> tuple[str, ...]:
        """The classes that have images, but that none was taken for."""
        missed = (self.confusion.sum(1) > 0) & (self.confusion.sum(0) == 0)
        return tuple(self.classes[label] for label in np.flatnonzero(missed))

    def by_class(self) -> pd.DataFrame:
        """A row per class: ``class, precision, recall, f1, images, predicted``; NaN where undefined."""
        right, images, predicted = np.diag(self.confusion), self.confusion.sum(1), self.confusion.sum(0)
        return pd.DataFrame(
            {
                "class": self.classes,
                "precision": _share(right, predicted),
                "recall": _share(right, images),
                "f1": _share(2 * right, images + predicted),
                "images": images,
                "predicted": predicted,
            }
        )

    def weakest(self, most: int) -> pd.DataFrame:
        """The rows of ``by_class`` with images and the lowest F1, the lowest first."""
        table = self.by_class()
        return table[table["images"] > 0].sort_values("f1", kind="stable").head(most)

    def confused(self, most: int) -> pd.DataFrame:
        """The commonest mistakes: ``class, taken_for, images, share`` (of the class's images)."""
        wrong = self.confusion * (1 - np.eye(len(self.classes), dtype=np.int64))
        rows, columns = np.nonzero(wrong)
        order = np.argsort(-wrong[rows, columns], kind="stable")[:most]
        rows, columns = rows[order], columns[order]
        return pd.DataFrame(
            {
                "class": [self.classes[row] for row in rows],
                "taken_for": [self.classes[column] for column in columns],
                "images": wrong[rows, columns],
                "share": wrong[rows, columns] / self.confusion.sum(1)[rows],
            }
        )

    def confusion_table(self) -> pd.DataFrame:
        """``confusion`` with names: the row is what an image is, the column what it was taken for."""
        return pd.DataFrame(self.confusion, index=self.classes, columns=self.classes)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; ``from_json`` reads it."""
        value: dict[str, Any] = plain(
            {
                "images": self.images,
                "accuracy": self.accuracy,
                "balanced_accuracy": self.balanced_accuracy,
                "macro_f1": self.macro_f1,
                "top_5_accuracy": self.top_5_accuracy,
                "calibration_error": self.calibration_error,
                "never_predicted": self.never_predicted,
                "classes": self.by_class(),
                "confusion": self.confusion.tolist(),
            }
        )
        return value

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Metrics:
        """The inverse of ``to_json``; ValueError in one line if ``data`` is something else."""
        try:
            classes = tuple(str(row["class"]) for row in data["classes"])
            confusion = np.array(data["confusion"], np.int64)
            error, top = float(data["calibration_error"]), data["top_5_accuracy"]
            top = None if top is None else float(top)
        except (KeyError, TypeError, ValueError, OverflowError) as wrong:
            raise ValueError(
                f"metrics must be as they were written ({type(wrong).__name__}: {wrong})"
            ) from None
        if confusion.shape != (len(classes), len(classes)) or confusion.min() < 0 or not confusion.any():
            raise ValueError(
                f"confusion must be counts of {len(classes)} classes, got {list(confusion.shape)} values"
            )
        return cls(classes, confusion, error, top)


def measure(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], classes: Sequence[str]
) -> Metrics:
    """The metrics of a network's answers; among equal probabilities, the first class is the answer.

    Args:
        labels: `[N]`, indices of ``classes``; at least one.
        probabilities: `[N, K]`.

    Raises:
        ValueError: if shapes or labels do not fit, there is no image, or a probability is not finite.
    """
    # pandas takes no bytes of a folder's name that are no UTF-8.
    classes = [name.encode("utf-8", "backslashreplace").decode() for name in classes]
    number = len(classes)
    if len(labels) == 0:
        raise ValueError("labels must be of at least one image, got none")
    if probabilities.shape != (len(labels), number):
        wanted = [len(labels), number]
        raise ValueError(f"probabilities must be {wanted}, got {list(probabilities.shape)}")
    if labels.min() < 0 or labels.max() >= number:
        raise ValueError(f"labels must lie in [0, {number - 1}], got {labels.min()} to {labels.max()}")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities must be finite, got NaN or infinity")
    predicted = probabilities.argmax(1)
    confusion = np.bincount(labels * number + predicted, minlength=number**2).reshape(number, number)
    top = None
    if number > TOP:
        own, places = labels[:, None], np.arange(number)
        share = np.take_along_axis(probabilities, own, 1)
        before = (probabilities > share) | ((probabilities == share) & (places < own))  # [N, K]
        top = float((before.sum(1) < TOP).mean())
    error = calibration_error(probabilities.max(1), predicted == labels)
    return Metrics(tuple(classes), confusion.astype(np.int64), error, top)


def calibration_error(confidences: NDArray[np.floating[Any]], right: NDArray[np.bool_]) -> float:
    """Expected calibration error: how far confidence and accuracy are apart, over bins of confidence.

    Args:
        confidences: `[N]`, the probability of the answer, in [0, 1].
        right: `[N]`, whether it was right.

    Source: Guo et al. 2017, arXiv:1706.04599, eq. 3, with ``BINS`` bins of equal width.
    """
    confidences = np.asarray(confidences, np.float64)
    bins = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)  # each holds its upper edge
    gaps = np.bincount(bins, confidences - right, minlength=BINS)  # of the sums in each bin
    return float(np.abs(gaps).sum() / len(confidences))


def balanced_accuracy(right: NDArray[np.int64], images: NDArray[np.int64]) -> float:
    """The mean recall of the classes that have images.

    Args:
        right: `[K]`, how many images of each class were taken for it.
        images: `[K]`, how many there are of each class.
    """
    return float(np.nanmean(_share(right, images)))


def macro_f1(right: NDArray[np.int64], images: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """The mean F1 of the classes that have images; ``predicted`` `[K]` counts those taken for each class."""
    return float(_share(2 * right, images + predicted)[images > 0].mean())


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """``part / whole``, NaN where there is nothing."""
    shares: NDArray[np.float64] = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return shares
