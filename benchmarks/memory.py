"""Expected memory of a training run against its measured peak on a CPU: random networks, several recipes.

python benchmarks/memory.py [--networks 6]
"""

from collections.abc import Iterator

import numpy as np
import torch
from script import make_parser

from nas.data import load_data
from nas.spec.recipe import Recipe
from nas.training import expected_memory
from nas.training.trainer import Trainer
from search_spaces import PRESETS, SPACES, ArchSpec

RECIPES = {
    "proxy": Recipe(),
    "batch 32": Recipe(batch_size=32),
    "batch 512": Recipe(batch_size=512),
    "64 px, width 0.5": Recipe(resolution=64, width=0.5),
    "width 1": Recipe(width=1.0),
}
LARGE = Recipe(resolution=112, width=1.0, batch_size=32)
AVERAGED = Recipe(resolution=64, width=1.0, batch_size=8, optimizer="rmsprop", ema=0.99)


def networks(number: int) -> Iterator[tuple[str, ArchSpec, Recipe]]:
    """Random networks of two spaces (SiLU and ReLU), and EfficientNet-B0, with several recipes."""
    rng = np.random.default_rng(0)
    for name, recipe in RECIPES.items():
        for space in ("mnas", "mnas-a1"):
            for _ in range(number):
                yield name, SPACES[space].decode(SPACES[space].sample(rng)), recipe
    yield "B0, 112 px", PRESETS["efficientnet-b0"], LARGE
    yield "B0, 64 px, rmsprop, ema", PRESETS["efficientnet-b0"], AVERAGED


def main() -> None:
    """Trains each for two steps, evaluates it and prints a line."""
    parser = make_parser(__doc__)
    parser.add_argument("--networks", type=int, default=6)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data("digits")
    errors: dict[str, list[float]] = {}
    for name, arch, recipe in networks(options.networks):
        trained = recipe.shrink(arch)
        trainer = Trainer(trained, data, recipe, 0)
        trainer.steps_per_epoch = 2
        peak = trainer.next_epoch().peak_memory
        assert peak
        expected = expected_memory.expected_peak(trained, data, recipe)
        errors.setdefault(name, []).append(expected / peak - 1)
        del trainer
    errors["all"] = [error for found in errors.values() for error in found]
    for name, found in errors.items():
        print(
            f"{name:24} {len(found):3} networks, expected against measured: mean {np.mean(found):+.1%}, "
            f"{min(found):+.1%} to {max(found):+.1%}"
        )


if __name__ == "__main__":
    main()
