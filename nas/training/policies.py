"""Augmentation policies, which choose an image's distortions: AutoAugment, RandAugment, TrivialAugment.

Translations and cutouts are shares of the side, as published for 224 pixels, so that they mean the same at
any resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.training.distortions import OPERATIONS

SIGNED = frozenset({"rotate", "shear_x", "shear_y", "translate_x", "translate_y"})
"""Operations whose magnitude is negated for half of the images."""

ENHANCEMENTS = ("brightness", "color", "contrast", "sharpness")
TRANSLATION = 0.45
"""Share of the side at level 10: 150 of 331 pixels in AutoAugment's paper, 100 of 224 in RandAugment's code.

The 250 pixels of AutoAugment in EfficientNet's code would leave nothing of a 224-pixel image.
"""

Step = tuple[str, float, float]  # operation, probability, magnitude


@dataclass(frozen=True)
class Policy:
    """``draws`` times, each image draws one of ``choices`` and goes through its steps in order."""

    draws: int
    choices: tuple[tuple[Step, ...], ...]


def distort(images: Tensor, policy: Policy) -> Tensor:
    """Distorts each image by operations of its own.

    The draws are made on the CPU, so that nothing waits for a GPU to tell which images an operation gets.

    Args:
        images: uint8 `[B, C, S, S]`.

    Returns:
        The same shape and type, channels last.
    """
    pixels = images.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)  # [B, S, S, C]
    for operations, magnitudes in _draw(policy, len(images)):
        order = operations.argsort(stable=True)
        counts = operations.bincount(minlength=len(OPERATIONS) + 1).tolist()
        indices = order.to(images.device).split(counts)
        parts = magnitudes[order].to(images.device).split(counts)
        # The images after those of the last operation stay as they are.
        for operation, index, magnitude in zip(OPERATIONS.values(), indices, parts, strict=False):
            if len(index):
                pixels[index] = operation(pixels.index_select(0, index), magnitude)
    return pixels.permute(0, 3, 1, 2)


def _draw(policy: Policy, count: int) -> list[tuple[Tensor, Tensor]]:
    """Layers of operations `[B]`, as indices of OPERATIONS or its length for none, and magnitudes `[B]`."""
    names = list(OPERATIONS)
    signed = torch.tensor([name in SIGNED for name in names])
    layers = []
    for _ in range(policy.draws):
        chosen = torch.randint(len(policy.choices), (count,))
        for steps in zip(*policy.choices, strict=True):
            operation = torch.tensor([names.index(name) for name, _, _ in steps])[chosen]
            probability, magnitude = torch.tensor([step[1:] for step in steps])[chosen].T
            negative = signed[operation] & (torch.rand(count) < 0.5)
            operation = torch.where(torch.rand(count) < probability, operation, len(names))
            layers.append((operation, torch.where(negative, -magnitude, magnitude)))
    return layers


# By level, from 0 to 1. A level is not a strength: the highest one solarises nothing.
_MAGNITUDES: dict[str, Callable[[float], float]] = {
    "rotate": lambda level: 30 * level,
    **dict.fromkeys(("shear_x", "shear_y"), lambda level: 0.3 * level),
    **dict.fromkeys(("translate_x", "translate_y"), lambda level: TRANSLATION * level),
    # TensorFlow shifts by at most 7 bits, so a magnitude of 0 still keeps one bit.
    "posterize": lambda level: max(1, int(level * 4)),
    "solarize": lambda level: int(level * 256),
    "solarize_add": lambda level: int(level * 110),
    "cutout": lambda level: 40 / 224 * level,
    **dict.fromkeys(ENHANCEMENTS, lambda level: 0.1 + 1.8 * level),
    **dict.fromkeys(("invert", "autocontrast", "equalize"), lambda _: 0.0),
}


def _steps(*steps: tuple[str, float, int]) -> tuple[Step, ...]:
    """Steps from operations, probabilities and levels from 0 to 10."""
    return tuple((name, probability, _MAGNITUDES[name](level / 10)) for name, probability, level in steps)


AUTOAUGMENT = Policy(
    1,
    (
        _steps(("equalize", 0.8, 1), ("shear_y", 0.8, 4)),
        _steps(("color", 0.4, 9), ("equalize", 0.6, 3)),
        _steps(("color", 0.4, 1), ("rotate", 0.6, 8)),
        _steps(("solarize", 0.8, 3), ("equalize", 0.4, 7)),
        _steps(("solarize", 0.4, 2), ("solarize", 0.6, 2)),
        _steps(("color", 0.2, 0), ("equalize", 0.8, 8)),
        _steps(("equalize", 0.4, 8), ("solarize_add", 0.8, 3)),
        _steps(("shear_x", 0.2, 9), ("rotate", 0.6, 8)),
        _steps(("color", 0.6, 1), ("equalize", 1.0, 2)),
        _steps(("invert", 0.4, 9), ("rotate", 0.6, 0)),
        _steps(("equalize", 1.0, 9), ("shear_y", 0.6, 3)),
        _steps(("color", 0.4, 7), ("equalize", 0.6, 0)),
        _steps(("posterize", 0.4, 6), ("autocontrast", 0.4, 7)),
        _steps(("solarize", 0.6, 8), ("color", 0.6, 9)),
        _steps(("solarize", 0.2, 4), ("rotate", 0.8, 9)),
        _steps(("rotate", 1.0, 7), ("translate_y", 0.8, 9)),
        _steps(("shear_x", 0.0, 0), ("solarize", 0.8, 4)),
        _steps(("shear_y", 0.8, 0), ("color", 0.6, 4)),
        _steps(("color", 1.0, 0), ("rotate", 0.6, 2)),
        _steps(("equalize", 0.8, 4), ("equalize", 0.0, 8)),
        _steps(("equalize", 1.0, 4), ("autocontrast", 0.6, 2)),
        _steps(("shear_y", 0.4, 7), ("solarize_add", 0.6, 7)),
        _steps(("posterize", 0.8, 2), ("solarize", 0.6, 10)),
        _steps(("solarize", 0.6, 8), ("equalize", 0.6, 1)),
        _steps(("color", 0.8, 6), ("rotate", 0.4, 5)),
    ),
)
"""EfficientNet's policy, ``v0`` in its code; not the one in AutoAugment's paper.

