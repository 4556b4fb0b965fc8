"""Does the proxy rank architectures, or noise? Trains random networks, each with several seeds.

    taskset -c 1 python benchmarks/proxy.py --data digits --networks 16 --seeds 2 [--width 0.5 ...]

Every field of ``nas.recipe.Recipe`` is an option. Prints each network's accuracies, Kendall's tau
between seeds (mean over seed pairs, and a 95 % bootstrap interval over networks), the standard
deviation between seeds against that between architectures, and the CPU seconds of a trial, which
runs in one thread. Two processes on one machine's two cores take longer each.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from nas.data import load_data
from nas.recipe import Recipe
from nas.training import train
from search_spaces import SPACES, cost


def kendall_between_seeds(accuracies: NDArray[np.float64]) -> float:
    """Mean tau-b over the pairs of columns of ``accuracies``: `[networks, seeds]`."""
    pairs = itertools.combinations(accuracies.T, 2)
    return float(np.mean([kendalltau(a, b).statistic for a, b in pairs]))


def bootstrap_interval(accuracies: NDArray[np.float64], draws: int = 2000) -> tuple[float, float]:
    """95 % interval of ``kendall_between_seeds`` over networks drawn with replacement.

    A network that is drawn twice is tied with itself; tau-b leaves such pairs out.
    """
    rng = np.random.default_rng(0)
    count = len(accuracies)
    taus = [kendall_between_seeds(accuracies[rng.integers(count, size=count)]) for _ in range(draws)]
    low, high = np.nanpercentile(taus, [2.5, 97.5])
    return float(low), float(high)


def deviations(accuracies: NDArray[np.float64]) -> tuple[float, float]:
    """Standard deviations between seeds and, with the seeds' share taken out, between architectures."""
    seed_variance = accuracies.var(axis=1, ddof=1).mean()
    arch_variance = accuracies.mean(axis=1).var(ddof=1) - seed_variance / accuracies.shape[1]
    return float(np.sqrt(seed_variance)), float(np.sqrt(max(0.0, arch_variance)))


def main() -> None:
    """Trains, then prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--space", default="mnas", choices=sorted(SPACES))
    parser.add_argument("--networks", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sample-seed", type=int, default=0, help="draws the networks")
    for field in dataclasses.fields(Recipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
        )
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    proxy = Recipe(**{field.name: options[field.name] for field in dataclasses.fields(Recipe)})
    data, space = load_data(options["data"]), SPACES[options["space"]]
    print(f"{proxy}\n{len(data.train.labels)} training and {len(data.valid.labels)} validation images")
    rng = np.random.default_rng(options["sample_seed"])
    archs = [space.decode(space.sample(rng)) for _ in range(options["networks"])]
    accuracies = np.zeros((len(archs), options["seeds"]))
    seconds = np.zeros_like(accuracies)
    for i, arch in enumerate(archs):
        for seed in range(options["seeds"]):
            started = time.process_time()
            *_, last = train(arch, data, proxy, seed)
            seconds[i, seed] = time.process_time() - started
            accuracies[i, seed] = last.accuracy
        flops = cost(proxy.shrink(arch), data.num_classes).flops
        measured = " ".join(f"{accuracy:.4f}" for accuracy in accuracies[i])
        print(f"{measured}  {seconds[i].mean():5.1f} s  {flops / 1e6:5.2f}M  {arch}", flush=True)
    print(f"accuracy          mean {accuracies.mean():.4f}, {accuracies.min():.4f} to {accuracies.max():.4f}")
    print(f"seconds per trial mean {seconds.mean():.1f}, max {seconds.max():.1f}")
    if options["seeds"] > 1 and options["networks"] > 1:
        low, high = bootstrap_interval(accuracies)
        seed_deviation, arch_deviation = deviations(accuracies)
        tau = kendall_between_seeds(accuracies)
        print(f"tau between seeds {tau:.3f}, 95 % interval {low:.3f} to {high:.3f}")
        print(f"deviation         seeds {seed_deviation:.4f}, architectures {arch_deviation:.4f}")


if __name__ == "__main__":
    main()
