"""Where an option that is not on the command line gets its value: a file, the environment, an earlier run.

    run (--like) < environment (NAS_SEARCH_TRIALS=10) < file (--config) < command line

A file is TOML and has the options under their names: ``target_flops = "300M"``, ``proxy = {epochs = 4}``.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from typer import Option

from nas.commands.values import as_option, kind_of
from nas.errors import InputError
from nas.files import read_text

CONFIG = (
    "Take options from a TOML file, which --write-config begins. Those on the command line count more, those "
    "of the environment (such as NAS_SEARCH_SEED=1) less."
)
DEPENDS = {"controller_settings": "controller", "proxy": "recipe", "fields": "recipe"}
"""Settings of something that has a name: where another is named, those of the one before mean nothing."""
SAME = {"plan": "search"}
"""Commands with the options, and the environment, of another."""
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True)
class DefaultOptions:
    """Where the options of a command come from that are not given."""

    config: Annotated[Path | None, Option(metavar="FILE", show_default=False, help=CONFIG)] = None
    write_config: Annotated[
        bool,
        Option("--write-config", help="Print a file for --config, with all options, and do nothing else."),
    ] = False


class Default(NamedTuple):
    """The value of an option, and what to call it in messages."""

    value: Any
    words: str


Layer = Mapping[str, Default]
Parameters = Mapping[str, inspect.Parameter]


def layered(layers: Iterable[Layer]) -> dict[str, Default]:
    """The options of several layers, later ones over earlier ones.

    NAME=VALUE of a later layer is added to those of the earlier, unless these are of something else.
    """
    found: dict[str, Default] = {}
    for layer in layers:
        for pairs, owner in DEPENDS.items():
            if (
                pairs in found
                and owner in layer
                and layer[owner].value != getattr(found.get(owner), "value", None)
            ):
                del found[pairs]
        for name, default in layer.items():
            before = found[name].value if name in DEPENDS and name in found else []
            found[name] = Default([*before, *default.value], default.words) if before else default
    return found


def from_environment(command: str, parameters: Parameters) -> dict[str, Default]:
    """The options that variables such as ``NAS_SEARCH_TRIALS`` give; those of lists have words.

    Raises:
        InputError: if a variable is none of an option, or has no value for it.
    """
    from search_spaces.names import unknown

    prefix = f"NAS_{SAME.get(command, command)}_".upper()
    names = {f"{prefix}{name}".upper(): name for name in parameters}
    found = {}
    for variable, text in os.environ.items():
        if not variable.startswith(prefix) or not text:
            continue
        if variable not in names:
            raise InputError(unknown("variable", variable, names))
        try:
            found[names[variable]] = Default(_read(parameters[names[variable]], text), variable)
        except InputError as error:
            raise InputError(str(error).replace(names[variable], variable, 1)) from None
    return found


def _read(parameter: inspect.Parameter, text: str) -> Any:
    """A text as the option has it."""
    kind = kind_of(parameter)
    value: Any = text
    if kind.several:
        value = text.split()
    elif kind.type is bool:
        value = {**dict.fromkeys(TRUE, True), **dict.fromkeys(FALSE, False)}.get(text.lower(), text)
    elif kind.type in (int, float):
        try:
            value = kind.type(text)
        except ValueError:
            value = text  # which is refused
    return as_option(parameter, value)


def from_file(file: Path, parameters: Parameters, spelled: Mapping[str, str]) -> dict[str, Default]:
    """The options in a TOML file.

    Args:
        spelled: the option of each parameter, such as ``--set``.

    Raises:
        InputError: if it cannot be read, or has an unknown option or a wrong value, with its line.
    """
    from search_spaces.names import unknown

    try:
        text = read_text(file)
        values = tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"config must be a TOML file ({reason}), got {file}") from None
    found = {}
    named = {spelled[name].removeprefix("--").replace("-", "_"): name for name in parameters}
    for key, value in values.items():
        name = key.replace("-", "_")
        name, where = named.get(name, name), f"{file}, line {_line(text, key)}"
        if name not in parameters:
            raise InputError(f"{where}: {unknown('option', key, parameters)}")
        try:
            found[name] = Default(as_option(parameters[name], value), f"{key} in {file}")
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return found


def from_mapping(values: Mapping[str, Any], parameters: Parameters) -> dict[str, Default]:
    """The options in a mapping of Python; InputError if one is unknown, or has a wrong value."""
    from search_spaces.names import unknown

    found = {}
    for name, value in values.items():
        if name not in parameters:
            raise InputError(f"config: {unknown('argument', str(name), parameters)}")
        found[name] = Default(as_option(parameters[name], value), f"{name} of config")
    return found


def _line(text: str, key: str) -> int:
    """The line of the file in which a key, or a table of this name, begins."""
    begins = re.search(rf"""^[ \t]*\[?[ \t]*["']?{re.escape(key)}["']?[ \t]*[\].=]""", text, re.MULTILINE)
    return text.count("\n", 0, begins.start() if begins else 0) + 1


def file_text(
    command: str,
    parameters: Parameters,
    given: Mapping[str, Any],
    help_of: Callable[[inspect.Parameter], str],
) -> str:
    """A file for ``--config``: every option with its help; those that are not given as comments."""
    lines = [
        f"# Options of nas {command}, for --config FILE: remove the # before those that you change.",
        '# In lists such as proxy, ["epochs=4"] and {epochs = 4} are the same.',
    ]
    for name, parameter in parameters.items():
        lines += ["", *(f"# {line}" for line in textwrap.wrap(help_of(parameter), 108))]
        default = None if parameter.default is inspect.Parameter.empty else parameter.default
        if name in given:
            lines.append(f"{name} = {toml(given[name])}")
        else:
            lines.append(f"# {name} ={'' if default is None else f' {toml(default)}'}")
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value as TOML, whose texts are those of JSON."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
