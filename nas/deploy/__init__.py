"""A finished network on a device: export, quantise, measure, predict."""
