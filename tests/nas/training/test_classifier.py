"""A trained network in use."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from nas import InputError, load_classifier
from nas.data import load_data
from nas.training.weights import read_header, write_weights
from search_spaces import ArchSpec
from search_spaces.network import build_network

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
    with pytest.raises(InputError, match="run must be a trained network"):
        load_classifier("photos")


def test_it_pads_and_divides_as_the_network_that_was_trained(tmp_path):
    torch.manual_seed(0)
    arch = ArchSpec.parse(TINY)
    network = build_network(arch, 2, padding="same", bn_epsilon=1e-5).eval()
    header = {"arch": TINY, "classes": '["a", "b"]', "in_channels": "3", "view": "whole", "epochs": "1"}
    header |= {"mean": "[0, 0, 0]", "deviation": "[255, 255, 255]", "test_accuracy": "null"}
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_var.uniform_(0.002, 0.01)
        x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
        logits = network(x)
        network.classifier.weight.mul_(1 / logits.std())  # away from probabilities of 1
        expected = network(x).softmax(1).max(1).values
    tensors = network.state_dict()
    found = []
    for stated in ({"padding": "same", "bn_epsilon": "1e-05"}, {}):
        write_weights(tmp_path, tensors, {**header, **stated})
        found.append([share for _, share in load_classifier(tmp_path)(images)])
    np.testing.assert_allclose(found[0], expected, rtol=1e-4)
    assert not np.allclose(found[1], expected, rtol=1e-2)
    write_weights(tmp_path, tensors, {**header, "padding": "valid"})
    with pytest.raises(InputError, match=r"run must have readable weights \(padding must be one of "):
        load_classifier(tmp_path)