Source: tensorflow/tpu, models/official/efficientnet/autoaugment.py.
"""

RANDAUGMENT = Policy(2, tuple(_steps((name, 1.0, 10)) for name in OPERATIONS))
"""Two of 16 operations at level 10, the default in the same file."""


def _trivial() -> tuple[tuple[Step, ...], ...]:
    """14 operations at 31 strengths each, the paper's wide set."""
    choices = []
    for strength in range(31):
        level = strength / 30
        magnitudes = {
            "rotate": int(135 * level),
            **dict.fromkeys(("shear_x", "shear_y"), 0.99 * level),
            **dict.fromkeys(("translate_x", "translate_y"), 32 / 224 * level),
            **dict.fromkeys(ENHANCEMENTS, 0.01 + 1.99 * level),
            "posterize": 8 - int(6 * level),
            "solarize": 256 - int(256 * level),
            **dict.fromkeys(("autocontrast", "equalize"), 0.0),
        }
        choices += [((name, 1.0, float(magnitude)),) for name, magnitude in magnitudes.items()]
        choices += [(("invert", 0.0, 0.0),)]  # the 14th operation, the identity: a step of probability 0
    return tuple(choices)


TRIVIALAUGMENT = Policy(1, _trivial())
"""One operation at a random strength.

Source: Müller and Hutter 2021, arXiv:2103.10158; automl/trivialaugment, aug_lib.py.
"""

POLICIES = {"autoaugment": AUTOAUGMENT, "randaugment": RANDAUGMENT, "trivialaugment": TRIVIALAUGMENT}
