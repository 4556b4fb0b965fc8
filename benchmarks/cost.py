"""Architectures priced per second: our closed form against counters that run the network.

    taskset -c 0 python benchmarks/cost.py [--networks 1000] [--counted 9] [--scaled 100]

Ours: ``cost`` on EfficientNet-B0 and on random ``mnas`` networks, one at a time and from the spec;
``cost`` and ``decode`` together, from actions; ``CostTable`` on a matrix of 100,000 actions. Theirs:
fvcore (conv + linear), torch's ``FlopCounterMode`` on the meta device, where nothing is computed (it
counts 2 for a multiply-add), and ptflops if it is installed. A counter needs a network, so each
has two rows: counting alone, and counting with building the network.

With ``--scaled 100`` nothing is timed: fvcore counts 100 random versions of each base of the EfficientNet
paper, with 0.25 to 1.5 times the width and the depth, at 32 to 128 px, and each must equal ``cost``.

Asserts that all agree. Exit code 1 if ``cost`` is below 4,000 times fvcore (counting alone, which
favours fvcore), or ``CostTable`` below 100,000 architectures a second. One thread.
"""

from __future__ import annotations

import importlib.util
import itertools
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from script import make_parser, print_marks
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from search_spaces import PRESETS, SPACES, ArchSpec, cost, resize
from search_spaces.cost_table import CostTable
from search_spaces.network import build_network

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # fvcore calls torch.jit.script on import
    from fvcore.nn import FlopCountAnalysis

RATIO_MARK = 4_000
VECTORISED_MARK = 100_000
MATRIX_ROWS = 100_000
BASES = ("mobilenet-v1", "mobilenet-v2", "resnet-50", "resnet-152", "efficientnet-b0")


def fvcore_flops(network: nn.Module, resolution: int) -> int:
    """Convolutions and linear layers; fvcore's default total adds BN and pooling."""
    analysis = FlopCountAnalysis(network, torch.zeros(1, 3, resolution, resolution))
    with torch.no_grad():
        by_operator = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    return int(by_operator["conv"] + by_operator["linear"])


