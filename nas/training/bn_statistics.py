"""BN's statistics, when a pretrained network meets other images, or becomes another network.

Images that were enlarged, say, have little in high frequencies. BN that learns their statistics scales that
little up to its old size, and much of what the network knew is lost in noise (LOG.md). ``adapt`` gives BN
these statistics and keeps what the network computes; a slice of such a network, whose statistics are then
estimated anew, has the means and deviations of what it is a slice of.

Shapes: B images, C channels, H = W pixels.

Source: Jordan et al. 2022, arXiv:2211.08403 (REPAIR: a merged network is given its parents' statistics).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NO_BATCH = "batches must hold at least one batch, got none"


@torch.no_grad()
def adapt(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Makes the BN statistics those of ``batches``, with the scale and shift that keep the function.

    Args:
        network: in evaluation state.
        batches: normalised images `[B, C, H, H]`.

    Raises:
        ValueError: if there is no batch.
    """
    norms = _norms(network)
    sums: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def add(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        # Twenty times as fast as torch.var_mean on a CPU, and without correction too.
        mean, variance = (t.double() for t in torch.batch_norm_update_stats(inputs[0], None, None, 0.0))
        sums[norm].append(len(inputs[0]) * torch.stack([mean, variance + mean**2]))

    hooks = [norm.register_forward_pre_hook(add) for norm in norms]
    count = 0
    for batch in batches:
        network(batch)
        count += len(batch)
    for hook in hooks:
        hook.remove()
    if not count:
        raise ValueError(NO_BATCH)
    for norm in norms:
        mean, square = torch.stack(sums[norm]).sum(0) / count
        variance = (square - mean**2).clamp(min=0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        before = (norm.running_var + norm.eps).sqrt()
        norm.bias.add_(norm.weight * (mean - norm.running_mean) / before)
        norm.weight.mul_((variance + norm.eps).sqrt() / before)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


@torch.no_grad()
def re_estimate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Sets the BN statistics to their mean over ``batches`` of normalised images `[B, C, H, H]`.

    Everything but BN is in evaluation state meanwhile: no dropout, no stochastic depth.

    Raises:
        ValueError: if there is no batch.
    """
    norms = _norms(network)
    training = {module: module.training for module in network.modules()}
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = None  # torch's word for the mean over all batches
        norm.reset_running_stats()
    try:
        count = 0
        for batch in batches:
            network(batch)
            count += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, was in training.items():
            module.training = was
    if not count:
        raise ValueError(NO_BATCH)


def _norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
