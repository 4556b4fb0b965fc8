"""Staged spaces as TOML: data that people write, without code.

    resolution = 224                    # or several to choose from: [192, 224]
    stem_channels = 32
    head_channels = 1280

    [[stage]]
    op = ["conv", "mbconv3", "mbconv6"] # several values are a decision, here stage1_op
    kernel = [3, 5]
    layers = [1, 2]
    channels = 16

A decision that sets several fields at once, or has a name of its own, is a ``[[stage.decision]]``. Errors
name the stage and, where it can be found, the line. A file that a stranger wrote can be read: it is data, and
its sizes are limited.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from typing import Annotated, Any

from pydantic import Field

from search_spaces.form_checks import MOST_CHOICES, FormError, check_space
from search_spaces.limits import MOST_CLASSES, MOST_PIXELS, MOST_TEXT, shown
from search_spaces.rules import AtMost, FieldError, Number, read_json, validated
from search_spaces.space import Choice, SearchSpace
from search_spaces.stages import (
    FIELDS,
    SKELETON,
    STEM,
    Row,
    SpaceForm,
    StageDecision,
    StageForm,
    space_from,
    stage_form,
)

MOST_STAGES = 64
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
Size = Annotated[int, AtMost(10**9)]


@validated
class RowText:
    """One choice of a decision: its label, and the fields that it sets."""

    choice: Annotated[str | int | float, Field(description="be a text or a number")]
    op: str | None = None
    kernel: Size | None = None
    expand_ratio: Size | None = None
    se_ratio: Number | None = None
    skip: str | None = None
    layers: Size | None = None
    channels: Size | None = None
    filters: Number | None = None


@validated
class DecisionText:
    """A decision by its full name."""

    name: str
    choices: tuple[RowText, ...]


@validated
class StageText:
    """A stage; of each field one value or several."""

    stride: Size
    name: str = ""
    op: tuple[str, ...] = ()
    kernel: tuple[Size, ...] = ()
    expand_ratio: tuple[Size, ...] = ()
    se_ratio: tuple[Number, ...] = ()
    skip: tuple[str, ...] = ()
    layers: tuple[Size, ...] = ()
    channels: tuple[Size, ...] = ()
    filters: tuple[Number, ...] = ()
    decision: tuple[DecisionText, ...] = ()


@validated
class SpaceText:
    """A space: its skeleton, and its stages in order."""

    resolution: tuple[Annotated[Size, AtMost(MOST_PIXELS)], ...]
    stem_channels: Size
    head_channels: Size
    stage: tuple[StageText, ...]
    activation: str = "silu"
    stem_stride: Size = 2
    stem_kernel: Size = 3
    stem_pool: bool = False
    classes: Annotated[Size, AtMost(MOST_CLASSES)] = 1000


@functools.lru_cache(maxsize=8)
def read_space(text: str, name: str) -> SearchSpace:
    """The space of a TOML ``text``; ``name`` is its file's.

    Raises:
        ValueError: in one line, with the file and where possible the line, if it is no such space.
    """
    try:
        if len(text) > MOST_TEXT:
            raise FormError(f"the text must have at most {MOST_TEXT:,} characters, got {len(text):,}")
        form = _form(read_json(SpaceText, _prepared(tomllib.loads(text))), name)
        space = space_from(form)
        check_space(space, form)
    except (FieldError, FormError) as error:
        raise ValueError(_message(text, name, error)) from None
    except RecursionError:
        raise ValueError(f"the text must not be nested so deeply ({name})") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"the text must be TOML ({error}) ({name})") from None
    except ValueError as error:  # two decisions of one name, an integer of thousands of digits
        raise ValueError(f"{error} ({name})") from None
    return space


def _prepared(values: Any) -> dict[str, Any]:
    """``values`` as JSON, with one value of a field as a list of one."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    if "resolution" in plain:
        plain["resolution"] = _listed(plain["resolution"])
    stages = plain.get("stage")
    for stage in stages if isinstance(stages, list) else ():
        if isinstance(stage, dict):
            stage.update({key: _listed(stage[key]) for key in FIELDS if key in stage})
    return plain


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _form(space: SpaceText, name: str) -> SpaceForm:
    if not 0 < len(space.stage) <= MOST_STAGES:
        raise FormError(f"stage must be there 1 to {MOST_STAGES} times, got {len(space.stage)}", "stage")
    if not 0 < len(space.resolution) <= MOST_CHOICES:
        raise FormError(
            f"resolution must have 1 to {MOST_CHOICES} choices, got {len(space.resolution)}", "resolution"
        )
    if min(space.resolution) < 1 or len({*space.resolution}) < len(space.resolution):
        raise FormError(
            f"resolution must be distinct sizes of at least 1, got {space.resolution}", "resolution"
        )
    if space.classes < 1:
        raise FormError(f"classes must be at least 1, got {space.classes}", "classes")
    skeleton = {key: getattr(space, key) for key in (*SKELETON, *STEM)} | {
        "resolution": max(space.resolution)
    }
    stages = tuple(_stage_form(number, stage) for number, stage in enumerate(space.stage))
    several = space.resolution if len(space.resolution) > 1 else ()
    return SpaceForm(name, skeleton, stages, space.classes, several)


