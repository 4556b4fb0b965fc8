"""A training step as one CUDA graph: kernel launches, not arithmetic, limit small MBConv networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

WARM_UP = 3
"""Steps before the capture, in which libraries choose their algorithms."""

Step = Callable[[Tensor, Tensor], Tensor]


class CapturedStep:
    """Captures a step at its first call, and from then on replays it, in one launch, for equal shapes.

    The warm-up steps leave no trace in weights, BN statistics, optimiser or random state.

    Args:
        network, optimizer: what the step updates.

    Source: PyTorch's notes on CUDA semantics, "Whole-network capture".
    """

    def __init__(self, network: nn.Module, optimizer: Optimizer) -> None:
        self._network, self._optimizer = network, optimizer
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, step: Step, images: Tensor, targets: Tensor) -> Tensor:
        """The loss; its tensor is overwritten by the next call.

        Args:
            step: one update, from images and targets to the loss, without host synchronisation.
        """
        if self._graph is None:
            self._capture(step, images, targets)
        assert self._graph is not None
        self._images.copy_(images)
        self._targets.copy_(targets)
        self._graph.replay()
        return self._loss

    def _capture(self, step: Step, images: Tensor, targets: Tensor) -> None:
        self._images, self._targets = images.clone(), targets.clone()
        random_state = torch.cuda.get_rng_state()
        saved = [(tensor, tensor.clone()) for tensor in self._tensors()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                step(self._images, self._targets)
        torch.cuda.current_stream().wait_stream(stream)
        before = {id(tensor) for tensor, _ in saved}
        with torch.no_grad():
            for tensor, value in saved:
                tensor.copy_(value)
            for tensor in self._tensors():
                if id(tensor) not in before:  # state that the optimiser has added; it begins at 0
                    tensor.zero_()
        torch.cuda.set_rng_state(random_state)
        self._optimizer.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._loss = step(self._images, self._targets)

    def _tensors(self) -> list[Tensor]:
        """Everything that a step changes."""
        states = self._optimizer.state.values()
        state = [value for values in states for value in values.values() if isinstance(value, Tensor)]
        return [*self._network.parameters(), *self._network.buffers(), *state]
