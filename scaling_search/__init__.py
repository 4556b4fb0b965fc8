"""Compound scaling: from one network to a family. Imports no torch."""

from scaling_search.budgets import within_budgets
from scaling_search.compound import (
    PUBLISHED_COEFFICIENTS,
    ROUNDINGS,
    STRATEGIES,
    Coefficients,
    scale,
    scale_to,
)
from scaling_search.direction import Posterior, coefficients_of, doubling
from scaling_search.explain import implied_phis, rounding_shares, side_by_side, why
from scaling_search.families import (
    PHIS,
    Model,
    dropout,
    family,
    from_json,
    member,
    models,
    published,
    to_json,
)
from scaling_search.grid import Grid, distinct, near, one_network, spread, within
from scaling_search.power_law import PowerLaw, fit_power_law
from scaling_search.sweep import Point, points

__all__ = [
    "PHIS", "PUBLISHED_COEFFICIENTS", "ROUNDINGS", "STRATEGIES", "Coefficients", "Grid", "Model", "Point",
    "Posterior", "PowerLaw", "coefficients_of", "distinct", "doubling", "dropout", "family", "fit_power_law",
    "from_json", "implied_phis", "member", "models", "near", "one_network", "points", "published",
    "rounding_shares", "scale", "scale_to", "side_by_side", "spread", "to_json", "why",
    "within", "within_budgets",
]  # fmt: skip
