"""Learning curves that were cut off, and snapshots as text."""

import pickle

import numpy as np
import pytest
from bandits import early, every_controller
from hypothesis import given
from hypothesis import strategies as st

from controllers.testing import BANDIT, run, same
from nas.search import snapshot
from nas.search.learning_curves import final_accuracy

accuracy = st.floats(0, 1)


def test_curves_that_all_gain_the_same_say_so():
    curves = [[(1, x), (2, x + 0.1), (4, x + 0.3)] for x in (0.1, 0.2, 0.4)]
    assert final_accuracy(2, 0.35, curves, 4) == pytest.approx(0.55)


def test_a_steeper_relation_is_followed_as_far_as_it_is_known():
    def found(count):
        return final_accuracy(1, 0.4, [[(1, x), (2, 2 * x)] for x in np.linspace(0.1, 0.3, count)], 2)

    assert 0.4 + 0.2 < found(2) < found(5) < found(100) < 0.8
    assert found(100) == pytest.approx(0.8, abs=0.01)


@given(accuracy, st.lists(st.lists(accuracy, min_size=1, max_size=4), max_size=6))
def test_the_estimate_is_an_accuracy_and_not_below_what_was_reached(reached, curves):
    numbered = [list(enumerate(curve, 1)) for curve in curves]
    assert reached <= final_accuracy(2, reached, numbered, 4) <= 1


def test_only_whole_curves_count():
    curves = [[(1, 0.5), (2, 0.9)], [(1, 0.1)], []]
    assert final_accuracy(1, 0.3, curves, 4) == 0.3


@every_controller
def test_a_state_is_the_same_after_it_was_text(name):
    controller = early(name, BANDIT)
    run(controller, 12)
    state = controller.state_dict()
    restored = early(name, BANDIT, 1)
    restored.load_state_dict(snapshot.read(snapshot.write(state)))
    assert same(restored.state_dict(), state)
    assert run(restored, 12) == run(controller, 12)


def test_arrays_keep_their_type_shape_and_bits():
    arrays = {
        "a": np.array([[0.1, np.nan]]),
        "b": np.empty((0, 3), np.int64),
        "c": np.float32(1) / np.ones(3),
    }
    read = snapshot.read(snapshot.write(arrays))
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape, read[name].tobytes()) == (
            array.dtype,
            array.shape,
            array.tobytes(),
        )
        read[name][...] = 0  # it is writable


def test_what_could_run_is_neither_written_nor_read():
    with pytest.raises(TypeError, match="plain values and arrays, got object"):
        snapshot.write({"state": object()})
    with pytest.raises(TypeError, match="plain values and arrays, got ndarray"):
        snapshot.write({"state": np.array([object()])})
    with pytest.raises(ValueError, match="Expecting value"):
        snapshot.read(pickle.dumps({}).decode("latin1"))
