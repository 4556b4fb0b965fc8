"""One network: training, checkpoints, weights, memory; torch lives here."""
