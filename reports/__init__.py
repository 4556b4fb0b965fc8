"""DataFrames to decisions: Pareto fronts, noise, tables. Imports neither torch nor ray."""

from reports.means import network_means, not_told_apart
from reports.noise import SeedNoise, seed_noise
from reports.pareto import pareto_front
from reports.scaling_tables import (
    family_stages_table,
    family_table,
    grid_table,
    implied_table,
    shares_table,
    sides_table,
)
from reports.tables import count, front_table, sketch, space_table, stage_table

__all__ = [
    "SeedNoise",
    "count",
    "family_stages_table",
    "family_table",
    "front_table",
    "grid_table",
    "implied_table",
    "network_means",
    "not_told_apart",
    "pareto_front",
    "seed_noise",
    "shares_table",
    "sides_table",
    "sketch",
    "space_table",
    "stage_table",
]