def _stage_form(number: int, stage: StageText) -> StageForm:
    name = stage.name or f"stage{number + 1}"
    if not NAME.fullmatch(name):
        raise FormError(
            f"name must be a letter and then letters, digits or _, got {shown(name)}", "stage", number, "name"
        )
    decisions = []
    for place, one in enumerate(stage.decision):
        rows = []
        for row in one.choices:
            sets = {key: getattr(row, key) for key in FIELDS if getattr(row, key) is not None}
            rows.append(Row(row.choice, sets))
        if not 0 < len(one.name) <= 100 or not one.name.isprintable():
            raise FormError(
                f"name must have 1 to 100 characters, got {shown(one.name)}",
                "stage",
                number,
                "decision",
                place,
                "name",
            )
        decisions.append(StageDecision(one.name, tuple(rows)))
    options: dict[str, tuple[Choice, ...]] = {
        key: getattr(stage, key) for key in FIELDS if getattr(stage, key)
    }
    return stage_form(name, stage.stride, options, *decisions)


def _message(text: str, name: str, error: FieldError | FormError) -> str:
    place = error.place
    if isinstance(error, FormError):
        said = str(error)
    else:
        words = [part for part in place if isinstance(part, str) and part not in ("str", "int", "float")]
        said = (words[-1] if error.path else "") + error.rest.replace("unknown setting", "unknown key", 1)
    number = place[1] if place[:1] == ("stage",) and len(place) > 1 else None
    stage = f"stage {number + 1}: " if isinstance(number, int) else ""
    line = _line(text, place)
    return f"{stage}{said} ({name}{f', line {line}' if line else ''})"


def _line(text: str, place: tuple[int | str, ...]) -> int | None:
    """The line of ``place``, or of its table; None if tables are not written in the usual way."""
    lines = [line.split("#")[0] for line in text.splitlines()]
    start, end, found = 0, _first(lines, 0, r"\s*\["), None
    tables = ((r"\s*\[\[\s*stage\s*\]\]", place[:2]), (r"\s*\[\[\s*stage\s*\.\s*decision\s*\]\]", place[2:4]))
    for table, (key, index) in ((table, pair) for table, pair in tables if len(pair) == 2):
        if key not in ("stage", "decision") or not isinstance(index, int):
            break
        last = len(lines) if key == "stage" else _first(lines, start, tables[0][0])
        for _ in range(index + 1):
            start = _first(lines[:last], start, table) + 1
        if start > last:
            return found
        found, end = start, _first(lines[:last], start, tables[0][0] if key == "stage" else r"\s*\[\[")
    for key in (key for key in reversed(place) if isinstance(key, str) and key not in ("stage", "decision")):
        line = _first(lines[:end], start, rf"(.*[{{,])?\s*\"?{re.escape(key)}\"?\s*=")
        if line < end:
            return line + 1
    return found


def _first(lines: list[str], start: int, pattern: str) -> int:
    """The index of the first line from ``start`` that matches ``pattern``; ``len(lines)`` if none does."""
    return next((i for i in range(start, len(lines)) if re.match(pattern, lines[i])), len(lines))
