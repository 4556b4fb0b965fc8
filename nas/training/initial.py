"""The network that a training run begins with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas.data import Dataset
from nas.spec.recipe import Recipe
from nas.training.bn_statistics import adapt
from nas.training.inherit import inherited
from search_spaces import ArchSpec
from search_spaces.network import BN_EPSILON, Bottleneck, Layer, Network, build_network

if TYPE_CHECKING:
    from nas.training.pretrained import Pretrained


def adapted(init: Pretrained, channels: int, batches: Iterable[Tensor], device: str) -> Pretrained:
    """The same weights, with BN statistics of these images `[B, channels, H, H]`; see ``bn_statistics``.

    Images of another number of channels, which a fresh stem would have to read, say nothing of them.
    """
    classes, known = len(init.tensors["classifier.weight"]), init.tensors["stem.0.weight"].shape[1]
    if channels not in (1, known):
        return init
    network = build_network(
        init.arch, classes, channels, padding=init.padding, bn_epsilon=init.bn_epsilon
    ).eval()
    own = inherited(init.arch, init.tensors, init.arch, network.state_dict(), keep_classifier=True)
    network.load_state_dict(own)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    adapt(network, batches)
    return dataclasses.replace(init, tensors=network.cpu().state_dict())


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
            if isinstance(layer, (Layer, Bottleneck)) and layer.residual and hasattr(layer, "project"):
                # Not if a ReLU follows directly: it would never become active.
                nn.init.zeros_(layer.get_parameter("project.1.weight"))
    if init is not None:
        known = init.classes == tuple(data.classes)
        fresh = network.state_dict()
        network.load_state_dict(inherited(init.arch, init.tensors, arch, fresh, keep_classifier=known))
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
