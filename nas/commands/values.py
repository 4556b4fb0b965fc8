"""Values of Python and of TOML as the options of commands: 400e6 is "400M", {"epochs": 4} is "epochs=4"."""

from __future__ import annotations

import inspect
import numbers
import os
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from nas.errors import InputError
from nas.spec.listener import Listener

WORDS = {"bool": "true or false", "int": "of type int", "float": "of type float", "str": "a text"}
"""What a value of each type must be, as ``search_spaces.rules`` says it."""
COUNTED = {"COUNT": "like 400M", "BYTES": "of bytes, like 20G", "TIME": "of seconds, or a time like 10m"}
"""The metavars of texts with a unit, and what they must be; a bare number is in multiply-adds, bytes or
seconds."""
NAMED = {
    "space": "a name, FILE.toml, FILE.py:NAME, a run or a SearchSpace",
    "evaluator": "a text such as table:FILE, or a function of a network and its trial",
    "data": "a text such as folder:DIR, or (images, labels), a Dataset, or a function that gives them",
    "controller": "a name or FILE.py:NAME",
    "DEVICE": "a text such as cpu or table:FILE",
}
"""What these arguments must be; those of this metavar, too."""
LISTED = ("LINES", "A,B,C")
"""Those of options that take several texts between commas, as do those that end in ``,...``."""
TRACKERS = "TRACKER,..."
"""That of the option which takes listeners, too."""


class Kind(typing.NamedTuple):
    """What an option takes.

    type: bool, int, float, str or Path.
    several: whether it is a list of these.
    optional: whether it may be None.
    """

    type: type[Any]
    several: bool
    optional: bool


def kind_of(parameter: inspect.Parameter) -> Kind:
    """What the option of a command takes."""
    hint, optional = parameter.annotation.__origin__, False
    if isinstance(hint, types.UnionType):
        hint, optional = hint.__args__[0], True
    several = typing.get_origin(hint) is list
    return Kind(hint.__args__[0] if several else hint, several, optional)


def is_listed(metavar: str) -> bool:
    """Whether an option takes several texts between commas."""
    return metavar.endswith(",...") or metavar in LISTED


def as_option(parameter: inspect.Parameter, value: Any) -> Any:
    """``value`` as the option of a command has it.

    Raises:
        InputError: if its type is another, or it is outside the option's own bounds.
    """
    name, kind = parameter.name, kind_of(parameter)
    if value is None and kind.optional:
        return None
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a number of NumPy or torch
        value = value.item()
    declaration = parameter.annotation.__metadata__[0]
    if declaration.metavar == TRACKERS:
        rule = "a text, a nas.Listener or a list of these"
        value = [value] if isinstance(value, Listener) else _several(name, value, rule)
        return [one if isinstance(one, Listener) else _one(name, one, kind.type, "") for one in value]
    if kind.several:
        rule = "a list or names with values" if "=" in str(declaration.metavar) else "a text or a list"
        return [_one(name, one, kind.type, "") for one in _several(name, value, rule)]
    made = _one(name, value, kind.type, str(declaration.metavar or ""))
    if declaration.min is not None and made < declaration.min:
        raise InputError(f"{name} must be at least {declaration.min}, got {made}")
    return made


def _several(name: str, value: Any, rule: str) -> list[Any]:
    """The texts of a list; those of a mapping are NAME=VALUE."""
    if isinstance(value, Mapping):
        return [f"{key}={_plain(one)}" for key, one in value.items()]
    if isinstance(value, str | os.PathLike):
        return [value]
    if not isinstance(value, Iterable) or isinstance(value, bytes | bytearray):
        from search_spaces.limits import shown  # imports NumPy

        raise InputError(f"{name} must be {rule}, got {shown(value)}")
    return list(value)


def _one(name: str, value: Any, kind: type[Any], metavar: str) -> Any:
    made = _made(value, kind, metavar)
    if made is None:
        from search_spaces.limits import shown

        raise InputError(f"{name} must be {_rule(name, kind, metavar)}, got {shown(value)}")
    if made == "" or str(value) == "":
        raise InputError(f"{name} must not be empty")
    return made


def _rule(name: str, kind: type[Any], metavar: str) -> str:
    """What an option must be."""
    if kind is not str:
        return WORDS.get(kind.__name__, "a path")
    if metavar in COUNTED:
        return f"a number {COUNTED[metavar]}"
    if "ARCH" in metavar:
        several = is_listed(metavar)
        return (
            "networks: names, files, runs or ArchSpecs" if several else "a name, a file, a run or an ArchSpec"
        )
    if is_listed(metavar):
        return "a text or a list"
    return NAMED.get(metavar) or NAMED.get(name, WORDS["str"])


def _made(value: Any, kind: type[Any], metavar: str) -> Any:
    """The value as a ``kind``; None if it is none."""
    if kind is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if kind is int:
        return int(value) if isinstance(value, numbers.Integral) else None
    if kind is float:
        return _float(value) if isinstance(value, numbers.Real) else None
    if directory := getattr(value, "directory", None):  # a Run
        value = directory
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        return kind(value)
    if kind is not str:
        return None
    if isinstance(value, numbers.Real):
        return _counted(value, metavar) if metavar in COUNTED else None
    if is_listed(metavar) and isinstance(value, Iterable) and not isinstance(value, bytes | Mapping):
        return _joined(value, metavar)
    if is_listed(metavar) and isinstance(value, Mapping):
        from search_spaces.choices_text import choices_text

        return choices_text(value)
    from search_spaces import ArchSpec

    return str(value) if isinstance(value, ArchSpec) and "ARCH" in metavar else None


def _joined(values: Iterable[Any], metavar: str) -> str | None:
    """Texts, or numbers, with commas in between; None if one is neither."""
    texts = []
    for value in values:
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        text = (
            str(value) if number else None if isinstance(value, list | tuple) else _made(value, str, metavar)
        )
        if text is None:
            return None
        texts.append(text)
    return ",".join(texts)


def _float(value: Any) -> float:
    """A number as a float; infinite if it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _counted(value: numbers.Real, metavar: str) -> str:
    """A number as text, which a time has in seconds."""
    number = _float(value)
    text = str(int(number)) if number.is_integer() else f"{number:f}"
    return f"{text}s" if metavar == "TIME" else text


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
