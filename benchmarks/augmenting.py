"""Images per second of each augmentation, in one thread, and the share of training time it would take.

    taskset -c 1 python benchmarks/augmenting.py [--images FILE.npz] [--sides 32 224] [--device cpu]

Ours runs on batches of 128; Pillow image by image with the same policies; kornia, if installed, also image by
image, because it draws one sub-policy for a whole batch. Then steps of the default recipe on random ``mnas``
networks, and the time of EfficientNet's augmentation as a share of a step. Counts CPU seconds of this
process, so that other processes disturb less; on CUDA, wall-clock seconds.
"""

from __future__ import annotations

import importlib.util
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from script import CIFAR, make_parser

from nas.data import Dataset, Part
from nas.spec.recipe import EFFICIENTNET, Recipe, enlarged
from nas.training.augment import augment
from nas.training.policies import POLICIES, SIGNED, Policy
from nas.training.trainer import Trainer
from search_spaces import SPACES

BATCH = 128
RECIPES = {
    "flip": Recipe(flip=True),
    "padded crop, flip": Recipe(crop="padded", flip=True),
    "random-resized crop, flip": Recipe(crop="random_resized", flip=True),
    **{policy: Recipe(policy=policy) for policy in POLICIES},
    "mixup": Recipe(mixup=0.2),
    "cutmix": Recipe(cutmix=1.0),
    "mixup or cutmix": Recipe(mixup=0.2, cutmix=1.0),
    "EfficientNet's": EFFICIENTNET,
}
AFFINE = {
    "shear_x": lambda m, _: (1, m, 0, 0, 1, 0),
    "shear_y": lambda m, _: (1, 0, 0, m, 1, 0),
    "translate_x": lambda m, side: (1, 0, m * side, 0, 1, 0),
    "translate_y": lambda m, side: (1, 0, 0, 0, 1, m * side),
}


def seconds(call: Callable[[], object], device: str, at_least: float = 1.0) -> float:
    """The median of several calls, after a first one."""
    cuda = torch.device(device).type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    call()
    rounds: list[float] = []
    while sum(rounds) < at_least or len(rounds) < 5:
        if cuda:
            torch.cuda.synchronize()
        started = clock()
        call()
        if cuda:
            torch.cuda.synchronize()
        rounds.append(clock() - started)
    return float(np.median(rounds))


def pillow_step(image: Image.Image, name: str, m: float) -> Image.Image:
    """One operation in Pillow."""
    grey, side = (128, 128, 128), image.width
    if name == "rotate":
        return image.rotate(m, fillcolor=grey)
    if name in AFFINE:
        return image.transform(image.size, Image.Transform.AFFINE, AFFINE[name](m, side), fillcolor=grey)
    if name in ("brightness", "color", "contrast", "sharpness"):
        return getattr(ImageEnhance, name.title())(image).enhance(m)
    if name in ("posterize", "solarize"):
        return getattr(ImageOps, name)(image, int(m))
    if name == "solarize_add":
        return image.point([min(255, v + int(m)) if v < 128 else v for v in range(256)] * 3)
    if name == "cutout":
        x, y, half = random.random() * side, random.random() * side, m * side
        image.paste(grey, (int(x - half), int(y - half), int(x + half), int(y + half)))
        return image
    return getattr(ImageOps, name)(image)


def pillow(images: NDArray[np.uint8], policy: Policy) -> None:
    """Each image with its own operations, from an array and back."""
    for array in images:
        image = Image.fromarray(array.copy())
        for _ in range(policy.draws):
            for name, probability, magnitude in random.choice(policy.choices):
                if random.random() < probability:
                    sign = -1 if name in SIGNED and random.random() < 0.5 else 1
                    image = pillow_step(image, name, sign * magnitude)
        np.asarray(image)


def kornia(images: torch.Tensor, policy: str) -> None:
    """kornia's policies of the same names, image by image."""
    from kornia.augmentation.auto import AutoAugment, RandAugment, TrivialAugment

    make = {
        "autoaugment": AutoAugment,
        "randaugment": lambda: RandAugment(2, 10),
        "trivialaugment": TrivialAugment,
    }
    distort = make[policy]()
    for image in images:
        distort(image[None])


def step_seconds(side: int, networks: int, device: str) -> float:
    """The mean training step of the default recipe on random networks."""
    recipe = Recipe(resolution=side, epochs=1, batch_size=BATCH)
    rng = np.random.default_rng(0)
    part = Part(rng.integers(0, 256, (BATCH, side, side, 3), np.uint8), np.arange(BATCH) % 10)
    data = Dataset("noise", tuple(map(str, range(10))), part, Part(part.images[:8], part.labels[:8]))
    times = []
    for _ in range(networks):
        arch = SPACES["mnas"].decode(SPACES["mnas"].sample(rng))
        trainer = Trainer(recipe.shrink(arch), data, recipe, 0, device)
        times.append(seconds(trainer.next_epoch, device))
    return float(np.mean(times))


def compare(source: list[Image.Image], side: int, networks: int, device: str) -> None:
    """Prints the table for images of one side."""
    print(f"{side} px, batches of {BATCH}, {device}: images a second")
    labels = torch.arange(BATCH, device=device) % 10
    views = {
        size: np.stack([np.asarray(i.resize((size, size), Image.Resampling.BICUBIC)) for i in source])
        for size in (side, enlarged(side))
    }
    ours = {}
    for name, recipe in RECIPES.items():
        arrays = views[enlarged(side) if recipe.crop == "random_resized" else side]
        images = torch.tensor(arrays, device=device).permute(0, 3, 1, 2)
        ours[name] = seconds(partial(augment, images, labels, recipe, side, 10), device)
        line = f"  {name:<28}{BATCH / ours[name]:>10,.0f}"
        if name in POLICIES:
            line += f"   Pillow {BATCH / seconds(partial(pillow, arrays, POLICIES[name]), 'cpu'):>8,.0f}"
            if importlib.util.find_spec("kornia"):
                floats = (images.float() / 255).contiguous()
                line += f"   kornia {BATCH / seconds(partial(kornia, floats, name), device):>8,.0f}"
        print(line, flush=True)
    if networks:
        step = step_seconds(side, networks, device)
        share = ours["EfficientNet's"] / step
        print(f"  {'a default step':<28}{BATCH / step:>10,.0f}   EfficientNet's is {share:.1%} of it")


def main() -> None:
    """Prints the tables."""
    parser = make_parser(__doc__)
    parser.add_argument("--images", type=Path, default=CIFAR, help="npz with train_x, real colour images")
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 224], help="in pixels")
    parser.add_argument("--networks", type=int, default=4, help="networks to train for comparison")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)
    with np.load(options.images) as file:
        source = [Image.fromarray(array) for array in file["train_x"][:BATCH]]
    for side in options.sides:
        compare(source, side, options.networks, options.device)


if __name__ == "__main__":
    main()
