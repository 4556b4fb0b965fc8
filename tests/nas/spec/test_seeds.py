import pytest

from nas.spec.seeds import epoch_seed, trial_seed


@pytest.mark.parametrize(
    ("numbers", "seed"),
    [((0, 0), 2968811710), ((0, 1), 3964924996), ((7, 23), 650915284), ((7, 23, 2), 2239974298)],
)
def test_trials_have_the_seeds_that_they_always_had(numbers, seed):
    """Printed by version 0.1."""
    assert trial_seed(*numbers) == seed


@pytest.mark.parametrize(
    ("numbers", "seed"),
    [
        ((0, 0), 7896617691693857887),
        ((3, 1), 5712964121383671236),
        ((3, 1, 2), 5839918186241800584),
    ],
)
def test_epochs_have_the_seeds_that_they_always_had(numbers, seed):
    """Printed by version 0.1."""
    assert epoch_seed(*numbers) == seed
