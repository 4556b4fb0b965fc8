"""Small networks with random weights, and networks that inherit them."""

import torch
from torch import nn

from nas.training.bn_statistics import re_estimate
from nas.training.inherit import inherited
from search_spaces import ArchSpec, resize
from search_spaces.network import build_network

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


STAGES = ("mb1_r1_k3_s1_c8", "mb3_r2_k3_s2_c12", "mb3_r2_k3_s1_c16")
