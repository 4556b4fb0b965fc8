"""Do zero-cost proxies say something about accuracy that costs do not, and does it help the model?

    python benchmarks/zero_cost.py [--networks 200] [--side 32] [--splits 20]

On untrained networks whose accuracies are known (Accel-NASBench: ImageNet; NAS-Bench-Macro: CIFAR-10),
prints Kendall's tau of each proxy with accuracy, and of their residuals after a regression on log costs; the
seconds that a proxy takes; and tau of the controller's Gaussian process, told 20, 50 or 100 networks, on the
others, with and without the proxies as features.

synflow  sum of |weight x gradient| in a linearised network (Tanaka et al. 2020, arXiv:2006.05467)
naswot   log-determinant of the kernel of activation patterns (Mellor et al. 2021, arXiv:2006.04647)
"""

from __future__ import annotations

import time

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau
from script import ACCEL_TABLE, MACRO_TABLE, make_parser
from torch import Tensor, nn

from controllers.features import Features
from controllers.gaussian_process import GaussianProcess
from nas.search.tables import read_table
from search_spaces import SPACES, ArchSpec, cost
from search_spaces.network import Network, build_network

TABLES = {"accel-nasbench": ACCEL_TABLE, "nasbench-macro": MACRO_TABLE}
TOLD = (20, 50, 100)


def synflow(network: Network, side: int) -> float:
    """log of the sum over weights of |w dR/dw|, where R is the output for ones with every weight made |w|."""
    network.eval()  # in evaluation mode, a new network's BN is the identity
    with torch.no_grad():
        for weight in network.parameters():
            weight.abs_()
    network.double()(torch.ones(1, 3, side, side, dtype=torch.float64)).sum().backward()
    flows = [
        (weight.detach() * weight.grad).abs().sum()
        for weight in network.parameters()
        if weight.grad is not None
    ]
    return float(torch.stack(flows).sum().log())


def naswot(network: Network, side: int, images: int = 32) -> float:
    """log det of the matrix that counts, for each two noise images, the activations on or off in both."""
    kernel = torch.zeros(images, images, dtype=torch.float64)

    def count(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
        on = (inputs[0].flatten(1) > 0).double()
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    for module in network.modules():
        if isinstance(module, nn.SiLU | nn.ReLU):
            module.inplace = False
            module.register_forward_hook(count)
    network.train()  # so that BN centres the activations whose signs are counted
    with torch.no_grad():
        network(torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(0)))
    return float(torch.linalg.slogdet(kernel)[1])


PROXIES = {"synflow": synflow, "naswot": naswot}


def measure(archs: list[ArchSpec], side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The proxies `[N, P]`, and the seconds of each `[P]`."""
    values, seconds = np.empty((len(archs), len(PROXIES))), np.zeros(len(PROXIES))
    for row, arch in enumerate(archs):
        for column, proxy in enumerate(PROXIES.values()):
            torch.manual_seed(row)
            started = time.perf_counter()
            values[row, column] = proxy(build_network(arch, 10), side)
            seconds[column] += time.perf_counter() - started
    return values, seconds / len(archs)


def residual(values: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """The residuals `[N]` of a linear regression of ``values`` `[N]` on ``known`` `[N, K]`."""
    design = np.column_stack([np.ones(len(known)), known])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Kendall's tau."""
    return float(kendalltau(a, b).statistic)


def model_tau(
    features: NDArray[np.float64],
    groups: NDArray[np.int64],
    accuracies: NDArray[np.float64],
    told: int,
    splits: int,
) -> float:
    """Mean tau of the Gaussian process, told some of the networks, on the others."""
    found = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(accuracies))
        known, new = order[:told], order[told:]
        process = GaussianProcess(groups)
        process.learn(features[known], accuracies[known])
        predict = process.condition(features[known], accuracies[known])
        found.append(tau(predict(features[new])[0], accuracies[new]))
    return float(np.mean(found))


def main() -> None:
    """Prints a table for each space."""
    parser = make_parser(__doc__)
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--splits", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, file in TABLES.items():
        space = SPACES[name]
        every, known = read_table(file, space)
        drawn = np.random.default_rng(0).permutation(len(every))[: options.networks]
        archs, accuracies = [every[row] for row in drawn], known[drawn]
        costs = np.log([cost(arch, space.num_classes)[:3] for arch in archs])
        proxies, seconds = measure(archs, options.side)
        columns = {"FLOPs": costs[:, 0], "params": costs[:, 1], "activations": costs[:, 2]}
        columns |= dict(zip(PROXIES, proxies.T, strict=True))
        print(f"{name}: {len(archs)} networks; tau with accuracy, tau of residuals on log costs, seconds")
        for column, values in columns.items():
            line = f"  {column:12} {tau(values, accuracies):6.3f}"
            if column in PROXIES:
                rest = tau(residual(values, costs), residual(accuracies, costs))
                line += f" {rest:6.3f} {seconds[list(PROXIES).index(column)]:6.2f}"
            print(line, flush=True)
        features = Features(
            space, lambda actions, space=space: cost(space.decode(actions), space.num_classes)
        )
        encoded, _ = features(np.array([space.encode(arch) for arch in archs]))
        standard = (proxies - proxies.mean(axis=0)) / proxies.std(axis=0)
        decisions = features.groups < len(space.decisions)
        variants = {
            "decisions": (encoded[:, decisions], features.groups[decisions]),
            "and costs": (encoded, features.groups),
            "and proxies": (
                np.column_stack([encoded, standard]),
                np.append(features.groups, features.groups.max() + np.arange(1, 1 + len(PROXIES))),
            ),
        }
        print(f"  tau of the model, told {TOLD} networks, on the others ({options.splits} splits)")
        for variant, (matrix, groups) in variants.items():
            found = [model_tau(matrix, groups, accuracies, told, options.splits) for told in TOLD]
            print(f"  {variant:12}" + "".join(f" {value:6.3f}" for value in found), flush=True)


if __name__ == "__main__":
    main()
