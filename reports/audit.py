"""Do short training runs rank networks, or only noise? Compares seeds, longer schedules and known accuracies.

    trials --by_network--> accuracies of K networks on S seeds --examine--> Consistency
    two schedules, or one and known accuracies --agree--> Agreement

Letters: K networks, S training runs of each (NaN: failed, or not finished).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.kendall import Array, Tau, average_tau, difference, draws, reliability, row_means, tau_of

TOPS = (1, 3, 5, 10)


@dataclass(frozen=True)
class Expected:
    """How well the means of ``seeds`` training runs of each network are expected to rank the networks.

    again: tau with the means of as many fresh runs.
    limit: tau with the means of infinitely many runs of the same schedule.
    """

    seeds: float
    again: float
    limit: float


@dataclass(frozen=True)
class Separation:
    """How many training runs tell the best network from the first below the ``top``.

    gap: difference of their means, shrunk by the share that seed noise explains.
    seeds: runs of each until 1.96 standard errors of the difference, 1.96 sqrt(2 / seeds) noise, are at most
        the gap; None if no number is enough.
    """

    top: int
    gap: float
    seeds: int | None


@dataclass(frozen=True)
class Consistency:
    """How well one schedule agrees with itself. Taus are Kendall's tau-b.

    networks: how many have an accuracy.
    done, failed: numbers of training runs.
    seconds_mean, seconds_max, seconds_total: time of the runs that are done.
    between_seeds: mean tau between the first, second, ... runs of all networks.
    noise: standard deviation between runs of one network, pooled over all networks.
    top_noise: the same over the better half, which may be less noisy; used for ``separations``.
    spread: standard deviation between networks, without what seed noise adds to it.
    expected: for one run of each network, and for as many as there are.
    flops, params: tau of these with the mean accuracies.
    beyond_flops: ``between_seeds`` when what FLOPs explain is taken out.
    """

    networks: int
    done: int
    failed: int
    seconds_mean: float
    seconds_max: float
    seconds_total: float
    between_seeds: Tau
    noise: float
    top_noise: float
    spread: float
    expected: tuple[Expected, ...]
    separations: tuple[Separation, ...]
    flops: Tau
    params: Tau
    beyond_flops: Tau


@dataclass(frozen=True)
class Agreement:
    """How well mean accuracies agree with others: a longer schedule's, or known ones.

    networks: how many have both.
    tau: between the two.
    single: tau of single training runs with the others, averaged over the first, second, ... runs.
    ceiling: the expected tau if only seed noise kept the rankings apart; NaN if that was not measured.
    flops, params: tau of size alone with the other accuracies.
    over_flops: ``tau`` minus ``flops``.
    beyond_flops: ``tau`` when what FLOPs explain is taken out.
    regret: accuracy lost, by the other measure, by choosing the best network of the first.
    """

    networks: int
    tau: Tau
    single: Tau
    ceiling: float
    flops: Tau
    params: Tau
    over_flops: Tau
    beyond_flops: Tau
    regret: float


def by_network(trials: pd.DataFrame, archs: Sequence[str], seeds: int) -> pd.DataFrame:
    """``arch``, ``flops``, ``params`` and the accuracies ``seed_1`` to ``seed_<seeds>``, a row per network.

    Args:
        trials: a network's first trial gives its ``seed_1``, and so on.
        archs: the networks, in the order of the rows.
    """
    ordered = trials.sort_values("trial")
    ordered = ordered.assign(column=ordered.groupby("arch").cumcount())
    wide = ordered.pivot(index="arch", columns="column", values="accuracy")
    wide = wide.reindex(index=pd.Index(archs), columns=pd.RangeIndex(seeds)).astype(float)
    wide.columns = pd.Index([f"seed_{number + 1}" for number in range(seeds)])
    sizes = ordered.drop_duplicates("arch").set_index("arch")[["flops", "params"]].reindex(pd.Index(archs))
    return sizes.astype("Int64").join(wide).rename_axis("arch").reset_index()


def seeds_of(table: pd.DataFrame) -> Array:
    """The accuracies `[K, S]` of ``by_network``."""
    return table.filter(regex=r"^seed_\d+$").to_numpy(np.float64)


def sizes_of(table: pd.DataFrame, name: str) -> Array:
    """The FLOPs or parameters `[K]` of ``by_network``."""
    return table[name].to_numpy(np.float64, na_value=np.nan)


def examine(table: pd.DataFrame, trials: pd.DataFrame, rng: np.random.Generator) -> Consistency:
    """How consistent a schedule is, and what it costs.

    Args:
        table: from ``by_network``.
        trials: those that ``table`` was made of, for ``status`` and ``seconds``.
        rng: for the intervals.
    """
    accuracies = seeds_of(table)
    means, weights = row_means(accuracies), draws(len(accuracies), rng)
    seconds = trials.loc[trials["status"] == "done", "seconds"]
    pairs, flops = list(itertools.combinations(accuracies.T, 2)), sizes_of(table, "flops")
    between = average_tau(pairs, weights)
    return Consistency(
        networks=int(np.isfinite(means).sum()),
        done=len(seconds),
        failed=int((trials["status"] == "failed").sum()),
        seconds_mean=float(seconds.mean()),
        seconds_max=float(seconds.max()),
        seconds_total=float(seconds.sum()),
        between_seeds=between,
        noise=noise_of(accuracies),
        top_noise=noise_of(accuracies[better_half(means)]),
        spread=spread_of(accuracies),
        expected=tuple(expected(between.value, seeds) for seeds in sorted({1.0, trainings_of(accuracies)})),
        separations=separations(accuracies),
        flops=average_tau([(flops, means)], weights),
        params=average_tau([(sizes_of(table, "params"), means)], weights),
        beyond_flops=average_tau(pairs, weights, flops),
    )


def agree(table: pd.DataFrame, other: pd.DataFrame | Array, rng: np.random.Generator) -> Agreement:
    """How well the mean accuracies of ``table`` agree with another schedule's, or with known ones `[K]`.

    Args:
        table, other: from ``by_network``, with the same networks in the same order.
        rng: for the intervals.
    """
    accuracies = seeds_of(table)
    reliable = reliability_of(accuracies)
    if isinstance(other, pd.DataFrame):
        truth = row_means(seeds_of(other))
        reliable *= reliability_of(seeds_of(other))
    else:
        truth = np.asarray(other, np.float64)
    means, weights = row_means(accuracies), draws(len(accuracies), rng)
    both = np.isfinite(means) & np.isfinite(truth)
    truth = np.where(both, truth, np.nan)
    flops, params = sizes_of(table, "flops"), sizes_of(table, "params")
    regret = truth[both].max() - truth[both][means[both].argmax()] if both.any() else math.nan
    return Agreement(
        networks=int(both.sum()),
        tau=average_tau([(means, truth)], weights),
        single=average_tau([(column, truth) for column in accuracies.T], weights),
        ceiling=tau_of(math.sqrt(reliable)),
        flops=average_tau([(flops, truth)], weights),
        params=average_tau([(params, truth)], weights),
        over_flops=difference((means, truth), (flops, truth), weights),
        beyond_flops=average_tau([(means, truth)], weights, flops),
        regret=float(regret),
    )


def noise_of(accuracies: Array) -> float:
    """The standard deviation between runs of one network, pooled; NaN if none was trained twice."""
    freedom = int((np.isfinite(accuracies).sum(axis=1) - 1).clip(0).sum())
    squares = float(np.nansum((accuracies - row_means(accuracies)[:, None]) ** 2))
    return math.sqrt(squares / freedom) if freedom else math.nan


def spread_of(accuracies: Array) -> float:
    """The standard deviation between networks, without what seed noise adds; NaN if that is unknown."""
    means = row_means(accuracies)
    means = means[np.isfinite(means)]
    if len(means) < 2:
        return math.nan
    return math.sqrt(max(0.0, float(means.var(ddof=1)) - _noise_of_means(accuracies)))


def _noise_of_means(accuracies: Array) -> float:
    """The variance of the means due to seed noise, averaged over the networks that have a mean."""
    counts = np.isfinite(accuracies).sum(axis=1)
    return float(noise_of(accuracies) ** 2 * np.mean(1 / counts[counts > 0]))


def trainings_of(accuracies: Array) -> float:
    """The mean number of training runs of the networks that have any; 1 if none has."""
    counts = np.isfinite(accuracies).sum(axis=1)
    return float(counts[counts > 0].mean()) if counts.any() else 1.0


def reliability_of(accuracies: Array) -> float:
    """``reliability`` of the means; NaN if there is only one seed."""
    single = average_tau(itertools.combinations(accuracies.T, 2), np.ones((1, len(accuracies))))
    return reliability(single.value, trainings_of(accuracies))


def expected(tau: float, seeds: float) -> Expected:
    """What to expect of means of ``seeds`` runs, if ``tau`` is the tau between single ones."""
    reliable = reliability(tau, seeds)
    return Expected(seeds, tau_of(reliable), tau_of(math.sqrt(reliable)))


def better_half(means: Array) -> NDArray[np.intp]:
    """Row numbers of the better half of the networks that have a mean, the best first."""
    order = np.argsort(-means, kind="stable")[: int(np.isfinite(means).sum())]
    return order[: (len(order) + 1) // 2]


def separations(accuracies: Array) -> tuple[Separation, ...]:
    """Seeds needed to separate the best network from the others of the better half.

    The best of noisy means is lucky, so gaps are shrunk by the share of the variance that is noise. The
    variance is that of the better half around the median of all, because a few networks that hardly train say
    nothing about the best. LOG.md says how accurate this is.
    """
    means = row_means(accuracies)
    top = better_half(means)
    noise = noise_of(accuracies[top])
    if not math.isfinite(noise):
        return ()
    variance = float(np.mean((means[top] - np.nanmedian(means)) ** 2))
    share = max(0.0, 1 - _noise_of_means(accuracies[top]) / variance) if variance else 0.0
    found = []
    for number in TOPS:
        if number < len(top):
            gap = share * float(means[top[0]] - means[top[number]])
            seeds = max(1, math.ceil(2 * (1.96 * noise / gap) ** 2)) if gap > 0 else None
            found.append(Separation(number, gap, seeds))
    return tuple(found)