def torch_flops(network: nn.Module, resolution: int) -> int:
    """``FlopCounterMode`` on a network on the meta device, in multiply-adds."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, resolution, resolution, device="meta"))
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2


def ptflops_flops(network: nn.Module, resolution: int) -> int:
    """ptflops' convolutions and linear layers, less their biases, which it counts once per output.

    Only SE and the classifier have biases, on 1x1 maps: one addition each.
    """
    from ptflops import get_model_complexity_info

    flops, _ = get_model_complexity_info(
        network,
        (3, resolution, resolution),
        print_per_layer_stat=False,
        as_strings=False,
        backend="aten",
    )
    biases = [
        m.bias for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None
    ]
    return int(flops) - sum(bias.numel() for bias in biases)


Counter = Callable[[nn.Module, int], int]
COUNTERS: dict[str, tuple[Counter, str]] = {
    "fvcore": (fvcore_flops, "cpu"),
    "torch FlopCounterMode, meta": (torch_flops, "meta"),
    "ptflops": (ptflops_flops, "cpu"),
}


def build(arch: ArchSpec, device: str) -> nn.Module:
    """The network of ``arch`` in evaluation mode."""
    with torch.device(device):
        return build_network(arch, 1000).eval()


def scaled_marks(versions: int) -> dict[str, bool]:
    """For each base, whether all its scaled ``versions`` have the FLOPs and parameters that are counted."""
    marks = {}
    for name in BASES:
        rng, equal = np.random.default_rng(0), 0
        for _ in range(versions):
            width, depth = rng.uniform(0.25, 1.5, 2)
            arch = resize(PRESETS[name], width, depth, int(rng.integers(32, 129)))
            network = build(arch, "cpu")
            params = sum(parameter.numel() for parameter in network.parameters())
            equal += cost(arch)[:2] == (fvcore_flops(network, arch.resolution), params)
        marks[f"{name}: {equal} of {versions} scaled versions cost what fvcore counts"] = equal == versions
    return marks


def counter_seconds(counter: Counter, device: str, archs: list[ArchSpec]) -> tuple[float, float]:
    """Median seconds, over ``archs``, of counting and of building and counting; asserts agreement."""
    counter(build(archs[0], device), archs[0].resolution)  # first calls import and compile
    counting, both = [], []
    for arch in archs:
        started = time.perf_counter()
        network = build(arch, device)
        built = time.perf_counter()
        flops = counter(network, arch.resolution)
        ended = time.perf_counter()
        assert flops == cost(arch).flops, (
            f"{counter.__name__} counts {flops:,}, cost {cost(arch).flops:,}: {arch}"
        )
        counting.append(ended - built)
        both.append(ended - started)
    return statistics.median(counting), statistics.median(both)


def seconds_each(price: Callable[[], object], architectures: int, at_least: float = 0.3) -> float:
    """Median seconds per architecture over 5 calls of ``price``, each of which prices ``architectures``."""
    price()
    rounds = []
    for _ in range(5):
        started = time.perf_counter()
        for calls in itertools.count(1):  # noqa: B007
            price()
            elapsed = time.perf_counter() - started
            if elapsed >= at_least / 5:
                break
        rounds.append(elapsed / calls / architectures)
    return statistics.median(rounds)


def main() -> int:
    """Prints the tables and the marks."""
    parser = make_parser(__doc__)
    parser.add_argument("--networks", type=int, default=1000, help="random networks that cost() prices")
    parser.add_argument("--counted", type=int, default=9, help="how many of them the counters count")
    parser.add_argument("--scaled", type=int, default=0, help="only count so many versions of each base")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.scaled:
        return print_marks(scaled_marks(options.scaled))
    space, rng = SPACES["mnas"], np.random.default_rng(0)
    actions = [space.sample(rng) for _ in range(options.networks)]
    archs = [space.decode(a) for a in actions]
    b0 = PRESETS["efficientnet-b0"]

    matrix = rng.integers([len(d.choices) for d in space.decisions], size=(MATRIX_ROWS, len(space.decisions)))
    table = CostTable(space)
    assert table(actions).tolist() == [list(cost(arch)) for arch in archs], "CostTable and cost differ"
    ours_b0 = seconds_each(lambda: cost(b0), 1)
    ours_random = seconds_each(lambda: [cost(arch) for arch in archs], len(archs))
    decoded = seconds_each(lambda: [cost(space.decode(a)) for a in actions[:100]], len(actions[:100]))
    vectorised = seconds_each(lambda: table(matrix), len(matrix))

    print(f"torch {torch.__version__}, 1 thread, 224 px, 1000 classes; medians\n")
    print(f"{'architectures per second':<46}{'EfficientNet-B0':>20}{'random mnas':>20}")
    print(f"{'cost(arch)':<46}{1 / ours_b0:>20,.0f}{1 / ours_random:>20,.0f}")
    print(f"{'cost(space.decode(actions))':<46}{'':>20}{1 / decoded:>20,.0f}")
    print(f"{f'CostTable, matrix of {MATRIX_ROWS:,}':<46}{'':>20}{1 / vectorised:>20,.0f}")
    ratios = []
    for name, (counter, device) in COUNTERS.items():
        if name == "ptflops" and importlib.util.find_spec("ptflops") is None:
            print(f"{'ptflops':<46}{'not installed':>20}")
            continue
        of_b0 = counter_seconds(counter, device, [b0] * options.counted)
        of_random = counter_seconds(counter, device, archs[: options.counted])
        for label, on_b0, on_random in zip(("", " + building"), of_b0, of_random, strict=True):
            on = (on_b0 / ours_b0, on_random / ours_random)
            cells = (
                f"{1 / seconds:,.1f} (1/{ratio:,.0f})"
                for seconds, ratio in zip((on_b0, on_random), on, strict=True)
            )
            print(f"{name + label:<46}" + "".join(f"{cell:>20}" for cell in cells))
            if name == "fvcore" and not label:
                ratios += on
    print(f"\nAll counters agree on B0 and on {options.counted} random networks.")

    ratio, rate = min(ratios), 1 / vectorised
    return print_marks(
        {
            f"cost() is {ratio:,.0f}x fvcore, mark {RATIO_MARK:,}x": ratio >= RATIO_MARK,
            f"CostTable prices {rate:,.0f} a second, mark {VECTORISED_MARK:,}": rate >= VECTORISED_MARK,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
