"""Compound scaling: from one network to a family. Imports no torch."""

from scaling_search.grid import distinct, grid
from scaling_search.scaling import PHIS, PUBLISHED_COEFFICIENTS, Coefficients, dropout, family, scale

__all__ = ["PHIS", "PUBLISHED_COEFFICIENTS", "Coefficients", "distinct", "dropout", "family", "grid", "scale"]
