"""Our controllers with settings that let short runs reach all code."""

import pytest

from controllers import CONTROLLERS, make

# Updates come early, so that short runs reach all code.
EARLY = {
    "dyna": {"initial": 4, "rollouts": 8, "queue": 8, "hidden_units": 8},
    "rnn": {"update_every": 4, "epochs": 2},
    "random": {},
    "evolution": {"population": 5, "sample": 2},
}

every_controller = pytest.mark.parametrize("name", CONTROLLERS)


def early(name, space, seed=0):
    return make(name, space, seed=seed, settings=EARLY[name])


def distance(a, b):
    return sum(x != y for x, y in zip(a, b, strict=True))
