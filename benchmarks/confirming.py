"""Which --confirm and --confirm-seeds find the best network? Simulated, so that the truth is known.

    python benchmarks/confirming.py [--networks 24] [--noise 0.025] [--searches 1000]

The networks' true accuracies are Gaussian, or Gaussian with one network in six that hardly trains. For
each way to spend about six more training runs on K networks, S fresh seeds each, prints: how far the
true accuracy of the chosen network is below the best one's (regret), choosing by the highest single
result, the highest plain mean, the highest posterior mean, and the highest posterior mean of the K alone;
how far the winner's reported accuracy is above its true one (optimism); and the median ratio of the
estimated noise to the true noise.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from script import make_parser

from reports.uncertainty import measured_noise, posterior, usual


def main() -> None:
    """Prints one line per truth, K and S."""
    parser = make_parser(__doc__)
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--noise", type=float, default=0.025)
    parser.add_argument("--searches", type=int, default=1000)
    options = parser.parse_args()
    print(f"{options.networks} networks, noise {options.noise}; regret and optimism in 1/1000 of accuracy")
    print(
        "truth      K S  regret: once      mean posterior      of K"
        "  optim.: once      mean posterior      of K         noise found"
    )
    for name, spread, failing in (("equal", 0.0, 0.0), ("narrow", 0.02, 0.0), ("failing", 0.02, 1 / 6)):
        for k, s in ((0, 0), (6, 1), (3, 2), (2, 3), (4, 2), (3, 3)):
            rng = np.random.default_rng(0)
            rows = [
                search(rng, options.networks, options.noise, spread, failing, k, s)
                for _ in range(options.searches)
            ]
            regret, optimism, noise = (np.array([row[i] for row in rows]) for i in range(3))
            cells = 1000 * np.concatenate([regret.mean(axis=0), optimism.mean(axis=0)])
            found = (
                ""
                if not k
                else f"{np.median(noise):.2f} ({np.quantile(noise, 0.05):.2f}-{np.quantile(noise, 0.95):.2f})"
            )
            print(
                f"{name:9} {k:2} {s}  " + "".join(f"{cell:10.1f}" for cell in cells) + f"{found:>20}",
                flush=True,
            )


def search(
    rng: np.random.Generator, networks: int, noise: float, spread: float, failing: float, k: int, s: int
) -> tuple[list[float], list[float], float]:
    """Regret and optimism of four ways to choose, and the ratio of the estimated noise to the true noise."""
    truth = rng.normal(0.9, spread, networks) - rng.uniform(0.1, 0.5, networks) * (
        rng.random(networks) < failing
    )
    first = truth + rng.normal(0, noise, networks)
    top = np.argsort(-first)[:k]
    again = truth[top, None] + rng.normal(0, noise, (k, s))
    counts = np.ones(networks, int)
    counts[top] += s
    mean = first.copy()
    mean[top] = (first[top] + again.sum(axis=1)) / counts[top]
    deviation, estimate = np.nan, first
    if k:
        number = np.arange(networks)
        trials = pd.DataFrame(
            {
                "trial": number,
                "arch": number,
                "status": "done",
                "repeat_of": pd.NA,
                "accuracy": first,
                "epochs": 4,
                "flops": 1,
            }
        )
        found = measured_noise(
            trials, pd.DataFrame({"trial": np.repeat(top, s), "accuracy": again.reshape(-1)})
        )
        assert found is not None
        deviation = found.deviation
        estimate, _ = posterior(mean, counts, first, usual(first, np.ones(networks)), deviation)
    of_k = np.where(np.isin(np.arange(networks), top) | (k == 0), estimate, -np.inf)
    ways = (first, mean, estimate, of_k)
    picks = [int(np.argmax(values)) for values in ways]
    shown = [float(values[pick]) for values, pick in zip(ways, picks, strict=True)]
    return (
        [float(truth.max() - truth[pick]) for pick in picks],
        [value - float(truth[pick]) for value, pick in zip(shown, picks, strict=True)],
        deviation / noise,
    )


if __name__ == "__main__":
    main()
