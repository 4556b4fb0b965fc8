"""Scaling runs without training: the networks of the default grid, and tables of accuracies for them."""

import pandas as pd

from scaling_search import Grid, distinct, within
from search_spaces import PRESETS, cost

B0 = PRESETS["efficientnet-b0"]


def candidates(base=B0):
    """The networks of the default grid at equal compute, in the order of their trials."""
    return list(within(distinct(base, Grid().triples()), 2 * cost(base).flops, 0.12))


def table(path, accuracies, base=B0):
    archs = map(str, candidates(base))
    pd.DataFrame({"arch": archs, "accuracy": accuracies}).to_csv(path, index=False)
    return f"table:{path.name}"
