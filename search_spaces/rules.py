"""Frozen dataclasses for what people write, with rules as annotations and errors of one line.

    @validated
    class Recipe:
        epochs: Annotated[int, Field(ge=1)] = 6

    Recipe(epochs=0)  # ValueError: epochs must be at least 1, got 0

A field's ``description`` replaces the words of its rule ("be at least 1"), and its ``title`` the name.
No number may be infinite or NaN; ``lt=inf`` adds "and finite" to the words.

``search_spaces`` itself does not import this module, because pydantic is slow to import.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
import typing
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError, WrapValidator
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from search_spaces.limits import shown
from search_spaces.names import unknown

T = TypeVar("T")
UNKNOWN = "unexpected_keyword_argument"
"""pydantic's type of error for a name that a dataclass does not have."""
BEYOND = "beyond"
"""The type of error of ``AtMost``."""
Value = str | int | float
BOUNDS = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}
SHORTER = {"above 0": "positive", "below inf": "finite"}
TYPES = {"bool": "true or false", "int": "of type int", "float": "of type float"}
HIDDEN = {byte: 0x100000 + byte for byte in range(0xDC80, 0xDD00)}
"""For bytes of paths that are no UTF-8, which pydantic refuses in JSON: characters that nothing uses."""
Number = Annotated[float, WrapValidator(lambda value, check: (check(value), value)[1])]
"""A float, or an int, which pydantic would otherwise turn into a float."""


class OneOf(NamedTuple):
    """The rule that a string is one of ``choices``."""

    choices: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.choices))


class AtMost(NamedTuple):
    """A limit that no real use meets: it is named only where it is exceeded."""

    most: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if value is not None and value > self.most:
            raise PydanticCustomError(BEYOND, "be at most {most}", {"most": f"{self.most:,}"})
        return value


@typing.dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def validated(cls: type[T]) -> type[T]:
    """Makes ``cls`` a frozen dataclass that checks its fields strictly: neither "4" nor 4.0 passes for 4.

    Its constructor raises a ValueError of one line: the field, the rule and the value.
    """
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    made: Any = dataclass(frozen=True, config=config)(cls)
    check = made.__init__

    @functools.wraps(check)
    def __init__(self: Any, *args: Any, **fields: Any) -> None:  # noqa: N807
        try:
            check(self, *args, **fields)
        except ValidationError as error:
            raise ValueError("".join(_line(made, error))) from None

    made.__init__ = __init__
    return made  # type: ignore[no-any-return]


def parse_settings(kind: type[T], values: Mapping[str, Value]) -> T:
    """``kind`` with ``values`` in place of its defaults; strings are read as the field's type.

    Raises:
        ValueError: if a name is unknown, or a value has the wrong type or breaks a rule.
    """
    parsed: dict[str, Any] = dict(values)
    for name, field in _fields(kind).items():
        if name in values:
            try:
                parsed[name] = TypeAdapter(field.annotation).validate_strings(str(values[name]))  # type: ignore[arg-type]
            except ValidationError as error:
                rule = _type(error.errors()[0])
                raise ValueError(f"{name} must be {rule}, got {shown(values[name])}") from None
    return kind(**parsed)


class FieldError(ValueError):
    """What is wrong in JSON values, in one line.

    Attributes:
        place: keys and indices that lead to the value.
        path: of the field, as the line begins with it; may be empty.
        rest: of the line.
    """

    def __init__(self, place: tuple[int | str, ...], path: str, rest: str) -> None:
        super().__init__(path + rest)
        self.place, self.path, self.rest = place, path, rest


def read_json(kind: type[T], values: Mapping[str, Any]) -> T:
    """``kind`` from JSON values: the inverse of ``dataclasses.asdict``.

    Raises:
        FieldError: as ``parse_settings``, or if a field is missing.
    """
    hidden = _translated(values, HIDDEN)
    try:
        read = TypeAdapter(kind).validate_json(json.dumps(hidden))
    except ValidationError as error:
        raise FieldError(_foremost(error)["loc"], *_line(kind, error)) from None
    return read if hidden == values else _translated(read, {there: here for here, there in HIDDEN.items()})


