"""A run directory: what it holds and what it says."""
