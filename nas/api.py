"""The commands as Python functions, with the same options: ``nas.search(space="mnas", trials=50)``.

    arguments --as_option--> the option dataclasses of the command --its work--> Run, or what --json prints

``nas/__init__.pyi`` has their signatures for type checkers and editors; ``scripts/stub`` writes it.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import os
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.commands.audit import audited
from nas.commands.declare import as_path, help_of, is_eager, option_of, parameters_of, spelled
from nas.commands.defaults import Default, DefaultOptions, Layer, from_file, from_mapping, layered
from nas.commands.evaluate import evaluated
from nas.commands.home import settle_home
from nas.commands.like import RepeatOptions, from_run
from nas.commands.options import QuietOption
from nas.commands.plan import planned
from nas.commands.predict import predicted
from nas.commands.resume import resumed
from nas.commands.scale import scaled
from nas.commands.search import searched
from nas.commands.train import trained
from nas.commands.values import as_option
from nas.errors import InputError
from nas.spec import own

Parameter = inspect.Parameter


def as_function(name: str, work: Callable[..., Any], **fields: str) -> Callable[..., Any]:
    """``work``, whose parameters are dataclasses of options, as a function of these options.

    Args:
        fields: which argument a field of the core is, where it has another name.
    """
    groups = _groups(work)
    parameters = {one.name: one for one in arguments_of(work)}
    words = {one: one for one in parameters} | {"directory": "run"} | fields

    def function(*values: Any, **arguments: Any) -> Any:
        from nas.launch.host import left_as_found

        bound, objects = own_objects(_bound(name, signature, values, arguments))
        said = words
        try:
            given, said = _settled(name, parameters, bound, words)
            settle_home()
            with left_as_found(), own.given(**objects):
                return work(*(_group(kind, one, given) for one, kind in groups.items()), quiet=given["quiet"])
        except InputError as error:
            raise InputError(spelled(str(error), said)) from None

    # Without the types of options, as arguments may be natural to Python: the stub has those.
    taken = [*parameters.values(), *FROM.get(name, ())]
    signature = inspect.Signature([one.replace(annotation=Parameter.empty) for one in taken])
    function.__name__ = function.__qualname__ = name
    said = [f"    {one.name}: {help_of(one)}" for one in parameters.values()]
    said += [f"    {one.name}: {SAID[one.name]}" for one in FROM.get(name, ())]
    function.__doc__ = re.sub(
        r"--([a-z][a-z-]*)", _argument, "\n".join([f"{work.__doc__}", "", "Args:", *said])
    )
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def own_objects(bound: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments in which a space, an evaluation and images of the user's own have names; and these."""
    from search_spaces import SPACES, SearchSpace

    named, objects = dict(bound), {}
    for field in ("space", "evaluator"):
        value = bound.get(field)
        if isinstance(value, SearchSpace) and SPACES.get(value.name) is value:
            named[field] = value.name
        elif isinstance(value, SearchSpace) or (callable(value) and not isinstance(value, type)):
            name = value.name if isinstance(value, SearchSpace) else _name(value)
            objects[field] = value
            named[field] = own.PYTHON + (re.sub(r"\W+", "_", name).strip("_") or field)
    if not isinstance(bound.get("data"), str | os.PathLike | None) and "data" in bound:
        objects["data"], named["data"] = bound["data"], f"{own.PYTHON}data"
    return named, objects


def _name(value: Any) -> str:
    return str(getattr(value, "__name__", type(value).__name__))


def _argument(option: re.Match[str]) -> str:
    """``target_flops`` for ``--target-flops``."""
    return option[1].replace("-", "_")


def _groups(work: Callable[..., Any]) -> dict[str, Any]:
    """The types of the parameters of ``work``: dataclasses of options, or one option."""
    hints = typing.get_type_hints(work, localns={"Run": Any}, include_extras=True)
    return {name: hints[name] for name in inspect.signature(work).parameters if name != "quiet"}