class FieldRule(NamedTuple):
    """A field of a validated dataclass: its default, the words of its rule, and what its docstring says."""

    name: str
    default: Any
    rule: str
    meaning: str


def field_rules(kind: type[Any]) -> list[FieldRule]:
    """The fields of ``kind``, for people to read."""
    _, _, args = inspect.cleandoc(kind.__doc__ or "").partition("\nArgs:\n")
    entries = re.findall(r"^    ([\w, ]+): (.*(?:\n {8}.*)*)", args, re.MULTILINE)
    said = {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}
    return [
        FieldRule(name, field.default, _words(field), said.get(name, "").replace("``", ""))
        for name, field in _fields(kind).items()
    ]


def _translated(value: Any, characters: Mapping[int, int]) -> Any:
    """``value`` with other characters in all of its texts."""
    if isinstance(value, str):
        return value.translate(characters)
    if isinstance(value, Mapping):
        return {name: _translated(one, characters) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_translated(one, characters) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        texts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **_translated(texts, characters))
    return value


def _fields(kind: object) -> dict[str, FieldInfo]:
    return getattr(kind, "__pydantic_fields__", {})


def _line(kind: object, errors: ValidationError) -> tuple[str, str]:
    """The foremost of the ``errors`` in making a ``kind``, as one line: the field's path, and the rest."""
    error = _foremost(errors)
    if error["type"] == "value_error":  # raised by a __post_init__, with a line of its own
        return "", str(error["ctx"]["error"])
    path: list[str] = []
    field = FieldInfo()
    for part in error["loc"]:
        if path and isinstance(part, int):  # an index; otherwise it is the position of an argument
            path.append(str(part))
            continue
        fields = _fields(kind)
        positions: dict[int | str, str] = dict(enumerate(fields))
        name = positions.get(part, str(part))
        name = name if name.isprintable() else repr(name)
        if name in fields:
            field = fields[name]
            name = field.title or name
            kind = next(filter(_fields, (field.annotation, *typing.get_args(field.annotation))), None)
        elif error["type"] == UNKNOWN:
            return "", unknown("setting", name, fields)
        path.append(name)
    if error["type"] == "missing":
        return ".".join(path), " is missing"
    return ".".join(path) or "text", f" must {_rule(field, error)}, got {shown(error['input'])}"


def _foremost(errors: ValidationError) -> ErrorDetails:
    """The first name that is unknown, as it may be why another is missing; otherwise the first error."""
    found = errors.errors()
    return next((error for error in found if error["type"] == UNKNOWN), found[0])


def _rule(field: FieldInfo, error: ErrorDetails) -> str:
    """What ``field`` requires of its value: the words after "must"."""
    if error["type"] == BEYOND:
        return error["msg"]
    if field.description:
        return field.description
    for rule in field.metadata:
        if isinstance(rule, OneOf):
            return f"be one of {rule.choices}"
    if error["type"].startswith(("greater", "less", "finite")):
        return f"be {_bounds(field) or 'a finite number'}"
    return f"be {_type(error)}"


def _bounds(field: FieldInfo) -> str:
    """``at least 1 and at most 10``; empty if the field has no bounds."""
    limits = ((rule, name) for rule in field.metadata for name in BOUNDS if hasattr(rule, name))
    bounds = [BOUNDS[name].format(getattr(rule, name)) for rule, name in limits]
    return " and ".join(SHORTER.get(bound, bound) for bound in bounds)


def _words(field: FieldInfo) -> str:
    """What ``field`` takes."""
    if field.description:
        return field.description.removeprefix("be ")
    for rule in field.metadata:
        if isinstance(rule, OneOf):
            return ", ".join(rule.choices)
    return _bounds(field) or TYPES.get(getattr(field.annotation, "__name__", ""), "").removeprefix("of type ")


def _type(error: ErrorDetails) -> str:
    kind = error["type"].split("_")[0]  # "int" of int_type, int_parsing, int_from_float
    return TYPES.get(kind) or error["msg"].removeprefix("Input should be ")
