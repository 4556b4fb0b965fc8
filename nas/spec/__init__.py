"""Frozen words: objective, recipe, resources, settings, trial. No torch, no Ray, no pandas."""
