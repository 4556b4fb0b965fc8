"""Policies and their optimisers as plain values and numpy arrays, and sums in one order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def weights_state(policy: nn.Module) -> dict[str, Any]:
    """Every weight, by name; a copy."""
    return {name: _array(weight) for name, weight in policy.state_dict().items()}


def load_weights(policy: nn.Module, state: Mapping[str, Any]) -> None:
    """The inverse of ``weights_state``."""
    policy.load_state_dict({name: torch.tensor(weight) for name, weight in state.items()})


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The moments of every weight, by its number as text; a copy."""
    moments = optimizer.state_dict()["state"]
    return {str(i): {name: _array(value) for name, value in moments[i].items()} for i in moments}


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """The inverse of ``optimizer_state``."""
    moments = {int(i): {name: torch.tensor(value) for name, value in state[i].items()} for i in state}
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().numpy().copy()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that results do not depend on the threads that the process has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
