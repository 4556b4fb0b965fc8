"""Policies and their optimisers as plain values and numpy arrays, and sums in a fixed order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def policy_state(policy: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Copies of all weights, by name, and of the optimizer's moments, by the parameter's number as text."""
    moments = optimizer.state_dict()["state"]
    return {
        "weights": {name: _array(weight) for name, weight in policy.state_dict().items()},
        "optimizer": {str(i): {name: _array(value) for name, value in moments[i].items()} for i in moments},
    }


def load_policy(policy: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """The inverse of ``policy_state``; other keys of ``state`` are ignored."""
    policy.load_state_dict({name: torch.tensor(weight) for name, weight in state["weights"].items()})
    moments = state["optimizer"]
    own = {int(i): {name: torch.tensor(value) for name, value in moments[i].items()} for i in moments}
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": own, "param_groups": groups})


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return tensor.detach().numpy().copy()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums in a fixed order, so that results do not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
