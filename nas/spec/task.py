"""The user's task: its classes and its images. Costs are those of networks that solve it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from search_spaces.limits import MOST_CLASSES, MOST_PIXELS
from search_spaces.rules import AtMost, validated


@validated
class Task:
    """What networks are for.

    Args:
        resolution: of the networks in the end, in pixels; None leaves every network its own.
        classes: outputs of their classifiers.
        channels: of their input; only a training run counts those of the images.
        image_size: the images' own shorter side, in pixels; 0 if they have none, as drawn ones.
        train, valid, test: images in each part.
        smallest, largest: training images of the classes with the fewest and the most; 0 if unknown.
    """

    resolution: Annotated[int | None, Field(ge=1), AtMost(MOST_PIXELS)] = None
    classes: Annotated[int, Field(ge=1), AtMost(MOST_CLASSES)] = 1000
    channels: Annotated[int, Field(ge=1), AtMost(4)] = 3
    image_size: Annotated[int, Field(ge=0), AtMost(10**12)] = 0
    train: Annotated[int, Field(ge=0), AtMost(10**12)] = 0
    valid: Annotated[int, Field(ge=0), AtMost(10**12)] = 0
    test: Annotated[int, Field(ge=0), AtMost(10**12)] = 0
    smallest: Annotated[int, Field(ge=0), AtMost(10**12)] = 0
    largest: Annotated[int, Field(ge=0), AtMost(10**12)] = 0


def full_resolution(own: int, image_size: int, least: int) -> int:
    """The resolution, in pixels, that a network is trained at in the end.

    That is its ``own``, but no more than the images have, unless they are enlarged to ``least``.
    """
    return min(own, max(image_size, least)) if image_size else own


def family_limit(base: int, image_size: int) -> int | None:
    """The highest resolution, in pixels, of a family on these images: theirs; None for no limit.

    There is none if the ``base`` is already larger: it was made for other images, and so is its family.
    """
    return image_size if image_size >= base else None
