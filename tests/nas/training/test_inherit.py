"""Networks that begin from the weights of another one."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import arch_specs, quick, random_archs
from torch import nn
from torch.nn import functional as F

from nas.training.inherit import inherited, re_estimate
from search_spaces import SPACES, ArchSpec, canonical, resize
from search_spaces.network import BN_EPSILON, BN_MOMENTUM, build_network

IMAGES = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def pretrained(arch, classes=5, channels=3, seed=1):
    """A network in evaluation state, whose every tensor is random; with statistics near those of ``IMAGES``.

    With any statistics, a deep network would give the same for every image.
    """
    torch.manual_seed(seed)
    network = build_network(arch, classes, channels).eval()
    for name, tensor in network.named_parameters():
        if tensor.ndim == 1:
            nn.init.uniform_(tensor, 0.5, 1.5) if name.endswith("weight") else nn.init.normal_(
                tensor, std=0.3
            )
    re_estimate(network, [IMAGES[:, :1].expand(-1, channels, -1, -1)])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean += 0.2 * torch.randn(module.num_features) * module.running_var.sqrt()
            module.running_var *= torch.empty(module.num_features).uniform_(0.9, 2)
    return network


def heir(source, network, arch, classes=5, channels=3, keep_classifier=True):
    """The network of ``arch`` with what it inherits, in evaluation state; the state must be complete."""
    torch.manual_seed(2)
    new = build_network(arch, classes, channels).eval()
    old = {name: tensor for name, tensor in network.state_dict().items() if "num_batches" not in name}
    state = inherited(source, old, arch, new.state_dict(), keep_classifier=keep_classifier)
    new.load_state_dict(state, strict=True)
    return new


def small(*stages, activation="silu"):
    return ArchSpec.parse(f"res32-{activation}-stem8-{'-'.join(stages)}-head24")


def narrow(archs):
    """The same networks, a quarter as wide, for images of 32 pixels."""
    return [resize(arch, 0.25, resolution=32, divisor=2) for arch in archs]


def assert_same_function(one, other, images=IMAGES):
    with torch.no_grad():
        expected, found = one(images), other(images)
    assert (expected - expected.mean(0)).abs().max() > 1e-3 * expected.abs().max()
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


# Growth keeps the function.


def grows(one, other):
    """Whether a stage of the design ``other`` can do all that one of the design ``one`` can."""
    if (one.op, one.skip, one.stride) != (other.op, other.skip, other.stride):
        return False
    if other.repeats < one.repeats or (one.skip == "none" and other.repeats > one.repeats):
        return False
    if min(one.expand_ratio, other.expand_ratio) == 1 and one.expand_ratio != other.expand_ratio:
        return False
    if one.op == "conv" and bool(one.se_ratio) != bool(other.se_ratio):
        return False
    fields = ("kernel", "expand_ratio", "channels", "se_ratio")
    return all(getattr(one, name) <= getattr(other, name) for name in fields)


def residuals(arch):
    """Whether the first layer of each stage is residual; the others' skip is the stage's."""
    widths = [arch.stem_channels, *(stage.channels for stage in arch.stages)]
    return [stage.layers(width)[0].residual for width, stage in zip(widths, arch.stages, strict=False)]


def growing_pairs(space, count, seed=0):
    """Networks a quarter as wide as those of ``space``, each with a larger one of the same residuals."""
    rng = np.random.default_rng(seed)
    frame = dataclasses.replace(narrow(random_archs(space, 1))[0], head_channels=64)
    while count:
        pair = []
        for slot in space.slots:
            stages = [dataclasses.replace(s, channels=s.channels // 4) for s in slot.stages.values()]
            one = stages[rng.integers(len(stages))]
            larger = [stage for stage in stages if grows(one, stage)]
            pair.append((one, larger[rng.integers(len(larger))]))
        source, arch = (dataclasses.replace(frame, stages=stages) for stages in zip(*pair, strict=True))
        wider = {"stem_channels": int(rng.choice([8, 10])), "head_channels": int(rng.choice([64, 80]))}
        arch = dataclasses.replace(arch, **wider)
        if residuals(source) == residuals(arch):
            count -= 1
            yield canonical(source), canonical(arch)


@pytest.mark.parametrize(("space", "count"), [("mnas-lite", 100), ("mnas", 20)])
def test_what_grows_keeps_the_function(space, count):
    for source, arch in growing_pairs(SPACES[space], count):
        network = pretrained(source)
        assert_same_function(network, heir(source, network, arch))


STAGES = ("mb1_r1_k3_s1_c8", "mb3_r2_k3_s2_c12", "mb3_r2_k3_s1_c16")


@pytest.mark.parametrize(
    "stages",
    [
        ("mb1_r1_k5_s1_c8", "mb3_r2_k7_s2_c12", "mb3_r2_k5_s1_c16"),
        ("mb1_r2_k3_s1_c8", "mb3_r5_k3_s2_c12", "mb3_r3_k3_s1_c16"),
        ("mb1_r1_k3_s1_c8", "mb4_r2_k3_s2_c12", "mb6_r2_k3_s1_c16"),
        ("mb1_r1_k3_s1_c8", "mb3_r2_k3_s2_c20", "mb3_r2_k3_s1_c24"),
        ("mb1_r1_k3_s1_c8_se0.25", "mb3_r2_k3_s2_c12_se0.25", "mb3_r2_k3_s1_c16_se0.5"),
        ("mb1_r1_k3_s1_c8_se0.25", "mb6_r3_k5_s2_c20_se0.5", "mb6_r4_k7_s1_c24_se1.0"),
    ],
    ids=["kernel", "layers", "expansion", "channels", "gates", "all"],
)
def test_each_kind_of_growth_keeps_the_function_and_can_be_trained(stages):
    source = small(*STAGES)
    network, arch = pretrained(source), small(*stages)
    new = heir(source, network, arch)
    assert_same_function(network, new)
    for _ in range(2):  # the first step trains what reads the new channels, the second what writes them
        new.zero_grad()
        new(IMAGES).square().sum().backward()
        with torch.no_grad():
            for weight in new.parameters():
                weight -= 1e-3 * weight.grad
    idle = [name for name, weight in new.named_parameters() if not weight.grad.any()]
    assert not idle


def test_an_expansion_of_1_grows_exactly_where_relu_follows_relu():
    source, arch = (
        small(f"{first}_r1_k3_s1_c12_se0.25", *STAGES[1:], activation="relu") for first in ("mb1", "mb4")
    )
    network = pretrained(source)
    assert_same_function(network, heir(source, network, arch))


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


# BN statistics.


def test_statistics_are_the_mean_over_batches_without_dropout_and_stochastic_depth():
    arch, batches = (
        small(*STAGES),
        list(torch.randn(3, 4, 3, 32, 32, generator=torch.Generator().manual_seed(1))),
    )
    torch.manual_seed(0)
    noisy = build_network(arch, 5, dropout=0.9, stochastic_depth=0.9)
    quiet = build_network(arch, 5)
    quiet.load_state_dict(noisy.state_dict())
    noisy.layers[0].eval()
    for network in (noisy, quiet):
        re_estimate(network, batches)
    with torch.no_grad():
        expected = torch.stack([noisy.stem[0](batch).mean((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(noisy.stem[1].running_mean, expected)
    assert all(torch.equal(tensor, quiet.state_dict()[name]) for name, tensor in noisy.state_dict().items())
    # The network is otherwise as it was.
    assert (noisy.training, noisy.layers[0].training, noisy.layers[1].training) == (True, False, True)
    assert {bn.momentum for bn in noisy.modules() if isinstance(bn, nn.BatchNorm2d)} == {BN_MOMENTUM}


def test_statistics_need_a_batch():
    with pytest.raises(ValueError, match=r"^batches must hold at least one batch, got none$"):
        re_estimate(build_network(small(*STAGES), 5), [])
