"""Frozen dataclasses of what people write, with the rules as annotations and every error in one line.

    @validated
    class Recipe:
        epochs: Annotated[int, Field(ge=1)] = 6

    Recipe(epochs=0)  # ValueError: epochs must be at least 1, got 0

The words of a rule follow from its bounds. A field's ``description`` replaces them, its ``title`` the name.
No number may be infinite or NaN; ``lt=inf`` adds "and finite" to the words.

``search_spaces`` itself does not import this module, because importing pydantic takes a while.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError, WrapValidator
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from search_spaces.names import unknown

T = TypeVar("T")
Value = str | int | float
BOUNDS = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}
SHORTER = {"above 0": "positive", "below inf": "finite"}
TYPES = {"bool": "true or false", "int": "of type int", "float": "of type float"}
OUT_OF_BOUNDS = ("greater_than_equal", "greater_than", "less_than_equal", "less_than", "finite_number")


Number = Annotated[float, WrapValidator(lambda value, check: (check(value), value)[1])]
"""A float, or an int that stays one: pydantic would make a float of it."""


class OneOf(NamedTuple):
    """The rule that a text is one of ``choices``."""

    choices: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.choices))


@typing.dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def validated(cls: type[T]) -> type[T]:
    """Makes ``cls`` a frozen dataclass that checks its fields, strictly: no text for a number, no 4.0 for 4.

    Its constructor raises a ValueError in one line: the field, the rule and the value.
    """
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    made: Any = dataclass(frozen=True, config=config)(cls)
    check = made.__init__

    @functools.wraps(check)
    def __init__(self: Any, *args: Any, **fields: Any) -> None:  # noqa: N807
        try:
            check(self, *args, **fields)
        except ValidationError as error:
            raise ValueError(_line(made, error)) from None

    made.__init__ = __init__
    return made  # type: ignore[no-any-return]


def parse_settings(kind: type[T], values: Mapping[str, Value]) -> T:
    """``kind`` with ``values`` in place of its defaults; text is read as the field's type.

    Raises:
        ValueError: if a name is unknown, a value does not have the type of its field, or ``kind`` refuses it.
    """
    parsed: dict[str, Any] = dict(values)
    for name, field in _fields(kind).items():
        if name in values:
            try:
                parsed[name] = TypeAdapter(field.annotation).validate_strings(str(values[name]))  # type: ignore[arg-type]
            except ValidationError as error:
                rule = _type(error.errors()[0])
                raise ValueError(f"{name} must be {rule}, got {values[name]!r}") from None
    return kind(**parsed)


def read_json(kind: type[T], values: Mapping[str, Any]) -> T:
    """``kind`` of JSON values: the inverse of ``dataclasses.asdict``.

    Raises:
        ValueError: if a field is missing, unknown, of another type or out of range.
    """
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values))
    except ValidationError as error:
        raise ValueError(_line(kind, error)) from None


def _fields(kind: object) -> dict[str, FieldInfo]:
    return getattr(kind, "__pydantic_fields__", {})


def _line(kind: object, errors: ValidationError) -> str:
    """The first of ``errors``, found when a ``kind`` was made, in one line."""
    error = errors.errors()[0]
    if error["type"] == "value_error":  # from a __post_init__, which says it all
        return str(error["ctx"]["error"])
    path, field = [], FieldInfo()
    for part in error["loc"]:
        fields = _fields(kind)
        positions: dict[int | str, str] = dict(enumerate(fields))
        name = positions.get(part, str(part))
        if name in fields:
            field = fields[name]
            kind = next(filter(_fields, (field.annotation, *typing.get_args(field.annotation))), None)
        elif error["type"] == "unexpected_keyword_argument":
            return unknown("setting", name, fields)
        path.append(field.title or name if name in fields else name)
    if error["type"] == "missing":
        return f"{'.'.join(path)} is missing"
    return f"{'.'.join(path)} must {_rule(field, error)}, got {error['input']!r}"


def _rule(field: FieldInfo, error: ErrorDetails) -> str:
    """What ``field`` asks of its value, as the words after "must"."""
    if field.description:
        return field.description
    for rule in field.metadata:
        if isinstance(rule, OneOf):
            return f"be one of {rule.choices}"
    if error["type"] in OUT_OF_BOUNDS:
        bounds = [
            words.format(getattr(rule, name))
            for rule in field.metadata
            for name, words in BOUNDS.items()
            if hasattr(rule, name)
        ]
        return f"be {' and '.join(SHORTER.get(bound, bound) for bound in bounds) or 'a finite number'}"
    return f"be {_type(error)}"


def _type(error: ErrorDetails) -> str:
    kind = error["type"].split("_")[0]  # int, of int_type, int_parsing, int_from_float
    return TYPES.get(kind) or error["msg"].removeprefix("Input should be ")
