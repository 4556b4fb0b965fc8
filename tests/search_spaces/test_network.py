import copy
import dataclasses
import math

import numpy as np
import pytest
import torch
from strategies import every_space, random_archs
from torch import nn
from torch.nn import functional as F

from search_spaces import PRESETS, ArchSpec, StageSpec, resize
from search_spaces.arch import PADDINGS
from search_spaces.convolution import PaddedConv2d
from search_spaces.network import (
    BN_EPSILON,
    BN_MOMENTUM,
    Layer,
    Network,
    build_network,
    freeze_statistics,
)

B0 = PRESETS["efficientnet-b0"]
SMALL = ArchSpec.parse(
    "res32-silu-stem8-mb1_r1_k3_s1_c8_se0.25-mb6_r2_k5_s2_c16_se0.25-conv_r1_k3_s1_c24-linear_r1_k1_s2_c24-head32"
)


@pytest.fixture(scope="module")
def b0():
    torch.manual_seed(0)
    return build_network(B0, 1000, stochastic_depth=0.2)


def layer_of(text, in_channels, activation="relu", drop_rate=0.0):
    """The first layer of a stage given as text, with random batch statistics."""
    torch.manual_seed(0)
    layer = Layer(StageSpec.parse(text).layers(in_channels)[0], activation, drop_rate)
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return layer


def images(count, channels, side):
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def kinds(network):
    return {type(module) for module in network.modules()}


# Structure.


def test_tensors_come_in_network_order():
    names = [name.rsplit(".", 1)[0] for name in build_network(SMALL, 10).state_dict()]
    conv_bn = ["{0}.0", "{0}.1"]
    parts = ["stem"]
    parts += [f"layers.0.{part}" for part in ("depthwise", "se", "project")]  # expansion 1: no expand
    for layer in (1, 2):
        parts += [f"layers.{layer}.{part}" for part in ("expand", "depthwise", "se", "project")]
    parts += ["layers.3.conv", "layers.4.linear", "head", "classifier"]
    expected = []
    for part in parts:
        if part.endswith(".se"):
            expected += [f"{part}.reduce", f"{part}.expand"]
        elif part == "classifier":
            expected.append(part)
        else:
            expected += [name.format(part) for name in conv_bn]
    assert list(dict.fromkeys(names)) == expected


def test_b0_has_the_published_tensors(b0):
    """16 MBConvs, the first without expansion; 42,016 running means and variances. Source: FACTS sec. 4."""
    count = {kind: sum(isinstance(m, kind) for m in b0.modules()) for kind in (nn.Conv2d, nn.BatchNorm2d)}
    assert count == {nn.Conv2d: 1 + 15 * 5 + 4 + 1, nn.BatchNorm2d: 1 + 15 * 3 + 2 + 1}
    assert sum(buffer.numel() for buffer in b0.buffers() if buffer.dim()) == 42_016
    assert b0.classifier.weight.shape == (1000, 1280)


def test_batch_norm_has_the_papers_constants(b0):
    norms = [module for module in b0.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(BN_EPSILON, BN_MOMENTUM)} == {(1e-3, 0.01)}


def test_convolutions_have_a_bias_in_squeeze_and_excitation_alone(b0):
    for name, module in b0.named_modules():
        if isinstance(module, nn.Conv2d):
            assert (module.bias is not None) == (".se." in name), name


