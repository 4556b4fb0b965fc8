"""Networks that begin from the weights of another one."""

import dataclasses

import pytest
import torch
from heirs import IMAGES, STAGES, assert_same_function, heir, narrow, pretrained, small
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import arch_specs, quick, random_archs
from torch.nn import functional as F

from nas.training.bn_statistics import re_estimate
from nas.training.inherit import inherited
from search_spaces import SPACES, ArchSpec
from search_spaces.network import BN_EPSILON, build_network

# The same architecture.


@pytest.mark.parametrize("space", SPACES)
def test_the_same_architecture_inherits_everything_bit_by_bit(space):
    (arch,) = narrow(random_archs(SPACES[space], 1))
    network = pretrained(arch)
    new = build_network(arch, 5).eval()
    given_tensors = network.state_dict()
    new.load_state_dict(inherited(arch, given_tensors, arch, new.state_dict(), keep_classifier=True))
    assert all(torch.equal(tensor, given_tensors[name]) for name, tensor in new.state_dict().items())
    with torch.no_grad():
        assert torch.equal(network(IMAGES), new(IMAGES))


def test_the_classifier_is_fresh_unless_it_is_asked_for_and_the_classes_are_as_many():
    arch = small(*STAGES)
    network = pretrained(arch)
    inherits = [
        torch.equal(heir(arch, network, arch, classes, 3, keep).classifier.weight, network.classifier.weight)
        for classes, keep in ((5, True), (5, False), (4, True))
    ]
    assert inherits == [True, False, False]


def test_one_channel_is_seen_as_grey_and_other_numbers_have_a_fresh_stem():
    source, arch = small(*STAGES), small(STAGES[0], "mb3_r2_k5_s2_c12", STAGES[2])
    network = pretrained(source)
    grey = heir(source, network, arch, channels=1)
    with torch.no_grad():
        expected = network(IMAGES[:, :1].expand(-1, 3, -1, -1))
        torch.testing.assert_close(grey(IMAGES[:, :1]), expected, rtol=1e-4, atol=1e-5)
    torch.manual_seed(2)
    fresh = build_network(arch, 5, 4)
    new = heir(source, network, arch, channels=4)
    assert torch.equal(new.stem[0].weight, fresh.stem[0].weight)
    assert torch.equal(new.stem[1].running_var, fresh.stem[1].running_var)
    assert torch.equal(new.head[0].weight, network.head[0].weight)


# Fewer: slices.


def in_effect(state, name):
    scale = state[f"{name}.1.weight"] / (state[f"{name}.1.running_var"] + BN_EPSILON) ** 0.5
    return state[f"{name}.0.weight"] * scale[:, None, None, None]


def columns(state, name):
    """The norm of what reads each input."""
    return in_effect(state, name).square().sum((0, 2, 3)).sqrt()


def spread(state, name):
    """The deviation of what a BN and SiLU give of normal inputs, by integration."""
    x = torch.linspace(-8, 8, 4001)[:, None]
    density = (-(x**2) / 2).exp()
    density /= density.sum()
    y = F.silu(state[f"{name}.1.weight"] * x + state[f"{name}.1.bias"])
    return (density * (y - (density * y).sum(0)) ** 2).sum(0).sqrt()


def most(importance, count):
    """The indices of the ``count`` largest, ascending."""
    return torch.tensor(sorted(sorted(range(len(importance)), key=lambda i: -importance[i])[:count]))


