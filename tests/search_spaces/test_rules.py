"""Rules in annotations: what they allow, and the one-line errors."""

import dataclasses
import math
import pickle
import re
from typing import Annotated

import pytest
from pydantic import Field

from search_spaces.rules import Number, OneOf, parse_settings, read_json, validated


@validated
class Oven:
    """A kind with several settings."""

    heat: Annotated[Number, Field(gt=0, lt=math.inf)] = 180
    trays: Annotated[int, Field(ge=1, le=4)] = 2
    fan: Annotated[str, OneOf(("on", "off"))] = "on"
    open: bool = False
    minutes: Annotated[int | None, Field(ge=1, title="time")] = None


@validated
class Kitchen:
    """A kind with a nested kind."""

    name: str
    oven: Oven = dataclasses.field(default_factory=Oven)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"heat": math.nan}, "heat must be positive and finite, got nan"),
        ({"heat": "hot"}, "heat must be of type float, got 'hot'"),
        ({"trays": 5}, "trays must be at least 1 and at most 4, got 5"),
        ({"trays": 2.0}, "trays must be of type int, got 2.0"),
        ({"trays": True}, "trays must be of type int, got True"),
        ({"fan": "of"}, "fan must be one of ('on', 'off'), got 'of'"),
        ({"open": 1}, "open must be true or false, got 1"),
        ({"minutes": 0}, "time must be at least 1, got 0"),
        ({"tray": 1}, "unknown setting 'tray'; did you mean 'trays'? Known: heat, trays, fan, open, minutes"),
    ],
)
def test_a_wrong_field_is_one_line(fields, line):
    with pytest.raises(ValueError, match=rf"\A{re.escape(line)}\Z"):
        Oven(**fields)


def test_positions_have_the_fields_names():
    with pytest.raises(ValueError, match=r"^trays must be at least 1 and at most 4, got 9$"):
        Oven(200, 9)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "name is missing"),
        ({"name": 3}, "name must be a valid string, got 3"),
        ({"name": "k", "oven": []}, "oven must be an object, got []"),
        ({"name": "k", "oven": {"trays": "2"}}, "oven.trays must be of type int, got '2'"),
        ({"name": "k", "oven": {"try": 2}}, "unknown setting 'try'; did you mean 'trays'? Known: heat, "),
    ],
)
def test_wrong_json_says_where(values, line):
    with pytest.raises(ValueError, match=rf"\A{re.escape(line)}.*\Z"):
        read_json(Kitchen, values)


def test_values_come_back_from_text_json_and_pickle():
    oven = Oven(heat=200, trays=3, open=True)
    assert type(oven.heat) is int
    assert parse_settings(Oven, {"heat": "200", "trays": 3.0, "open": "true"}) == oven
    kitchen = Kitchen("k", oven)
    assert read_json(Kitchen, dataclasses.asdict(kitchen)) == kitchen == pickle.loads(pickle.dumps(kitchen))
    assert len({oven, dataclasses.replace(oven), dataclasses.replace(oven, trays=1)}) == 2
