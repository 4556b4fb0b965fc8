"""A share of ``benchmarks/fuzz.py``."""

import pytest
from fuzz_cases import CASES, warm
from fuzz_worker import run_cases

SHARE = {"config": 25, "database": 15, "files": 10, "options": 75, "texts": 2}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def _runs():
    warm()


@pytest.mark.parametrize("kind", SHARE)
def test_damaged_input_ends_in_one_line_or_a_right_answer(kind):
    findings, codes = run_cases(CASES, kind, range(SHARE[kind]))
    assert findings == []
    assert len(codes) > 1  # some are refused, some are right


def test_the_bench_finds_what_goes_wrong():
    """A traceback, two lines, another exit code, a death and a hang in C code would each be found."""

    def wrong(bench, rng):
        bench.check("raises", lambda: 1 / 0)
        bench.check("exits", lambda: exit(130))
        bench.check("says nothing", lambda: exit(2))
        bench.check("allocates", lambda: bytearray(1 << 31))

    def dies(bench, rng):
        import os

        os._exit(3)

    findings, _ = run_cases({"wrong": wrong, "dies": dies}, "wrong", [0], tell=lambda _: None)
    found = dict.fromkeys(finding.command for finding in findings)
    assert [*found] == ["raises", "exits", "says nothing", "allocates"]
    findings, _ = run_cases({"wrong": wrong, "dies": dies}, "dies", [0, 1], tell=lambda _: None)
    assert [finding.what.startswith("the process died") for finding in findings] == [True, True]
