"""Where weights come from, and files that hold none."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.constants import HF_HUB_CACHE
from library_names import random_state, renamed, timm
from weight_files import line, lite0, saved, state_of

from nas.training.pretrained import load_pretrained
from search_spaces import PRESETS, ArchSpec

SMALL = ArchSpec.parse("res32-silu-stem8-mb1_r1_k3_s1_c8_se0.25-head16")


# The hub.


def cached(repository, files):
    """Puts a repository into the cache of Hugging Face's hub, as a download would."""
    folder = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    for part in ("refs", "snapshots/0123abc"):
        (folder / part).mkdir(parents=True)
    (folder / "refs/main").write_text("0123abc")
    for name, state in files.items():
        if isinstance(state, str):
            (folder / "snapshots/0123abc" / name).write_text(state)
        else:
            saved(folder / "snapshots/0123abc" / name, state)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_the_hubs_weights_are_recognised_by_the_repositorys_name(file):
    arch, expected = PRESETS["efficientnet-lite0"], state_of("efficientnet-lite0")
    repository = f"timm/tf_efficientnet_lite0.{file[:5]}"
    cached(repository, {file: renamed(arch, expected, timm)})
    found = load_pretrained(f"hf:{repository}")
    assert (found.name, found.layout, found.arch) == (repository, "timm-tf", arch)
    assert torch.equal(found.tensors["classifier.bias"], expected["classifier.bias"])


def test_the_hubs_config_says_how_images_were_normalised():
    arch, expected = PRESETS["efficientnet-lite0"], state_of("efficientnet-lite0")
    config = {
        "architecture": "efficientnet_lite0",
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.2] * 3},
    }
    files = {"model.safetensors": renamed(arch, expected, timm), "config.json": json.dumps(config)}
    cached("someone/flowers", files)
    found = load_pretrained("hf:someone/flowers")
    assert (found.layout, found.padding) == ("timm", "symmetric")
    np.testing.assert_allclose(found.mean, (25.5, 51, 76.5))


@pytest.mark.parametrize("repository", ["timm/nothing", "../etc", ""])
def test_what_the_hub_does_not_give_is_one_line(repository):
    text = line(f"hf:{repository}")
    assert text.startswith("init must be a repository with model.safetensors or pytorch_model.bin (")
    assert text.endswith(f"), got hf:{repository}")


# What is refused.


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_runs_none(tmp_path, zipped):
    path, made = tmp_path / "a.pth", tmp_path / "made"
    content = {"_conv_stem.weight": Harmful(made)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert line(path) == (
        "init must be a state dict of tensors alone, got a pickle that asks for posix.mkdir, "
        f"and was not loaded: {path}"
    )
    path.write_bytes(pickle.dumps(content))
    assert line(path) == f"init must be a file of weights, got one of another kind, or a damaged one: {path}"
    assert not made.exists()


@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("file", ["a.pth", "a.safetensors", "old.pth"])
def test_a_truncated_file_is_one_line(tmp_path, file, share):
    path, state = tmp_path / file, renamed(SMALL, random_state(SMALL, 5), lambda _, module: module)
    if file == "old.pth":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        saved(path, state)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert line(path).startswith(
        ("init must be a readable file of weights (", "init must be a file of weights")
    )


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ({}, "an empty dict"),
        ({"state_dict": {}}, "an empty dict"),
        ([torch.zeros(1)], "list"),
        (torch.zeros(1), "Tensor"),
        ({"epoch": 3}, "int at epoch"),
        ({"a": torch.zeros(1), "lr\n": 0.1}, "float at lr\\n"),
        ({1: torch.zeros(1)}, "Tensor at 1"),
    ],
)
def test_what_is_no_state_dict_is_one_line(tmp_path, content, got):
    path = saved(tmp_path / "a.pth", content)
    assert line(path) == f"init must be a state dict, names and tensors, got {got}: {path}"


def test_weights_of_another_kind_of_network_are_one_line(tmp_path):
    path = saved(tmp_path / "a.pth", {"patch\nembed.weight": torch.zeros(2, 3), "b": torch.zeros(1)})
    assert line(path) == (
        "init must be weights of a MobileNet, EfficientNet or ResNet, named as by torchvision, timm, "
        f"lukemelas, rangilyu or `nas train`, got patch\\nembed.weight [2, 3] and 1 others: {path}"
    )


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (torch.tensor([1.0, float("nan")]).repeat(500), "hold finite numbers, got nan in _fc.bias"),
        (torch.full((1000,), -float("inf")), "hold finite numbers, got -inf in _fc.bias"),
        (
            torch.zeros(1000, dtype=torch.int8),
            "hold dense floating-point numbers, got torch.int8 in _fc.bias",
        ),
        (torch.zeros(1000).to_sparse(), "hold dense floating-point numbers, got torch.float32 in _fc.bias"),
    ],
)
def test_wrong_values_are_one_line_that_names_the_tensor(tmp_path, values, rule):
    path = saved(tmp_path / "a.pth", lite0() | {"_fc.bias": values})
    assert line(path) == f"init must {rule}: {path}"


@pytest.mark.parametrize("source", ["", "efficientnet-lite3", "~nobody at all", "no/such\nfile.pth"])
def test_what_is_nothing_is_one_line(source):
    got = source.replace("\n", "\\n") or "nothing"
    assert line(source) == (
        "init must be a file of weights, a run of `nas train`, hf:REPO or one of efficientnet-lite0, "
        f"efficientnet-lite1, efficientnet-lite2, got {got}"
    )
