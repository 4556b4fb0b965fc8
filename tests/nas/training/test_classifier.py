"""A trained network in use."""

import json

import numpy as np
import pytest
from PIL import Image

from nas import InputError, load_classifier
from nas.data import load_data
from nas.training.weights import read_header

TINY = "res8-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-head64"


def test_a_trained_network_names_the_classes_of_files_and_of_images(nas, tmp_path):
    rng = np.random.default_rng(0)
    for name, shade in (("dark", 40), ("light", 200)):  # colours, larger than the network's images
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(shade - 30, shade + 30, (24, 30, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    recipe = ["--recipe", "proxy", "--threads", 1]
    for field in ("resolution=0", "width=1", "batch_size=8", "crop=random_resized"):
        recipe += ["--set", field]
    assert nas("train", TINY, "--data", "folder:photos", *recipe, "--epochs", 12, "--run", "r", "-q")[0] == 0
    classify = load_classifier("r")
    files = sorted((tmp_path / "photos").rglob("*.png"))
    found = classify(files)
    assert np.mean([name == file.parent.name for (name, _), file in zip(found, files, strict=True)]) > 0.8
    test = load_data("folder:photos", size=9).test
    right = [
        name == ("dark", "light")[label]
        for (name, _), label in zip(classify(test.images[:]), test.labels, strict=True)
    ]
    assert np.mean(right) == json.loads(read_header(tmp_path / "r")["test_accuracy"])
    assert all(0.5 <= share <= 1 for _, share in found)
    pixels = np.stack([np.asarray(Image.open(file))[:, 3:27] for file in files])  # the middle square
    assert [name for name, _ in classify(pixels)] == [name for name, _ in found]
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(InputError, match=r"images must be image files \(.*\), got text.png"):
        classify(["text.png"])
    with pytest.raises(InputError, match="run must have readable weights"):
        load_classifier("photos")
