"""How a latency is measured so that a noisy machine does not decide it.

A block of runs of the network and a block of runs of a reference network take turns, a few dozen
milliseconds each. Whatever slows the machine down for longer than that slows both down, so their ratio stays.
LOG.md has how far it moves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

WARM_UP = 5
BLOCK_SECONDS = 0.05
"""A block of the network; one of the reference is half as long."""
LEAST_RUNS = 10
LEAST_BLOCKS = 5


class Lap(NamedTuple):
    """One run: the ``seconds`` that count, and those that passed."""

    seconds: float
    passed: float


@dataclass(frozen=True)
class Measurement:
    """The latency of one network for one batch.

    Args:
        milliseconds: the median of all runs.
        low, high: their quartiles, in milliseconds.
        ratio: to the reference, the median over pairs of neighbouring blocks; None without a reference.
        reference_milliseconds: the median of the reference's runs in between.
        peak_memory: bytes for loading and running the network, above an idle process; None if unknown.
        runs: of the network, those that count.
        core_share: the share of the time in which the process had its core; None if that is not known.
        steady_ratio: to the reference, of what a tenth of the runs of each stay below. Beside busy processes
            a network loses its core and its caches every few milliseconds; those runs were not disturbed.
    """

    milliseconds: float
    low: float
    high: float
    ratio: float | None = None
    reference_milliseconds: float | None = None
    peak_memory: int | None = None
    runs: int = 1
    core_share: float | None = None
    steady_ratio: float | None = None


def summarize(milliseconds: list[float]) -> tuple[float, float, float]:
    """Median and quartiles."""
    if len(milliseconds) == 1:
        return (milliseconds[0],) * 3
    low, middle, high = statistics.quantiles(milliseconds, n=4, method="inclusive")
    return middle, low, high


def interleave(
    network: Callable[[], Lap],
    reference: Callable[[], Lap] | None,
    seconds: float,
) -> Measurement:
    """Runs the network for at least ``seconds`` and ``LEAST_RUNS``, and the reference between its blocks.

    Each block begins with a run that does not count: it finds the caches full of the other network. The ratio
    of a block is that to the mean of the reference's blocks before and after it.
    """
    started = time.monotonic()
    for one in filter(None, (network, reference)):
        for _ in range(WARM_UP):
            one()
            if time.monotonic() - started > seconds:  # a slow network: five runs would take minutes
                break
    counts = {one: _block_runs(one) for one in filter(None, (network, reference))}

    def block(one: Callable[[], Lap], share: float = 1.0) -> list[Lap]:
        one()
        return [one() for _ in range(max(1, round(share * counts[one])))]

    blocks: list[list[Lap]] = []
    between = [block(reference, 0.5)] if reference else []
    taken = 0.0
    while taken < seconds or sum(map(len, blocks)) < LEAST_RUNS or len(blocks) < LEAST_BLOCKS:
        began = time.perf_counter()
        blocks.append(block(network))
        taken += time.perf_counter() - began
        if reference:
            between.append(block(reference, 0.5))
    laps = [lap for one in blocks for lap in one]
    middle, low, high = summarize([1000 * lap.seconds for lap in laps])
    ratio = typical = steady = None
    if between:
        around = [_median(one) for one in between]
        pairs = zip(blocks, around, around[1:], strict=False)
        ratio = statistics.median(2 * _median(one) / (before + after) for one, before, after in pairs)
        typical = 1000 * statistics.median(lap.seconds for one in between for lap in one)
        steady = _undisturbed(laps) / _undisturbed([lap for one in between for lap in one])
    share = sum(lap.seconds for lap in laps) / sum(lap.passed for lap in laps)
    return Measurement(
        *(middle, low, high, ratio, typical), runs=len(laps), core_share=min(share, 1.0), steady_ratio=steady
    )


def _undisturbed(laps: list[Lap]) -> float:
    """The seconds that a tenth of the runs stay below."""
    return statistics.quantiles([lap.seconds for lap in laps], n=10, method="inclusive")[0]


def _median(block: list[Lap]) -> float:
    return statistics.median(lap.seconds for lap in block)


def _block_runs(one: Callable[[], Lap]) -> int:
    """How many runs make a block."""
    return max(1, round(BLOCK_SECONDS / max(one().seconds, 1e-6)))
