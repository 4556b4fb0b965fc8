import json

import numpy as np
import pandas as pd
import pytest

from reports import plain
from reports.numbers import duration, memory, percent, plural, plus_minus, reward_title


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1e-9, "<1 %"), (0.0049, "<1 %"), (0.0051, "1 %"), (0.784, "78 %"), (1.0, "100 %")],
)
def test_a_chance_that_is_small_is_not_said_to_be_none(share, text):
    assert percent(share) == text


def test_numbers_in_words():
    assert (plural(1, "fresh seed"), plural(2, "fresh seed")) == ("1 fresh seed", "2 fresh seeds")
    assert (plus_minus(0.5, 0.01), plus_minus(0.5, None)) == ("0.5000 ±0.0100", "0.5000")
    assert plus_minus(0.5, float("nan")) == "0.5000"
    assert (memory(779123456), duration(5025)) == ("779MB", "1 h 24 min")


def test_what_json_has_no_value_for_is_null():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": ["x", None], "d": [True, False]})
    frame = frame.assign(e=pd.array([3, None], dtype="Int64"), f=pd.to_datetime([None, None]))
    value = {1: frame, "tuple": (np.int64(1), np.float64("inf"), np.float32(0.5), -np.inf)}
    rows = [
        {"a": 1, "b": 0.5, "c": "x", "d": True, "e": 3, "f": None},
        {"a": 2, "b": None, "c": None, "d": False, "e": None, "f": None},
    ]
    assert plain(value) == {"1": rows, "tuple": [1, None, 0.5, None]}
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == plain(value)


def test_a_reward_is_called_what_it_is():
    assert reward_title({"trainings": 1}) == "best reward"
    assert reward_title({"trainings": 2}) == "mean reward"
    assert reward_title({"trainings": 1, "measured": 0.5}) == "expected reward"


def test_a_duration_is_carried_into_the_next_unit():
    found = [duration(seconds) for seconds in (59.94, 59.96, 179.7, 599.6, 3599.0)]
    assert found == ["59.9 s", "1 min 0 s", "3 min 0 s", "10 min", "1 h 0 min"]
