"""Options declared once: a command takes dataclasses, and typer sees their fields.

    @declared
    def search(options: SearchOptions, resources: ResourceOptions) -> None: ...

has an option for each field, in their order. What the core refuses begins with a field's name; here it
becomes the option that the user typed, as the command declares it.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.commands.defaults import (
    Default,
    DefaultOptions,
    Layer,
    file_text,
    from_environment,
    from_file,
    layered,
)
from nas.commands.home import settle_home
from nas.commands.like import from_run
from nas.errors import InputError
from nas.files import refusal
from nas.spec import own as own_code
from nas.spec.listener import Listener

KEYWORD = inspect.Parameter.KEYWORD_ONLY
CONTEXT = inspect.Parameter("context", KEYWORD, annotation=typer.Context)
NAMES = {"run": "RUN", "directory": "--run", "arch": "ARCH"}
"""What is called the same in every command: an existing run, the directory of a new one, a network."""


def declared(
    defaults: type[DefaultOptions] | None = None, /, **names: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the fields of a command's dataclasses become its parameters.

    Args:
        defaults: the options that say where those come from which are not given; None for a command whose
            options are always given on the command line.
        names: what to call a field that is spelled in another way on the command line.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = typing.get_type_hints(command, include_extras=True)
        groups: dict[str, type[Any]] = {}
        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command).parameters.items():
            if dataclasses.is_dataclass(hints[name]):
                groups[name] = hints[name]
                parameters += parameters_of(groups[name])
            else:
                parameters.append(parameter.replace(kind=KEYWORD, annotation=hints[name]))
        own = {one.name: one for one in parameters if not is_eager(one)}
        if defaults:
            parameters = [*map(_optional, parameters), *parameters_of(defaults), CONTEXT]
        words = {one.name: option_of(one) for one in parameters if one is not CONTEXT} | NAMES | names

        @functools.wraps(command)
        def called(**values: Any) -> None:
            said = words
            try:
                if defaults:
                    chosen = defaults(
                        **{one.name: values.pop(one.name) for one in dataclasses.fields(defaults)}
                    )
                    values, said = _settled(values, own, chosen, words)
                values = {name: as_path(name, value) for name, value in values.items()}
                settle_home()
                given = {
                    name: kind(**{field.name: values.pop(field.name) for field in dataclasses.fields(kind)})
                    for name, kind in groups.items()
                }
                with own_code.given():
                    command(**given, **values)
            except InputError as error:
                raise InputError(spelled(str(error), said)) from error

        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        del called.__wrapped__
        return called

    return decorate


def _settled(
    values: dict[str, Any],
    own: Mapping[str, inspect.Parameter],
    chosen: DefaultOptions,
    words: dict[str, str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of a command's options from wherever they come, and what to call each in messages.

    Raises:
        InputError: if one is wrong where it comes from, or one that is needed comes from nowhere.
        typer.Exit: when they are written for ``--config``.
    """
    context = values.pop("context")
    command = str(context.info_name)
    typed = {name: value for name, value in values.items() if _is_typed(context, name)}
    like = getattr(chosen, "like", None)
    layers: list[Layer] = [from_environment(command, own)]
    layers += [from_file(as_path("config", chosen.config), own, words)] if chosen.config else []
    layers.append({name: Default(value, words[name]) for name, value in typed.items()})
    if like:
        layers.insert(0, from_run(as_path("like", like), set().union(*layers)))
    found = layered(layers)
    if chosen.write_config:
        given = {name: default.value for name, default in found.items()}
        typer.echo(file_text(command, own, given, help_of), nl=False)
        raise typer.Exit
    for name, one in own.items():
        if one.default is inspect.Parameter.empty and name not in found:
            raise InputError(f"Missing {'argument' if is_argument(one) else 'option'} '{words[name]}'.")
    further = {name: default.words for name, default in found.items() if name not in typed}
    return values | {name: default.value for name, default in found.items()}, words | further


def _is_typed(context: typer.Context, name: str) -> bool:
    """Whether the command line has the option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _optional(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter, which need not be on the command line."""
    if parameter.default is not inspect.Parameter.empty:
        return parameter
    declaration = copy.copy(parameter.annotation.__metadata__[0])
    declaration.show_default = "it must be given"
    return parameter.replace(default=None, annotation=Annotated[parameter.annotation.__origin__, declaration])


def command_words(name: str, *groups: Any) -> list[str]:
    """The command line that gives the options in ``groups``; those with their defaults are left out."""
    arguments: list[str] = []
    options: list[str] = []
    for group in groups:
        for one in parameters_of(type(group)):
            value = getattr(group, one.name)
            if value is None or value == one.default:
                continue
            yes, _, no = option_of(one).partition("/")
            if isinstance(value, bool):
                options.append(yes if value else no)
                continue
            given = value if isinstance(value, list) else [value]
            texts = [str(each) for each in given if not isinstance(each, Listener)]
            if is_argument(one):
                arguments += texts
            else:
                options += [word for text in texts for word in (yes, text)]
    return ["nas", name, *arguments, *options]


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


def parameters_of(kind: type[Any]) -> list[inspect.Parameter]:
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


def is_argument(parameter: inspect.Parameter) -> bool:
    """Whether it is an argument of the command line, and no option."""
    return type(parameter.annotation.__metadata__[0]).__name__ == "ArgumentInfo"


def is_eager(parameter: inspect.Parameter) -> bool:
    """Whether it only prints something, as ``--help-proxy`` does, and is no setting."""
    return bool(parameter.annotation.__metadata__[0].is_eager)


def help_of(parameter: inspect.Parameter) -> str:
    """What it is, and its default in words where the default itself does not say it."""
    declaration = parameter.annotation.__metadata__[0]
    words = declaration.show_default
    return f"{declaration.help} (default: {words})" if isinstance(words, str) else str(declaration.help)


def option_of(parameter: inspect.Parameter) -> str:
    """``--cpus-per-trial`` for ``cpus_per_trial``, unless it is declared otherwise; an argument's metavar."""
    (declaration,) = parameter.annotation.__metadata__
    if isinstance(declaration.default, str):  # typer's first positional argument
        return declaration.default
    if is_argument(parameter):
        return str(declaration.metavar)
    return f"--{parameter.name.replace('_', '-')}"
