"""Compound scaling: from one network to a family. Imports no torch."""

from scaling_search.compound import (
    PUBLISHED_COEFFICIENTS,
    ROUNDINGS,
    STRATEGIES,
    Coefficients,
    scale,
    scale_to,
)
from scaling_search.explain import implied_phis, rounding_shares, side_by_side, why
from scaling_search.families import PHIS, Model, dropout, family, from_json, models, published, to_json
from scaling_search.grid import Grid, distinct, one_network, within

__all__ = [
    "PHIS", "PUBLISHED_COEFFICIENTS", "ROUNDINGS", "STRATEGIES", "Coefficients", "Grid", "Model", "distinct",
    "dropout", "family", "from_json", "implied_phis", "models", "one_network", "published", "rounding_shares",
    "scale", "scale_to", "side_by_side", "to_json", "why", "within",
]  # fmt: skip
