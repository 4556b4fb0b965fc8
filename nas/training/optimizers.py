"""Optimisers, TensorFlow's RMSProp among them, and the moving average of weights that is evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from nas.spec.recipe import Recipe

ADAM_BETAS = (0.9, 0.99)
RMSPROP_EPSILON = 1e-3


class TFRMSProp(Optimizer):
    """RMSProp as TensorFlow has it, which EfficientNet's learning rates are meant for.

        square = decay * square + (1 - decay) * gradient^2           begins at 1
        step   = momentum * step + rate * gradient / sqrt(square + epsilon)
        weight = weight - step

    Unlike torch's: epsilon stands inside the root, ``square`` begins at 1 rather than 0, and the learning
    rate is part of the momentum, so that a lower rate does not slow the steps already under way.

    Args:
        lr: the learning rate, a number or a scalar tensor.
        weight_decay: this factor times the weight is added to its gradient.

    Source: tensorflow, core/kernels/training_ops.cc, ``ApplyRMSProp``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor,
        *,
        decay: float = 0.9,
        momentum: float = 0.9,
        epsilon: float = RMSPROP_EPSILON,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"decay": decay, "momentum": momentum, "epsilon": epsilon, "weight_decay": weight_decay}
        super().__init__(params, {"lr": lr, **defaults})
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight] = {"square": torch.ones_like(weight), "step": torch.zeros_like(weight)}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            gradients = [weight.grad for weight in weights]
            squares = [self.state[weight]["square"] for weight in weights]
            steps = [self.state[weight]["step"] for weight in weights]
            if group["weight_decay"]:
                gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
            torch._foreach_mul_(squares, group["decay"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
            roots = torch._foreach_add(squares, group["epsilon"])
            torch._foreach_sqrt_(roots)
            torch._foreach_mul_(steps, group["momentum"])
            torch._foreach_addcdiv_(steps, torch._foreach_mul(gradients, group["lr"]), roots)
            torch._foreach_sub_(weights, steps)


def make_optimizer(network: nn.Module, recipe: Recipe, device: str) -> Optimizer:
    """The recipe's optimiser; on CUDA its learning rate is a tensor, so that captured steps can read it."""
    cuda = torch.device(device).type == "cuda"
    rate = torch.tensor(recipe.rate(0, 1), device=device) if cuda else recipe.peak()
    if recipe.optimizer == "rmsprop":
        spared = [p for m in network.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()]
    else:
        spared = [p for p in network.parameters() if p.ndim <= 1]
    ids = set(map(id, spared))
    decayed = [p for p in network.parameters() if id(p) not in ids]
    head = set(map(id, network.get_submodule("classifier").parameters())) if recipe.head_rate != 1 else set()
    groups = []
    for params, decay in ((decayed, recipe.weight_decay), (spared, 0.0)):
        for factor in (1.0, recipe.head_rate)[: 1 + bool(head)]:
            chosen = [p for p in params if (id(p) in head) == (factor != 1)]
            start = rate * factor  # a tensor of its own for each group, on CUDA
            groups.append({"params": chosen, "weight_decay": decay, "lr": start, "factor": factor})
    if recipe.optimizer == "rmsprop":
        return TFRMSProp(groups, rate)
    return AdamW(groups, lr=rate, betas=ADAM_BETAS, capturable=cuda, fused=True)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Sets every group's learning rate, ``rate`` times its factor; in place where it is a tensor."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate * group.get("factor", 1.0))
        else:
            group["lr"] = rate * group.get("factor", 1.0)


class WeightAverage:
    """An exponential moving average of a network's weights and BN statistics, in ``network``.

    Args:
        network: a copy of the one that is trained.
        decay: of the average after many steps; see ``Recipe.ema``.

    Source: tensorflow, ``tf.train.ExponentialMovingAverage`` with ``num_updates``.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network.eval().requires_grad_(False)
        self.decay = decay
        self.averages = _floats(network)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Moves the average towards ``network``; ``step`` counts from 1."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.averages, _floats(network), share)


def _floats(network: nn.Module) -> list[Tensor]:
    tensors = [*network.parameters(), *network.buffers()]
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
