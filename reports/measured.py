"""Latencies that were measured after a search, beside those that it searched by."""

from __future__ import annotations

import numpy as np
import pandas as pd

LATENCY = "latency"
MEASURED = ("latency_measured", "latency_error")
"""Columns of networks: milliseconds on a device, and how far off the latency that was predicted is."""


def latest(measurements: pd.DataFrame) -> pd.DataFrame:
    """What the device measured that was used last, in float32; no rows if there was none."""
    full = measurements[measurements["precision"] == "float32"]
    return pd.DataFrame(full[full["device"] == full["device"].iloc[-1]] if len(full) else full)


def comparable(measurements: pd.DataFrame) -> pd.Series[float]:
    """Milliseconds by network: the ratio to the reference, times what that usually takes, if it is known.

    A prediction rests on such ratios, so that a noisy hour does not count against it.
    """
    usual = measurements["ratio"] * measurements["usual_milliseconds"]
    found = usual.where(usual.notna(), measurements["milliseconds"])
    return pd.Series(found.to_numpy(float), measurements["arch"])


def with_measured(networks: pd.DataFrame, measurements: pd.DataFrame) -> pd.DataFrame:
    """``networks`` with the columns ``MEASURED``; unchanged if none of them was measured.

    Args:
        networks: with ``arch`` and, if the search knew it, ``latency``.
        measurements: of ``reports.read_measurements``.
    """
    known = comparable(latest(measurements))
    measured = networks["arch"].map(known)
    if measured.isna().all():
        return networks
    predicted = networks.get(LATENCY, np.nan)
    return networks.assign(latency_measured=measured, latency_error=predicted / measured - 1)
