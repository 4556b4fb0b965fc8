"""Photos of three classes that any network tells apart, and a network that was trained on them."""

import numpy as np
from fakes import start
from PIL import Image

SHADES = {"dark": 40, "grey, mid": 120, "light": 200}


def photo(path, shade, seed=0, size=(12, 14)):
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(shade - 30, shade + 30, (*size, 3), np.uint8)).save(path)


def train_on_shades(directory, arch):
    """Makes the folder ``photos`` of the three shades, and the run ``r`` of a network trained on them."""
    for name, shade in SHADES.items():
        for i in range(20):
            photo(directory / "photos" / name / f"{i}.png", shade, i)
    recipe = ["--recipe", "proxy", "--set", "resolution=0", "--set", "width=1", "--set", "batch_size=8"]
    options = ["--data", "folder:photos", *recipe, "--threads", 1, "--epochs", 6, "--run", "r", "-q"]
    process = start(directory, "train", arch, *options)
    assert (*process.communicate(), process.returncode) == ("", "", 0)
