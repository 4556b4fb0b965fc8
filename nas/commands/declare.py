"""Options declared once: a command takes dataclasses, and typer sees their fields.

    @declared
    def search(options: SearchOptions, resources: ResourceOptions) -> None: ...

has an option for each field, in their order. What the core refuses begins with a field's name; here it
becomes the option that the user typed, as the command declares it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.commands.home import settle_home
from nas.errors import InputError
from nas.files import refusal

KEYWORD = inspect.Parameter.KEYWORD_ONLY
NAMES = {"run": "RUN", "directory": "--run", "arch": "ARCH"}
"""What is called the same in every command: an existing run, the directory of a new one, a network."""


def declared(**names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the fields of a command's dataclasses become its parameters.

    Args:
        names: what to call a field that is spelled in another way on the command line.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = typing.get_type_hints(command, include_extras=True)
        groups: dict[str, type[Any]] = {}
        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command).parameters.items():
            if dataclasses.is_dataclass(hints[name]):
                groups[name] = hints[name]
                parameters += _parameters(groups[name])
            else:
                parameters.append(parameter.replace(kind=KEYWORD, annotation=hints[name]))
        words = {one.name: _option(one) for one in parameters} | NAMES | names

        @functools.wraps(command)
        def called(**values: Any) -> None:
            try:
                values = {name: as_path(name, value) for name, value in values.items()}
                settle_home()
                given = {
                    name: kind(**{field.name: values.pop(field.name) for field in dataclasses.fields(kind)})
                    for name, kind in groups.items()
                }
                command(**given, **values)
            except InputError as error:
                raise InputError(spelled(str(error), words)) from error

        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        del called.__wrapped__
        return called

    return decorate


def spelled(text: str, words: dict[str, str]) -> str:
    """``text`` in the words of the command line: a field begins it, further ones stand in backticks."""
    text = re.sub(r"\A\w+(?=[ :])", lambda field: words.get(field[0], field[0]), text)
    return re.sub(r"`(\w+)`", lambda field: words.get(field[1], field[0]), text)


def as_path(name: str, value: Any) -> Any:
    """``value`` with the ``~`` of paths replaced, which a shell leaves alone in ``--run=~/runs/first``.

    Raises:
        InputError: if there is no such home, or the system cannot look a path up, as one that is too long.
    """
    if isinstance(value, list):
        return [as_path(name, one) for one in value]
    if str(value).startswith("~"):
        try:
            value = type(value)(Path(value).expanduser())
        except RuntimeError as error:
            message = f"{name} must be a path with a home that exists ({error}), got {value}"
            raise InputError(message) from None
    if isinstance(value, Path) and (reason := refusal(value)):
        raise InputError(f"{name} must be a path that can be used ({reason}), got {value}")
    return value


def _parameters(kind: type[Any]) -> list[inspect.Parameter]:
    """The fields of a dataclass, as keyword-only parameters."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            KEYWORD,
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(kind)
    ]


def _option(parameter: inspect.Parameter) -> str:
    """``--cpus-per-trial`` for ``cpus_per_trial``, unless it is declared otherwise; an argument's metavar."""
    (declaration,) = parameter.annotation.__metadata__
    if isinstance(declaration.default, str):  # typer's first positional argument
        return declaration.default
    if type(declaration).__name__ == "ArgumentInfo":
        return str(declaration.metavar)
    return f"--{parameter.name.replace('_', '-')}"
