import itertools

import numpy as np
import pytest

from nas.deploy.protocol import LEAST_RUNS, Lap, interleave, summarize


class Machine:
    """Networks that take a fixed time on a machine whose speed drifts, by a clock of its own."""

    def __init__(self, drift):
        self.now, self.drift, self.runs = 0.0, drift, 0

    def network(self, seconds):
        def run():
            took = seconds * self.drift(self.now)
            self.now += took
            self.runs += 1
            return Lap(took, took)

        return run


@pytest.fixture
def machine(monkeypatch):
    """Makes a machine whose clock the protocol reads."""

    def make(drift):
        made = Machine(drift)
        for clock in ("perf_counter", "monotonic"):
            monkeypatch.setattr(f"nas.deploy.protocol.time.{clock}", lambda: made.now)
        return made

    return make


def test_a_quiet_machine_gives_the_time_and_the_ratio(machine):
    quiet = machine(lambda _: 1.0)
    found = interleave(quiet.network(0.006), quiet.network(0.004), 1.0)
    assert found.milliseconds == found.low == found.high == pytest.approx(6)
    assert (found.ratio, found.reference_milliseconds) == pytest.approx((1.5, 4))
    assert found.core_share == 1


def test_a_noisy_machine_moves_the_time_and_not_the_ratio(machine):
    noisy = machine(lambda now: 1 + 0.5 * np.sin(2 * np.pi * now / 3.7) ** 2 + (now % 5 > 2.5))
    found = interleave(noisy.network(0.006), noisy.network(0.004), 5.0)
    assert found.milliseconds > 7
    assert found.ratio == pytest.approx(1.5, rel=0.02)


def test_runs_that_find_cold_caches_do_not_count_in_the_steady_ratio(machine):
    busy, runs = machine(lambda _: 1.0), itertools.count()

    def disturbed(network):
        """Two of three runs begin with cold caches, which cost a small network as much as a large one."""

        def run():
            lap = network()
            return Lap(lap.seconds + 0.0005 * (next(runs) % 3 > 0), lap.passed)

        return run

    small, large = disturbed(busy.network(0.0005)), disturbed(busy.network(0.005))
    found = interleave(small, large, 1.0)
    assert found.ratio > 0.15
    assert found.steady_ratio == pytest.approx(0.1, rel=0.02)


def test_a_network_runs_for_the_seconds_asked_for_and_ten_times(machine):
    quick = machine(lambda _: 1.0)
    interleave(quick.network(0.001), None, 2.0)
    assert 2.0 <= quick.now < 2.3
    slow = machine(lambda _: 1.0)
    found = interleave(slow.network(1.0), None, 2.0)
    assert found.runs >= LEAST_RUNS
    assert (found.ratio, found.reference_milliseconds) == (None, None)


def test_the_first_run_of_a_block_does_not_count(machine):
    """It finds the other network in the caches."""
    quiet = machine(lambda _: 1.0)
    last = [None]

    def network(name, seconds):
        run = quiet.network(seconds)

        def cold():
            lap = run()
            first, last[0] = last[0] != name, name
            return Lap(lap.seconds * (3 if first else 1), lap.passed)

        return cold

    found = interleave(network("a", 0.02), network("b", 0.01), 1.0)
    assert (found.milliseconds, found.high, found.ratio) == pytest.approx((20, 20, 2))


def test_the_share_of_the_core_is_that_of_the_time_that_counts(machine):
    shared = machine(lambda _: 1.0)
    run = shared.network(0.01)
    found = interleave(lambda: Lap(0.25 * run().seconds, 0.01), None, 0.5)
    assert found.core_share == pytest.approx(0.25)


def test_quartiles_are_those_of_numpy():
    numbers = list(itertools.islice(itertools.cycle([3.0, 1.0, 7.0, 4.0, 9.0]), 23))
    assert summarize(numbers) == pytest.approx(tuple(np.percentile(numbers, [50, 25, 75])))
    assert summarize([2.5]) == (2.5, 2.5, 2.5)
