"""When a training run ends."""

import pytest

from nas.spec.trial import Epoch, is_over


@pytest.mark.parametrize(
    ("accuracies", "patience", "over"),
    [
        ([0.5, 0.4, 0.3], 0, False),
        ([0.5, 0.4], 2, False),
        ([0.5, 0.4, 0.3], 2, True),
        ([0.5, 0.5, 0.5], 2, True),  # as high is not higher
        ([0.5, 0.4, 0.6], 2, False),
        ([0.5, 0.4, 0.6, 0.5], 2, False),
        ([0.1, 0.2, 0.3, 0.4, 0.5], 9, True),  # all epochs are done
    ],
)
def test_patience_ends_a_training_run_that_no_longer_improves(accuracies, patience, over):
    curve = [Epoch(number, 1.0, 1.0, one, 0.0) for number, one in enumerate(accuracies, 1)]
    assert is_over(curve, 5, patience) is over
