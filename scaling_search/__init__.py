"""Compound scaling: from one network to a family."""
