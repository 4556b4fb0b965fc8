"""Frozen dataclasses of what people write, with the rules as annotations and every error in one line.

    @validated
    class Recipe:
        epochs: Annotated[int, Field(ge=1)] = 6

    Recipe(epochs=0)  # ValueError: epochs must be at least 1, got 0

The words of a rule follow from its bounds. Where others are better, a field's ``description`` has them, and
its ``title`` the name. ``lt=inf`` only adds "and finite": no number may be infinite or NaN.

Not imported by ``search_spaces`` itself, because pydantic takes a while to import.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
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
BOUNDS = ("ge", "gt", "le", "lt")
OUT_OF_BOUNDS = ("greater_than_equal", "greater_than", "less_than_equal", "less_than", "finite_number")


def _as_given(value: Any, check: Any) -> Any:
    check(value)
    return value


Number = Annotated[float, WrapValidator(_as_given)]
"""A float; an int stays one, where pydantic would convert it."""


class OneOf(NamedTuple):
    """The rule that a text is one of ``choices``."""

    choices: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.choices))


@typing.dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def validated(cls: type[T]) -> type[T]:
    """Makes ``cls`` a frozen dataclass that checks its fields, and converts none of them.

    Its constructor raises a ValueError: the field, the rule and the value, in one line.
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
                rule = _rule(field, error.errors()[0])
                raise ValueError(f"{name} must {rule}, got {values[name]!r}") from None
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
    """The first of ``errors`` in a ``kind``."""
    error = errors.errors()[0]
    if error["type"] == "value_error":  # of a __post_init__, which says all
        return str(error["ctx"]["error"])
    path, field = [], FieldInfo()
    for part in error["loc"]:
        fields = _fields(kind)
        name = list(fields)[part] if fields and isinstance(part, int) else str(part)  # an int: by position
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
    """What the value of ``field`` must do."""
    kinds = [kind for kind in typing.get_args(field.annotation) if kind is not type(None)]
    kind = kinds[0] if len(kinds) == 1 else field.annotation
    if field.description:
        return field.description
    if error["type"] == "literal_error":
        return next(f"be one of {rule.choices}" for rule in field.metadata if isinstance(rule, OneOf))
    if error["type"] in OUT_OF_BOUNDS:
        bounds = {
            name: getattr(rule, name) for rule in field.metadata for name in BOUNDS if hasattr(rule, name)
        }
        return _words(bounds, whole=kind is int)
    types: dict[object, str] = {bool: "true or false", int: "of type int", float: "of type float"}
    return f"be {types.get(kind) or error['msg'].removeprefix('Input should be ')}"


def _words(bounds: Mapping[str, float], *, whole: bool) -> str:
    """What a number within ``bounds`` does, a ``whole`` one or another."""
    match bounds:
        case {"ge": low, "le": high}:
            return f"be at least {low} and at most {high}" if whole else f"lie in [{low}, {high}]"
        case {"gt": low, "le": high}:
            return f"be in ({low}, {high}]"
        case {"ge": 0, "lt": math.inf}:
            return "be finite and not negative"
        case {"ge": low, "lt": high}:
            return f"be in [{low}, {high})"
        case {"gt": low, "lt": math.inf}:
            return f"be {f'above {low}' if low else 'positive'} and finite"
        case {"gt": low, "lt": high}:
            return f"be between {low} and {high}"
        case {"gt": low}:
            return f"be above {low}" if low else "be positive"
        case {"ge": low}:
            return f"be at least {low}" if whole else f"be {low} or more"
    return "be a finite number"
