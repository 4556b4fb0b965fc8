"""A run directory: its files, and what a run found."""