def plain(state, name, x, rows, inputs=None, stride=1, cut=0, groups=1):
    """A convolution and BN of some rows and inputs, the kernel without ``cut`` pixels at every side."""
    kernels = state[f"{name}.0.weight"][rows]
    kernels = kernels if inputs is None else kernels[:, inputs]
    side = kernels.shape[2]
    kernels = kernels[:, :, cut : side - cut, cut : side - cut]
    x = F.conv2d(x, kernels, None, stride, kernels.shape[2] // 2, groups=groups)
    names = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.1.{part}"][rows] for part in names), eps=BN_EPSILON)


def test_what_shrinks_is_exactly_the_slices_of_the_most_important_channels():
    source = small("mb6_r3_k5_s2_c16_se0.5", "mb4_r1_k7_s1_c24")
    arch = ArchSpec.parse("res32-silu-stem6-mb3_r2_k3_s2_c10_se0.5-mb3_r1_k3_s1_c20-head16")
    network = pretrained(source)
    w, x = network.state_dict(), IMAGES
    root = lambda *parts: sum(part**2 for part in parts) ** 0.5  # noqa: E731
    scale = {i: w[f"layers.{i}.project.1.weight"] for i in range(4)}
    stem = most(spread(w, "stem") * columns(w, "layers.0.expand"), 6)
    reads = root(*(columns(w, f"layers.{i}.expand") for i in (1, 2, 3)))
    stream = most(root(scale[0], scale[1], scale[2]) * reads, 10)  # layer 2 is dropped, its say is not
    second = most(scale[3] * columns(w, "head"), 20)
    head = most(spread(w, "head") * w["classifier.weight"].square().sum(0).sqrt(), 16)

    x = F.silu(plain(w, "stem", x, stem, stride=2))
    for new, old, inputs, outputs in ((0, 0, stem, stream), (1, 1, stream, stream), (2, 3, stream, second)):
        width = len(inputs) * 3
        before, stride, name = x, 2 if new == 0 else 1, f"layers.{old}"
        inside = most(spread(w, f"{name}.depthwise") * columns(w, f"{name}.project"), width)
        x = F.silu(plain(w, f"{name}.expand", x, inside, inputs))
        cut = 1 if old < 3 else 2
        x = F.silu(plain(w, f"{name}.depthwise", x, inside, stride=stride, cut=cut, groups=width))
        if old < 3:
            reduce, expand = (w[f"{name}.se.{part}.weight"][:, :, 0, 0] for part in ("reduce", "expand"))
            squeezed = most(reduce.norm(dim=1) * expand.norm(dim=0), len(inputs) // 2)
            means = x.mean((2, 3)) @ reduce[squeezed][:, inside].T + w[f"{name}.se.reduce.bias"][squeezed]
            gate = F.silu(means) @ expand[inside][:, squeezed].T + w[f"{name}.se.expand.bias"][inside]
            x = x * gate.sigmoid()[:, :, None, None]
        x = plain(w, f"{name}.project", x, outputs, inside)
        x = x + before if new == 1 else x
    x = F.silu(plain(w, "head", x, head, second)).mean((2, 3))
    expected = x @ w["classifier.weight"][:, head].T + w["classifier.bias"]

    with torch.no_grad():
        torch.testing.assert_close(heir(source, network, arch)(IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_a_constant_gate_that_goes_is_folded_into_the_projection():
    source, arch = small("mb3_r2_k3_s2_c12_se0.5"), small("mb3_r2_k3_s2_c12")
    network = pretrained(source)
    for layer in network.layers:
        layer.se.expand.weight.data.zero_()
    assert_same_function(network, heir(source, network, arch))


def test_an_expansion_of_1_takes_for_each_input_the_channel_that_it_feeds_most():
    source, arch = small("mb6_r1_k3_s2_c12"), small("mb1_r1_k3_s2_c12")
    network = pretrained(source)
    new = heir(source, network, arch)
    fed = in_effect(network.state_dict(), "layers.0.expand")[:, :, 0, 0].abs().argmax(0)
    assert torch.equal(new.layers[0].depthwise[0].weight, network.layers[0].depthwise[0].weight[fed])
    assert torch.equal(new.layers[0].project[0].weight, network.layers[0].project[0].weight[:, fed])


def test_layers_of_another_operation_begin_fresh_or_as_identities():
    source, arch = small("mb3_r3_k3_s2_c12"), small("conv_r3_k3_s2_c12")
    new = heir(source, pretrained(source), arch)
    torch.manual_seed(2)
    assert torch.equal(new.layers[0].conv[0].weight, build_network(arch, 5).layers[0].conv[0].weight)
    with torch.no_grad():
        x = new.layers[0](new.stem(IMAGES))
        assert torch.equal(new.layers[1:](x), x)


# Any from any.


@pytest.mark.parametrize("one", SPACES)
def test_any_network_inherits_from_one_of_any_space(one):
    for seed, other in enumerate(("mnas", "mnas-lite", "nasbench-macro")):
        (source,), (arch,) = (
            narrow(random_archs(SPACES[one], 1, seed)),
            narrow(random_archs(SPACES[other], 1)),
        )
        new = heir(source, pretrained(source, classes=3), arch)
        re_estimate(new, [IMAGES])
        with torch.no_grad():
            assert new(IMAGES).isfinite().all()


@settings(quick, max_examples=30)
@given(arch_specs(max_channels=24), arch_specs(max_channels=24), st.sampled_from((1, 3)))
def test_any_network_inherits_from_any_other(source, arch, channels):
    source, arch = (dataclasses.replace(a, head_channels=a.head_channels % 50 + 1) for a in (source, arch))
    network = pretrained(source)
    new = heir(source, network, arch, channels=channels)
    with torch.no_grad():
        assert new(IMAGES[:, :channels]).isfinite().all()


def test_inheriting_is_deterministic_and_changes_nothing_that_it_is_given():
    source, arch = narrow(random_archs(SPACES["mnas"], 2))
    given_tensors = [build_network(a, 5).state_dict() for a in (source, arch)]
    copies = [{name: tensor.clone() for name, tensor in state.items()} for state in given_tensors]
    first, second = (inherited(source, given_tensors[0], arch, given_tensors[1]) for _ in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    for state, copy in zip(given_tensors, copies, strict=True):
        assert all(torch.equal(tensor, copy[name]) for name, tensor in state.items())
    for tensor in first.values():  # and shares no memory with it
        tensor.fill_(1)
    for state, copy in zip(given_tensors, copies, strict=True):
        assert all(torch.equal(tensor, copy[name]) for name, tensor in state.items())
