"""Where a learning curve that was cut off would have ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

Curve = Sequence[tuple[int, float]]
"""(epoch, accuracy), in order."""


def final_accuracy(epoch: int, accuracy: float, curves: Iterable[Curve], epochs: int) -> float:
    """The accuracy after ``epochs`` that one of ``accuracy`` after ``epoch`` points to, not below it.

    A line through what networks that were trained to the end had at ``epoch`` and had in the end, drawn
    towards slope 1 by as much as one of them says. Without any, ``accuracy`` itself.

    Args:
        epoch: at which the training was stopped.
        accuracy: there, in [0, 1].
        curves: of other networks; only those that reach ``epochs`` count.
        epochs: of a full training.

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
