"""The network that a training run begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from nas.data import Dataset
from nas.spec.recipe import Recipe
from nas.training.inherit import inherited
from search_spaces import ArchSpec
from search_spaces.network import BN_EPSILON, Layer, Network, build_network

if TYPE_CHECKING:
    from nas.training.pretrained import Pretrained


def initial_network(
    arch: ArchSpec, data: Dataset, recipe: Recipe, seed: int, device: str, init: Pretrained | None = None
) -> Network:
    """The network, initialised from ``seed``, and from the weights of ``init``."""
    channels = data.train.images.shape[3]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(
            *(arch, data.num_classes, channels),
            dropout=recipe.dropout,
            stochastic_depth=recipe.stochastic_depth,
            padding=init.padding if init else "symmetric",
            bn_epsilon=init.bn_epsilon if init else BN_EPSILON,
        )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = recipe.bn_momentum
    if recipe.zero_start:
        # EfficientNet's classifier starts at U(+-1/sqrt(classes)), meant for 1000 classes: with 10 the
        # logits start as loud noise, and a short training run is spent on unlearning it.
        nn.init.zeros_(network.classifier.weight)
        for layer in network.layers:
            if isinstance(layer, Layer) and layer.residual and hasattr(layer, "project"):
                # Not if a ReLU follows: it would never become active.
                nn.init.zeros_(layer.get_parameter("project.1.weight"))
    if init is not None:
        known = init.classes == tuple(data.classes)
        fresh = network.state_dict()
        network.load_state_dict(inherited(init.arch, init.tensors, arch, fresh, keep_classifier=known))
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
