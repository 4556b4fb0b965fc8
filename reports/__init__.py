"""DataFrames to decisions: Pareto fronts, noise, tables. Imports neither torch nor ray."""

from reports.noise import SeedNoise, seed_noise
from reports.pareto import pareto_front
from reports.tables import count, front_table, sketch, space_table, stage_table

__all__ = [
    "SeedNoise",
    "count",
    "front_table",
    "pareto_front",
    "seed_noise",
    "sketch",
    "space_table",
    "stage_table",
]
