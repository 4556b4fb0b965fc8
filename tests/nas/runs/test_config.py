import contextlib
import json
import shutil
import sqlite3

import pytest
from places import ROOT

OLD = ROOT / "tests" / "runs_of_0.1"


@pytest.fixture
def changed(tmp_path):
    """Copies an old run to ``r`` and changes fields of its ``config.json``, given as ``a.b=VALUE``."""

    def changed(name, **fields):
        shutil.copytree(OLD / name, tmp_path / "r")
        file = tmp_path / "r" / "config.json"
        config = json.loads(file.read_text())
        for path, value in fields.items():
            *outer, last = path.split(".")
            holder = config
            for key in outer:
                holder = holder[key]
            holder[last] = value
        file.write_text(json.dumps(config))
        return tmp_path / "r"

    return changed


WRONG = [
    ("search", "audit", "", "audit must be"),
    ("search", "networks", "abc", "networks must be"),
    ("search", "networks", ["abc"], "an architecture must read like"),
    ("search", "controller_settings", 0, "controller_settings must be"),
    ("search", "confirmations", 2.5, "confirm must be of type int, got 2.5"),
    ("search", "confirmations", True, "confirm must be of type int, got True"),
    ("search", "trials", 10**30, f"trials must be at most 1,000,000,000, got {10**30}"),
    ("search", "trials", "6", "trials must be of type int, got '6'"),
    ("search", "seed", -1, "seed must be at least 0, got -1"),
    ("search", "seed", 2**63, f"seed must be below 2^63, got {2**63}"),
    ("search", "data_seed", 2**64, f"data_seed must be below 2^63, got {2**64}"),
    ("search", "objective", None, "objective must be"),
    ("search", "objective.target_flops", float("nan"), "target_flops must be"),
    ("search", "objective.target_flops", 0.5, "target_flops must be at least 1, got 0.5"),
    ("search", "recipe.resolution", 10**9, "recipe.resolution must be at most 8,192, got 1000000000"),
    ("search", "recipe.width", 1e9, "recipe.width must be at most 1,000, got 1000000000.0"),
    ("search", "recipe.epochs", 10**9, "recipe.epochs must be at most 1,000,000, got 1000000000"),
    ("search", "recipe.batch_size", 10**9, "recipe.batch_size must be at most 1,000,000, got 1000000000"),
    ("search", "resources.workers", 10**9, "resources.workers must be at most 100,000, got 1000000000"),
    ("search", "command", 1, "command must be"),
    ("search", "command", ["nas", 1], "command.1 must be"),
    ("search", "environment", [], "environment must be"),
    ("search", "cost", "x", "cost must be"),
    ("search", "cost", {"num_classes": "ten"}, "cost.num_classes must be of type int, got 'ten'"),
    ("search", "input_sha256", 0, "input_sha256 must be"),
    ("audit", "audit.seeds", 10**6, "audit.seeds must be at most 1,000, got 1000000"),
    ("audit", "audit.seeds", 1, "trials must be networks times seeds in an audit, 3 x 1, got 6"),
    ("audit", "networks", [], "trials must be networks times seeds in an audit, 0 x 2, got 6"),
    ("audit", "audit.reference", [0.5], "reference must have one accuracy for each of 3 networks, got 1"),
    ("scaling", "scaling.base", "b0", "an architecture must read like"),
    ("scaling", "scaling.grid.product", 1e300, "scaling.grid.product must be at most 1,000, got 1e+300"),
]


@pytest.mark.parametrize(("kind", "field", "value", "rule"), WRONG)
def test_a_field_that_cannot_be_is_one_line_and_exit_code_2_everywhere(
    nas, changed, kind, field, value, rule
):
    changed(f"{kind}-interrupted", **{field: value})
    line = None
    for command in (("report", "r"), ("resume", "r"), ("report", "r", "--follow")):
        code, out, err = nas(*command)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert rule in err
        assert err == (line or err)
        line = err


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 900 + "]" * 900, '{"a": ' * 60 + "1" + "}" * 60,
                                  "1" * 5000, "", "\x00", "{"])  # fmt: skip
def test_a_config_that_is_no_json_or_nested_without_end_is_one_line(nas, changed, text):
    (changed("search-finished") / "config.json").write_text(text)
    for command in (("report", "r"), ("resume", "r")):
        code, _, err = nas(*command)
        assert code == 2
        assert err.startswith("nas: RUN must have a readable config.json (")
        assert err.count("\n") == 1


def test_fewer_trials_than_there_are_do_not_search_for_ever(nas, changed):
    run = changed("search-interrupted", trials=1)
    code, out, err = nas("resume", "r")
    assert (code, out) == (2, "")
    assert "trials must be at least the " in err
    assert ", got 1)" in err
    assert err.count("\n") == 1
    assert nas("report", "r", "--follow")[0] == 0
    assert run.exists()


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DELETE FROM events WHERE kind = 'ask' AND trial = 2", "does not fit trial 2, done"),
        ("DELETE FROM events WHERE kind = 'tell' AND trial = 3", "trial 3 has ended, but was not told"),
        ("UPDATE events SET kind = 'ask' WHERE kind = 'tell' AND trial = 1", "does not fit trial 1, done"),
        ("UPDATE events SET event = 1000 WHERE kind = 'ask' AND trial = 4", "does not fit trial 4, done"),
        ("UPDATE trials SET status = 'running' WHERE trial = 0", "does not fit trial 0, running"),
        ("DELETE FROM events WHERE trial = 5", "trial 5 has ended, but was not told"),
        ("UPDATE trials SET actions = '[0]' WHERE trial = 1", "space 'mnas' takes 42 actions, got 1"),
        ("UPDATE trials SET actions = replace(actions, '[', '[9')", "must be an index in [0, 4), got 9"),
        ("INSERT INTO controller VALUES (1, '{}')", "KeyError"),
        ("INSERT INTO controller VALUES (1, '[')", "Expecting value"),
    ],
)  # fmt: skip
def test_a_run_whose_events_do_not_make_its_trials_cannot_go_on(nas, changed, sql, reason):
    run = changed("search-finished")
    with contextlib.closing(sqlite3.connect(run / "run.db", isolation_level=None)) as db:
        db.execute(sql)
    code, out, err = nas("resume", "r")
    assert (code, out) == (2, "")
    assert err.startswith("nas: RUN has a run.db that cannot be resumed (")
    assert reason in err or reason == "KeyError"
    assert err.count("\n") == 1
