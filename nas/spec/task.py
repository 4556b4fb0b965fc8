"""The user's task: its classes and its images. Costs are those of networks that solve it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from search_spaces.rules import validated


@validated
class Task:
    """What networks are for.

    Args:
        resolution: of the networks in the end, in pixels; None leaves every network its own.
        classes: outputs of their classifiers.
        image_size: the images' own shorter side, in pixels; 0 if they have none, as drawn ones.
        train, valid, test: images in each part.
    """

    resolution: Annotated[int | None, Field(ge=1)] = None
    classes: Annotated[int, Field(ge=1)] = 1000
    image_size: Annotated[int, Field(ge=0)] = 0
    train: Annotated[int, Field(ge=0)] = 0
    valid: Annotated[int, Field(ge=0)] = 0
    test: Annotated[int, Field(ge=0)] = 0


def full_resolution(own: int, image_size: int, proxy: int) -> int:
    """The resolution, in pixels, that a network is trained at in the end.

    That is its ``own``, but no more than the images have, unless the ``proxy`` already enlarges them.
    """
    return min(own, max(image_size, proxy)) if image_size else own


def family_limit(base: int, image_size: int) -> int | None:
    """The highest resolution, in pixels, of a family on these images: theirs; None for no limit.

    There is none if the ``base`` is already larger: it was made for other images, and so is its family.
    """
    return image_size if image_size >= base else None
