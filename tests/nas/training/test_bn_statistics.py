"""BN's statistics on other images, and of slices."""

import pytest
import torch
from heirs import IMAGES, STAGES, assert_same_function, heir, narrow, pretrained, small
from strategies import random_archs
from torch import nn

from nas.training.bn_statistics import adapt, re_estimate
from search_spaces import SPACES, resize
from search_spaces.network import BN_MOMENTUM, build_network

OTHERS = 0.3 * torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(3)) + 0.5


def outputs(network, images):
    """What each BN gives: `[B, C, H, H]`, by its name."""
    found = {}
    hooks = [
        module.register_forward_hook(lambda _, __, y, name=name: found.update({name: y.clone()}))
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("space", SPACES)
def test_adapting_keeps_the_function_and_makes_the_statistics_those_of_the_images(space):
    (arch,) = narrow(random_archs(SPACES[space], 1))
    network, adapted = pretrained(arch), pretrained(arch)
    adapt(adapted, OTHERS.split(6))
    assert_same_function(network, adapted, OTHERS)
    assert_same_function(network, adapted, IMAGES)
    with torch.no_grad():
        stem = network.stem[0](OTHERS)
    torch.testing.assert_close(adapted.stem[1].running_mean, stem.mean((0, 2, 3)))
    torch.testing.assert_close(adapted.stem[1].running_var, stem.var((0, 2, 3), correction=0))
    assert not torch.allclose(network.stem[1].running_var, adapted.stem[1].running_var)
    adapted.train()  # with these statistics, and no longer with others, training sees that function too
    with torch.no_grad():
        torch.testing.assert_close(adapted(OTHERS), network(OTHERS), rtol=0.02, atol=0.02)


def test_a_slice_of_an_adapted_network_has_its_means_and_deviations():
    arch = small(*STAGES)
    network = pretrained(arch)
    adapt(network, [OTHERS])
    narrower = resize(arch, 0.5, resolution=32, divisor=2)
    new = heir(arch, network, narrower)
    wanted, sliced = outputs(network, OTHERS), outputs(new, OTHERS)
    re_estimate(new, [OTHERS])
    new.eval()
    found = outputs(new, OTHERS)
    state, old = new.state_dict(), network.state_dict()
    for name, given in wanted.items():
        kept = [int((old[f"{name}.bias"] == bias).nonzero()[0, 0]) for bias in state[f"{name}.bias"]]
        for moment in (torch.mean, torch.std):
            expected = moment(given, (0, 2, 3))[kept]
            torch.testing.assert_close(moment(found[name], (0, 2, 3)), expected, rtol=0.02, atol=0.03)
    assert not torch.allclose(sliced["head.1"].std((0, 2, 3)), found["head.1"].std((0, 2, 3)), rtol=0.05)


def test_adapting_needs_a_batch():
    with pytest.raises(ValueError, match=r"^batches must hold at least one batch, got none$"):
        adapt(pretrained(small(*STAGES)), [])


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
