"""DataFrames to decisions: Pareto fronts, noise, tables, figures. Imports neither torch nor ray."""

from reports.baseline import best_so_far, expected_best, near_random
from reports.means import network_means, not_told_apart
from reports.noise import SeedNoise, seed_noise
from reports.pareto import hypervolume, pareto_front
from reports.runs import connect, load, read_confirmations, read_epochs, read_trials
from reports.scaling_tables import (
    family_stages_table,
    family_table,
    grid_table,
    implied_table,
    shares_table,
    sides_table,
)
from reports.tables import (
    comparison_table,
    count,
    epochs_table,
    front_table,
    percent,
    ranking_table,
    sketch,
    space_table,
    stage_table,
)
from reports.uncertainty import estimated_networks

__all__ = [
    "SeedNoise",
    "best_so_far",
    "comparison_table",
    "connect",
    "count",
    "epochs_table",
    "estimated_networks",
    "expected_best",
    "family_stages_table",
    "family_table",
    "front_table",
    "grid_table",
    "hypervolume",
    "implied_table",
    "load",
    "near_random",
    "network_means",
    "not_told_apart",
    "pareto_front",
    "percent",
    "ranking_table",
    "read_confirmations",
    "read_epochs",
    "read_trials",
    "seed_noise",
    "shares_table",
    "sides_table",
    "sketch",
    "space_table",
    "stage_table",
]
