"""DataFrames to decisions: Pareto fronts, noise, tables, figures. Imports neither torch nor ray."""

from reports.audit import Agreement, Consistency, agree, by_network, examine, seeds_of
from reports.audit_words import (
    agreement_line,
    consistency_lines,
    mostly_noise,
    too_few,
    trainings_line,
    verdict_line,
)
from reports.baseline import best_so_far, expected_best, near_random
from reports.frames import (
    further_costs,
    load,
    read_baselines,
    read_confirmations,
    read_epochs,
    read_measurements,
    read_retries,
    read_sessions,
    read_trials,
    speed,
)
from reports.json_values import plain
from reports.kendall import row_means
from reports.means import binomial_error, completed, network_means, not_told_apart, pooled_deviation, widened
from reports.noise import SeedNoise, seed_noise
from reports.numbers import cost_text, cost_title, count, percent
from reports.pareto import hypervolume, pareto_front
from reports.run_db import connect
from reports.scaling_tables import (
    family_stages_table,
    family_table,
    forecast_table,
    grid_table,
    implied_table,
    shares_table,
    sides_table,
    sweep_table,
)
from reports.tables import (
    audit_table,
    comparison_table,
    decision_table,
    epochs_table,
    front_table,
    ranking_table,
    sketch,
    space_table,
    stage_table,
)
from reports.uncertainty import estimated_networks

__all__ = [
    "Agreement", "Consistency", "SeedNoise", "agree", "agreement_line", "audit_table", "best_so_far",
    "binomial_error", "by_network", "comparison_table", "completed", "connect", "consistency_lines",
    "cost_text", "cost_title", "count", "decision_table", "epochs_table", "estimated_networks",
    "examine", "expected_best", "family_stages_table", "family_table", "forecast_table",
    "front_table", "further_costs", "grid_table", "hypervolume", "implied_table", "load",
    "mostly_noise", "near_random", "network_means", "not_told_apart", "pareto_front", "percent",
    "plain", "pooled_deviation", "ranking_table", "read_baselines",
    "read_confirmations", "read_epochs", "read_measurements", "read_retries", "read_sessions",
    "read_trials", "row_means", "seed_noise", "seeds_of",
    "shares_table", "sides_table", "sketch", "space_table", "speed", "stage_table", "sweep_table",
    "too_few",
    "trainings_line",
    "verdict_line", "widened",
]  # fmt: skip
