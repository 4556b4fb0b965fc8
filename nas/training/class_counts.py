"""What depends on how many images each class has: the weighted loss, and metrics that are means over classes.

Shapes: N images, B per batch, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def class_weights(labels: Tensor, num_classes: int) -> Tensor:
    """A weight for each class, `[K]`, inversely proportional to its images; their mean over images is 1.

    Args:
        labels: `[N]`, of the training images. A class without any has weight 0.
    """
    images = torch.bincount(labels, minlength=num_classes)
    there = images > 0
    return torch.where(there, len(labels) / (there.sum() * images.clamp_min(1)), 0.0).float()


def weighted_loss(logits: Tensor, target: Tensor, weights: Tensor | None, label_smoothing: float) -> Tensor:
    """The mean cross-entropy of a batch; with weights, images count by that of their class.

    Args:
        logits: `[B, K]`.
        target: classes `[B]`, or their shares `[B, K]`.
        weights: `[K]`, see ``class_weights``.
    """
    if weights is None:
        return F.cross_entropy(logits, target, label_smoothing=label_smoothing)
    # Not torch's weighted mean: it divides by the weights in the batch, so a batch of common classes alone
    # would count as much as one with rare classes.
    total = F.cross_entropy(logits, target, weights, reduction="sum", label_smoothing=label_smoothing)
    return total / len(logits)


class ClassCounts:
    """Counts of right answers, images and predictions of each class, on a device."""

    def __init__(self, num_classes: int, device: str) -> None:
        self.classes = num_classes
        self.counts = torch.zeros(3, num_classes, dtype=torch.int64, device=device)

    def add(self, labels: Tensor, predicted: Tensor) -> None:
        """Counts a batch of labels and predictions, both `[B]`."""
        ones = torch.ones_like(labels)
        self.counts[0].scatter_add_(0, labels, (labels == predicted).long())
        self.counts[1].scatter_add_(0, labels, ones)
        self.counts[2].scatter_add_(0, predicted, ones)

    def measure(self, metric: str) -> float:
        """``balanced_accuracy`` or ``macro_f1``, see ``reports.metrics``."""
        from reports.metrics import balanced_accuracy, macro_f1

        right, images, predicted = self.counts.cpu().numpy()
        return (
            balanced_accuracy(right, images)
            if metric == "balanced_accuracy"
            else macro_f1(right, images, predicted)
        )
