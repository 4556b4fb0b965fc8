"""The numbers that a network computes with."""

from __future__ import annotations

import torch


def uses_bfloat16(precision: str, device: str) -> bool:
    """Whether ``Recipe.precision`` means bfloat16 on ``device``.

    It is faster on GPUs that support it, and slower on CPUs, with AMX too (LOG.md).
    """
    if precision != "auto":
        return precision == "bfloat16"
    cuda = torch.device(device).type == "cuda"
    return cuda and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def autocast(device: str, *, bfloat16: bool) -> torch.autocast:
    """Computes in bfloat16 where it may."""
    # No cache: CUDA graphs do not allow one, and each weight is used once anyway.
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=bfloat16, cache_enabled=False)
