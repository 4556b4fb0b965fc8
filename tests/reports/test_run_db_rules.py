import contextlib
import shutil
import sqlite3

import pytest
from places import ROOT

from nas.errors import InputError
from nas.runs.run import open_run
from nas.search.journal import Journal
from reports.run_db import SCHEMA_VERSION

OLD = ROOT / "tests" / "runs_of_0.1" / "search-finished"


@pytest.fixture
def run(tmp_path):
    """A real search of six trials."""
    shutil.copytree(OLD, tmp_path / "r")
    return tmp_path / "r"


def change(run, sql, *values):
    with contextlib.closing(sqlite3.connect(run / "run.db", isolation_level=None)) as db:
        db.execute(sql, values)


def read_all(run):
    opened = open_run(run)
    return opened.trials(), opened.epochs(), opened.confirmations()


def go_on(run):
    with Journal(run) as journal:
        return journal.rows()


WRONG = [
    ("trials", "status", "running late", "'running late'"),
    ("trials", "arch", b"\x00\xff", None),
    ("trials", "actions", "", "''"),
    ("trials", "actions", "[[1]]", "'[[1]]'"),
    ("trials", "actions", "[-1]", "'[-1]'"),
    ("trials", "actions", "[1.5]", "'[1.5]'"),
    ("trials", "actions", '{"0": 1}', None),
    ("trials", "accuracy", 1.5, "1.5"),
    ("trials", "accuracy", "good", "'good'"),
    ("trials", "accuracy", None, "None"),
    ("trials", "flops", "x", "'x'"),
    ("trials", "flops", 2.5, "2.5"),
    ("trials", "flops", 0, "0"),
    ("trials", "flops", -1, "-1"),
    ("trials", "flops", None, "None"),
    ("trials", "params", 2**62, str(2**62)),
    ("trials", "activations", b"8", "b'8'"),
    ("trials", "reward", float("inf"), "inf"),
    ("trials", "reward", None, "None"),
    ("trials", "epochs", 10**9, "1000000000"),
    ("trials", "seconds", -0.5, "-0.5"),
    ("trials", "seed", -3, "-3"),
    ("trials", "repeat_of", 99, "99"),
    ("trials", "repeat_of", 5, "5"),
    ("trials", "peak_memory", "much", "'much'"),
    ("trials", "started", "yesterday", None),
    ("trials", "finished", "2026-13-26T08:00:00", None),
    ("trials", "actions", "[01]", "'[01]'"),
    ("trials", "actions", f"[{'9' * 5000}]", None),
    ("epochs", "trial", 99, "99"),
    ("epochs", "accuracy", -0.1, "-0.1"),
    ("epochs", "train_loss", "low", "'low'"),
    ("confirmations", "trial", 77, "77"),
    ("confirmations", "accuracy", 2.0, "2.0"),
]


@pytest.mark.parametrize(("table", "column", "value", "shown"), WRONG, ids=str)
def test_a_value_that_nas_does_not_write_is_named_in_one_line(run, table, column, value, shown):
    change(run, f"UPDATE {table} SET {column} = ? WHERE trial = (SELECT min(trial) FROM {table})", value)
    for read in (read_all, go_on) if column not in ("started", "finished") else (read_all,):
        with pytest.raises(InputError, match=f"^run has a .*{table}.{column}") as error:
            read(run)
        assert "\n" not in str(error.value)
        assert shown is None or f"= {shown}: " in str(error.value)


def test_an_unchanged_run_is_read_and_written(run):
    assert list(map(len, read_all(run))) == [6, 12, 2]
    with Journal(run) as journal:
        assert len(journal.rows()) == 6


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("ALTER TABLE trials DROP COLUMN flops", "has no trials.flops"),
        ("ALTER TABLE trials RENAME COLUMN reward TO prize", "has no trials.reward"),
        ("DROP TABLE epochs", "has no epochs.trial"),
        ("DROP TABLE trials", "has no trials.trial"),
    ],
)
def test_a_column_or_a_table_that_is_missing_is_named(run, sql, message):
    change(run, sql)
    for read in (read_all, Journal):
        with pytest.raises(InputError, match=f"^run has a run.db that {message}: "):
            read(run)


def test_an_older_file_may_lack_the_columns_that_came_later(run):
    for table in ("trials", "epochs", "confirmations"):
        change(run, f"ALTER TABLE {table} DROP COLUMN peak_memory")
    assert len(read_all(run)[0]) == 6
    change(run, f"PRAGMA user_version = {SCHEMA_VERSION}")
    with pytest.raises(InputError, match=r"has no trials\.peak_memory"):
        read_all(run)


def test_a_foreign_architecture_is_found_among_many(run):
    (arch,) = set(open_run(run).trials()["arch"].tail(1))
    change(run, "UPDATE trials SET arch = ? WHERE trial = 5", arch.replace("_k3", "_k9", 1))
    with pytest.raises(
        InputError, match=r"has a wrong trials\.arch: kernel must be one of \(1, 3, 5, 7\), got 9"
    ):
        go_on(run)
    change(run, "UPDATE trials SET arch = ? WHERE trial = 5", "-".join(arch.split("-")[::-1]))
    with pytest.raises(InputError, match=r"has a wrong trials\.arch: an architecture must read like"):
        go_on(run)
