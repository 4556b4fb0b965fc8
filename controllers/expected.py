"""Expected improvement in logarithms, which do not underflow."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtr

from controllers.features import Matrix


def log_expected_improvement(gain: Matrix, deviation: Matrix) -> Matrix:
    """log E[max(g, 0)] of a normal g with mean ``gain``, also where that expectation underflows.

    It is log(deviation) + log h(z) with h(z) = phi(z) + z Phi(z) and z = gain / deviation. Where the two
    terms of h cancel, h is phi(z) (1 + z Phi(z) / phi(z)); far out, where that cancels too, phi(z) / z^2.
    """
    z = gain / deviation
    near, middle, far = np.maximum(z, -1.0), np.clip(z, -30.0, -1.0), np.minimum(z, -30.0)
    ratio = np.exp(log_ndtr(middle) - _log_density(middle))
    log_h = np.where(
        z > -1,
        np.log(np.exp(_log_density(near)) + near * ndtr(near)),
        _log_density(z) + np.where(z > -30, np.log1p(middle * ratio), -2 * np.log(-far)),
    )
    return np.asarray(np.log(deviation) + log_h)


def _log_density(z: Matrix) -> Matrix:
    return np.asarray(-(z**2) / 2 - np.log(2 * np.pi) / 2)