def test_the_squeeze_is_a_quarter_of_the_layers_input_channels(b0):
    squeezed = [(layer.se.reduce.in_channels, layer.se.reduce.out_channels) for layer in b0.layers]
    specs = B0.layers()
    assert squeezed == [(s.in_channels * s.expand_ratio, s.in_channels // 4) for s in specs]
    assert [narrow for _, narrow in squeezed[:6]] == [8, 4, 6, 6, 10, 10]


def test_the_depthwise_convolution_has_the_stride_and_one_group_per_channel(b0):
    for layer, spec in zip(b0.layers, B0.layers(), strict=True):
        convolution = layer.depthwise[0]
        assert convolution.groups == convolution.in_channels == spec.in_channels * spec.expand_ratio
        assert (convolution.stride, convolution.kernel_size) == ((spec.stride,) * 2, (spec.kernel,) * 2)


@pytest.mark.parametrize(
    ("activation", "used", "unused"),
    [("silu", nn.SiLU, nn.ReLU), ("relu", nn.ReLU, nn.SiLU), ("relu6", nn.ReLU6, nn.ReLU)],
)
def test_one_activation_is_used_everywhere(activation, used, unused):
    network = build_network(dataclasses.replace(SMALL, activation=activation), 10)
    assert used in kinds(network)
    assert unused not in kinds(network)
    # stem, head, 2 of the first layer's parts, 3 of each expanded layer's, the convolution; not the linear
    assert sum(isinstance(module, used) for module in network.modules()) == 2 + 2 + 2 * 3 + 1


def test_padding_and_bn_epsilon_are_those_of_the_whole_network():
    network = build_network(SMALL, 10, padding="same", bn_epsilon=1e-5)
    assert {m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-5}
    assert all(conv.same for conv in network.modules() if isinstance(conv, PaddedConv2d))
    symmetric = build_network(SMALL, 10)
    symmetric.load_state_dict(network.state_dict())
    x = images(2, 3, 32)
    assert not torch.allclose(network.eval()(x), symmetric.eval()(x))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"padding": "valid"}, r"padding must be one of \('symmetric', 'same'\), got 'valid'"),
        ({"bn_epsilon": 0.0}, "bn_epsilon must be a positive number, got 0.0"),
        ({"bn_epsilon": math.nan}, "bn_epsilon must be a positive number, got nan"),
    ],
)
def test_a_wrong_padding_or_epsilon_is_refused(field, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build_network(SMALL, 10, **field)


# What layers compute.


@pytest.mark.parametrize("text", ["mb6_r1_k3_s1_c24", "mb1_r1_k3_s2_c24_se0.25", "linear_r1_k1_s1_c24"])
def test_a_projection_is_linear(text):
    output = layer_of(text, 16).eval()(images(4, 16, 8))
    assert output.min() < 0


def test_a_regular_convolution_ends_with_its_activation():
    assert layer_of("conv_r1_k3_s1_c24", 16).eval()(images(4, 16, 8)).min() == 0


def test_an_mbconv_is_expand_depthwise_gate_project_and_the_input():
    layer, x = layer_of("mb3_r1_k5_s1_c16_se0.25", 16, "silu").eval(), images(2, 16, 7)

    def norm(y, bn):
        return F.batch_norm(y, bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=1e-3)

    y = F.silu(norm(F.conv2d(x, layer.expand[0].weight), layer.expand[1]))
    y = F.silu(norm(F.conv2d(y, layer.depthwise[0].weight, padding=2, groups=48), layer.depthwise[1]))
    means = F.adaptive_avg_pool2d(y, 1)
    squeezed = F.silu(F.conv2d(means, layer.se.reduce.weight, layer.se.reduce.bias))
    y = y * torch.sigmoid(F.conv2d(squeezed, layer.se.expand.weight, layer.se.expand.bias))
    y = norm(F.conv2d(y, layer.project[0].weight), layer.project[1])
    torch.testing.assert_close(layer(x), x + y)


@pytest.mark.parametrize("text", ["mb3_r1_k3_s1_c16", "mb3_r1_k3_s1_c16_noskip"])
def test_the_input_is_added_only_where_the_spec_says_so(text):
    layer, x = layer_of(text, 16).eval(), images(2, 16, 8)
    branch = layer.project(layer.depthwise(layer.expand(x)))
    torch.testing.assert_close(layer(x), branch if "noskip" in text else x + branch)


def test_a_layer_leaves_its_input_as_it_was():
    for text in ("conv_r1_k3_s1_c16", "mb1_r1_k3_s1_c16_se0.25", "mb6_r1_k3_s1_c16", "linear_r1_k1_s1_c16"):
        x = images(2, 16, 8)
        layer_of(text, 16).eval()(x)
        assert torch.equal(x, images(2, 16, 8)), text


# Stochastic depth and dropout.


def test_drop_rates_grow_linearly_and_only_residual_layers_have_one(b0):
    """B0's survival probability is 0.8: layer i of 16 is dropped at 0.0125 i. Source: FACTS sec. 8."""
    residual = [layer.residual for layer in B0.layers()]
    expected = [0.0125 * i if residual[i] else 0.0 for i in range(16)]
    assert [layer.drop_rate for layer in b0.layers] == pytest.approx(expected)
    assert [layer.residual for layer in b0.layers] == residual
    assert sum(rate > 0 for rate in expected) == 9


def test_a_deeper_network_drops_more_and_its_last_layer_no_more_often(b0):
    with torch.device("meta"):
        b3 = build_network(PRESETS["efficientnet-b3"], 10, stochastic_depth=0.2)
    rates, deeper = ([layer.drop_rate for layer in network.layers] for network in (b0, b3))
    assert sum(deeper) > sum(rates)
    assert max(deeper) < 0.2


def test_stochastic_depth_drops_whole_branches_and_keeps_the_expectation():
    count, rate = 4000, 0.25
    layer = layer_of("mb1_r1_k3_s1_c8", 8, drop_rate=rate)
    x = images(1, 8, 4).expand(count, -1, -1, -1)
    branch = layer.eval()(x[:1]) - x[:1]
    layer.training = True  # training mode for the layer alone, not for its batch norms
    torch.manual_seed(0)
    added = layer(x) - x
    dropped = (added == 0).all(dim=(1, 2, 3))
    torch.testing.assert_close(
        added[~dropped], (branch / (1 - rate)).expand(int((~dropped).sum()), -1, -1, -1), rtol=1e-4, atol=1e-5
    )
    share = dropped.float().mean().item()
    assert abs(share - rate) < 5 * math.sqrt(rate * (1 - rate) / count)
    torch.testing.assert_close(added.mean(0), branch[0], rtol=0.05, atol=1e-3)


def test_stochastic_depth_and_dropout_are_off_in_evaluation():
    torch.manual_seed(0)
    network = build_network(SMALL, 10, dropout=0.5, stochastic_depth=0.5).eval()
    x = images(4, 3, 32)
    assert torch.equal(network(x), network(x))
    assert network.dropout.p == 0.5
    assert not torch.equal(network.train()(x), network(x))


def test_a_layer_without_a_residual_is_never_dropped():
    layer = layer_of("mb3_r1_k3_s1_c24", 16, drop_rate=0.9)
    assert layer.drop_rate == 0
    x = images(8, 16, 4)
    expected = layer.eval()(x)
    layer.training = True
    torch.testing.assert_close(layer(x), expected)


# Initialisation.


def test_convolutions_start_normal_with_variance_2_over_fan_out(b0):
    for name, module in b0.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach()
            fan_out = module.kernel_size[0] ** 2 * module.out_channels / module.groups
            deviation, count = math.sqrt(2 / fan_out), weight.numel()
            assert abs(weight.std().item() / deviation - 1) < 5 / math.sqrt(2 * count), name
            assert abs(weight.mean().item()) < 5 * deviation / math.sqrt(count), name


def test_the_classifier_starts_uniform_within_1_over_root_of_the_outputs(b0):
    bound = 1 / math.sqrt(1000)
    weight = b0.classifier.weight.detach()
    assert 0.999 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_biases_start_at_0_and_batch_norm_at_identity(b0):
    for name, parameter in b0.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.dim() == 1:
            assert (parameter == 1).all(), name


def test_equal_seeds_build_equal_networks():
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(torch.cat([p.flatten() for p in build_network(SMALL, 10).parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


# Whole networks.


@pytest.mark.parametrize(("resolution", "last_map"), [(32, 1), (33, 2), (57, 2), (64, 2), (65, 3), (1, 1)])
def test_any_resolution_works_and_every_stride_rounds_up(b0, resolution, last_map):
    with torch.no_grad():
        x = b0.eval().stem(images(1, 3, resolution))
        assert x.shape == (1, 32, math.ceil(resolution / 2), math.ceil(resolution / 2))
        assert b0.layers(x).shape == (1, 320, last_map, last_map)
        assert b0(images(2, 3, resolution)).shape == (2, 1000)


def test_a_stem_of_stride_1_keeps_the_resolution():
    network = build_network(dataclasses.replace(SMALL, stem_stride=1), 10).eval()
    assert network.stem(images(1, 3, 17)).shape == (1, 8, 17, 17)
    assert build_network(SMALL, 10).eval().stem(images(1, 3, 17)).shape == (1, 8, 9, 9)


def test_images_may_have_one_channel():
    network = build_network(SMALL, 10, in_channels=1).eval()
    assert network.stem[0].weight.shape == (8, 1, 3, 3)
    assert network(images(2, 1, 28)).shape == (2, 10)


@every_space
def test_every_space_has_networks_that_pass_images_forward_and_gradients_back(space):
    (arch,) = random_archs(space, 1, seed=5)
    torch.manual_seed(0)
    network = build_network(arch, 10, dropout=0.2, stochastic_depth=0.2)
    assert isinstance(network, Network)
    labels = torch.from_numpy(np.arange(4) % 10)
    loss = F.cross_entropy(network(images(4, 3, 32)), labels)
    loss.backward()
    assert loss.isfinite()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(("classes", "channels"), [(0, 3), (10, 0)])
def test_counts_below_1_are_refused(classes, channels):
    with pytest.raises(
        ValueError, match=f"^num_classes and in_channels must be at least 1, got {classes} and {channels}$"
    ):
        build_network(SMALL, classes, channels)


@pytest.mark.parametrize("rates", [{"dropout": 1.0}, {"stochastic_depth": -0.1}, {"dropout": math.nan}])
def test_rates_outside_0_to_1_are_refused(rates):
    (rate,) = rates.values()
    with pytest.raises(
        ValueError, match=rf"^dropout and stochastic_depth must lie in \[0, 1\), got .*{rate}"
    ):
        build_network(SMALL, 10, **rates)


@pytest.mark.parametrize("name", ["mnasnet-a1", "efficientnet-lite0"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_frozen_statistics_are_part_of_the_convolution(name, padding):
    """The function and the gradients of BN in evaluation state; the statistics stay."""
    torch.manual_seed(0)
    network = build_network(resize(PRESETS[name], 0.25, resolution=32), 3, padding=padding).double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight.data, module.bias.data, module.running_mean):
                tensor.uniform_(0.5, 1.5)
    frozen = copy.deepcopy(network).train()
    freeze_statistics(frozen)
    images, towards = torch.randn(4, 3, 32, 32, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    found = []
    for each in (network.eval(), frozen):
        logits = each(images)
        (logits * towards).sum().backward()
        found.append([logits, *(weight.grad for weight in each.parameters())])
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected)
    assert all(
        torch.equal(tensor, frozen.state_dict()[name]) for name, tensor in network.state_dict().items()
    )
