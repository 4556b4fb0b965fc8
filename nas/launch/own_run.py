"""What a run has of the user's own: a space, an evaluation, images; made when it begins and is resumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.deploy.devices import PROGRAM
from nas.errors import InputError
from nas.launch.own_data import load_own_images, own_images
from nas.launch.own_evaluator import check_function, load_evaluator
from nas.launch.own_space import load_space, own_space
from nas.spec import own
from nas.spec.settings import Settings
from search_spaces import SearchSpace

LOADS: dict[str, Callable[[str, str], tuple[Any, str]]] = {
    "space": load_space,
    "evaluator": load_evaluator,
    "data": load_own_images,
}
"""By the field of settings that names code: what makes its value from FILE.py:NAME and a SHA-256."""


def take(field: str, text: str, sha256: str = "") -> str:
    """Makes the space, the evaluation or the images that the user names now, for the rest of the command.

    Args:
        field: a key of ``LOADS``.
        text: FILE.py:NAME, or python:NAME of what ``nas.spec.own`` was given.
        sha256: that the file must have; empty for any.

    Returns:
        the file's SHA-256; empty if it is none.

    Raises:
        InputError: as ``load_space``, ``load_evaluator`` and ``load_own_images``.
    """
    found = ""
    if own.is_code(text):
        made, found = LOADS[field](text, sha256)
    elif (made := own.kept(field)) is None:
        raise InputError(f"{field} must be given in Python, as it stands in no file, got {text}")
    elif field == "space":
        made = own_space(made)
    elif field == "data":
        made = own_images(made)
    else:
        check_function(made, text)
    own.keep(field, made)
    return found


def recall(settings: Settings, *, trusted: bool) -> None:
    """Makes the user's own space, evaluation and images of a run again, unless the command has made them.

    Args:
        trusted: whether the code that a run names may be run, a controller and a device's program too.

    Raises:
        InputError: if it is not trusted, has changed, or stood in no file and was not given again.
    """
    for field in LOADS if settings.kind == "search" else ("data",):
        text = getattr(settings, field)
        if not own.is_own(text) or own.kept(field) is not None:
            continue
        if not own.is_code(text):
            rule = f"must be given again in Python, nas.resume(run, {field}=...): it stands in no file"
            raise InputError(f"{field} {rule}, got {own.name_of(text)}")
        if not trusted:
            raise InputError(f"trust_code must be given to run the code of {text}")
        take(field, text, settings.files.get(field, ""))
    if settings.device.startswith(PROGRAM) and not trusted:
        raise InputError(f"trust_code must be given to run the program of {settings.device}")
    if own.is_code(settings.controller) and not trusted:
        raise InputError(f"trust_code must be given to run the code of {settings.controller}")


def check_own(settings: Settings, space: SearchSpace) -> None:
    """InputError if something is asked that only networks or an evaluation of this package can have."""
    if space.has_archs:
        return
    if not own.is_own(settings.evaluator):
        rule = "must be your own, FILE.py:NAME, where networks are no ArchSpec"
        raise InputError(f"evaluator {rule}, got {settings.evaluator}")
    if settings.device:
        raise InputError(f"device must be left out where networks are no ArchSpec, got {settings.device}")
