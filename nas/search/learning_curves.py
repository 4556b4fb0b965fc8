"""Predicts the end of a learning curve that was cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Curve = Sequence[tuple[int, float]]
"""(epoch, accuracy), in order."""


def final_accuracy(epoch: int, accuracy: float, curves: Iterable[Curve], epochs: int) -> float:
    """Predicts the accuracy after ``epochs`` from ``accuracy`` after ``epoch``; never less than that.

    This is a linear regression of final accuracies on those at ``epoch``, over networks that were trained to
    the end, with its slope shrunk towards 1 by the weight of one average network. Without any such network,
    ``accuracy`` is returned.

    Args:
        epoch: at which training was stopped.
        accuracy: at ``epoch``, in [0, 1].
        curves: other networks'; only those that reach ``epochs`` count.
        epochs: in a full training run.

    Source: regression on partial curves as in Baker et al. 2018, arXiv:1705.10823.
    """
    whole = [dict(curve) for curve in curves if curve and curve[-1][0] == epochs]
    pairs = np.array([(curve[epoch], curve[epochs]) for curve in whole if epoch in curve])
    if not len(pairs):
        return accuracy
    (x, y), (dx, dy) = pairs.mean(axis=0), (pairs - pairs.mean(axis=0)).T
    pull = dx @ dx / len(pairs)
    slope = (dx @ dy + pull) / (dx @ dx + pull) if pull else 1.0
    return float(np.clip(y + slope * (accuracy - x), accuracy, 1.0))
