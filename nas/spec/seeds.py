"""Seeds derived from a run's seed: the same whenever and wherever something runs.

NumPy's ``SeedSequence`` mixes the numbers, so that runs with seeds 0, 1, 2, ... share nothing. A change here
would change the results of every seed.
"""

from __future__ import annotations

import numpy as np


def trial_seed(seed: int, trial: int, confirmation: int = 0) -> int:
    """The 32-bit seed of one training run, from the run's ``seed``; confirmations count from 1."""
    return int(np.random.SeedSequence([seed, trial, confirmation]).generate_state(1)[0])


def epoch_seed(seed: int, epoch: int, *process: int) -> int:
    """The seed of an epoch, with 63 bits as torch takes, from the training run's ``seed``.

    Args:
        process: the number of one of several processes, for what each draws on its own.
    """
    return int(np.random.SeedSequence([seed, epoch, *process]).generate_state(1, np.uint64)[0] >> 1)
