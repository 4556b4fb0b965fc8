"""A run directory as Python reads it."""

import pytest
from fakes import Fake, new_search

from nas import open_run
from nas.launch.inline import run_inline

TABLES = ("trials", "epochs", "confirmations", "baselines", "measurements", "sessions", "retries", "networks")


@pytest.mark.parametrize("table", TABLES)
def test_a_snapshot_reads_each_table_once_and_a_run_reads_it_each_time(tmp_path, table):
    journal, search = new_search(tmp_path, create=True, trials=3, controller="random")
    with journal:
        run_inline(search, Fake())
    run = open_run(tmp_path)
    kept = run.snapshot()
    assert getattr(kept, table)() is getattr(kept, table)() is getattr(kept.snapshot(), table)()
    assert getattr(run, table)() is not getattr(run, table)()