def arguments_of(work: Callable[..., Any]) -> list[Parameter]:
    """The arguments of the function; those without a default come first, and need not be named."""
    found: list[Parameter] = []
    for name, kind in (_groups(work) | {"quiet": QuietOption}).items():
        default = False if name == "quiet" else Parameter.empty
        own = Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        found += parameters_of(kind) if isinstance(kind, type) else [own]
    found = [one for one in found if one.name != "as_json" and not is_eager(one)]
    needed = [one for one in found if one.default is Parameter.empty]
    return [
        *(one.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for one in needed),
        *(one for one in found if one not in needed),
    ]


def _bound(
    name: str, signature: inspect.Signature, values: Sequence[Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments by name; TypeError if one is unknown, or missing where nothing else can give it."""
    for one in arguments:
        if one not in signature.parameters:
            close = difflib.get_close_matches(one, signature.parameters, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TypeError(f"nas.{name}() has no argument {one!r}{hint}")
    try:
        elsewhere = any(arguments.get(one.name) is not None for one in FROM.get(name, ()))
        return (signature.bind_partial if elsewhere else signature.bind)(*values, **arguments).arguments
    except TypeError as error:
        raise TypeError(f"nas.{name}() {error}") from None


def _settled(
    name: str, parameters: Mapping[str, Parameter], bound: dict[str, Any], words: dict[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """All arguments, from wherever they come, and what to call each in messages.

    Raises:
        InputError: if one is wrong where it comes from.
        TypeError: if one that is needed comes from nowhere.
    """
    like, config = bound.pop("like", None), bound.pop("config", None)
    layers: list[Layer] = []
    if isinstance(config, Mapping):
        layers.append(from_mapping(config, parameters))
    elif config is not None:
        options = {one: option_of(parameter) for one, parameter in parameters.items()}
        layers.append(from_file(_path("config", config), parameters, options))
    layers.append({one: Default(as_option(parameters[one], bound[one]), words[one]) for one in bound})
    if like is not None:
        layers.insert(0, from_run(_path("like", like), set().union(*layers)))
    found = layered(layers)
    for one, parameter in parameters.items():
        if parameter.default is not Parameter.empty:
            found.setdefault(one, Default(as_option(parameter, parameter.default), words[one]))
        elif one not in found:
            raise TypeError(f"nas.{name}() missing a required argument: {one!r}")
    further = {one: default.words for one, default in found.items() if one not in bound}
    given = {one: as_path(one, found[one].value) for one in parameters}
    return given, words | {one: said for one, said in further.items() if " " in said}


def _path(name: str, value: Any) -> Path:
    """A path, or that of a run; InputError if it is none."""
    value = getattr(value, "directory", value)
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{name} must be a path, got {value!r}")
    return Path(as_path(name, Path(value)))


def _group(kind: Any, name: str, given: Mapping[str, Any]) -> Any:
    """The dataclass of options, or the one option, that ``work`` takes."""
    if not isinstance(kind, type):
        return given[name]
    fields = [one.name for one in dataclasses.fields(kind) if one.name in given]
    return kind(**{one: given[one] for one in fields})


CONFIG = Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=DefaultOptions)
LIKE = Parameter("like", Parameter.KEYWORD_ONLY, default=None, annotation=RepeatOptions)
FROM = {
    **dict.fromkeys(("search", "plan"), (CONFIG, LIKE)),
    **dict.fromkeys(("scale", "train", "audit"), (CONFIG,)),
}
"""Where the arguments of functions come from that are not given: a file or a mapping, an earlier search."""
SAID = {
    "config": "Arguments that are not given: a mapping, or a TOML file of options.",
    "like": "Repeat a search: its arguments in place of the defaults, but for run and max_hours.",
}

WORKS: dict[str, tuple[Callable[..., Any], dict[str, str]]] = {
    "search": (searched, {"table": "evaluator"}),
    "scale": (scaled, {"arch": "base", "table": "evaluator"}),
    "train": (
        trained,
        {"workers": "data_parallel", "cpus_per_trial": "threads", "gpus_per_trial": "device"},
    ),
    "audit": (audited, {"table": "reference"}),
    "plan": (planned, {"table": "evaluator"}),
    "resume": (resumed, {}),
    "evaluate": (evaluated, {}),
    "predict": (predicted, {"path": "paths"}),
}
"""What each function does, and what it calls fields of the core that have another name."""

FUNCTIONS = {name: as_function(name, work, **fields) for name, (work, fields) in WORKS.items()}
