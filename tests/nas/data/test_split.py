"""A seed holds out the same images as ever: version 0.1 printed these rows."""

import numpy as np

from nas.data.split import split_arrays, split_files

LABELS = np.arange(20) % 4


def test_a_seed_splits_arrays_as_it_always_did():
    train, valid = split_arrays(LABELS, 0.4, 3)
    assert train.tolist() == [19, 15, 12, 9, 13, 3, 2, 4, 16, 6, 18, 5]
    assert valid.tolist() == [10, 11, 8, 7, 0, 14, 17, 1]


def test_a_seed_splits_files_as_it_always_did():
    train, valid, test = split_files(LABELS, [0.2, 0.1], 3)
    assert train.tolist() == [5, 17, 9, 7, 18, 0, 12, 10, 3, 4, 14, 11]
    assert valid.tolist() == [2, 19, 16, 13]
    assert test.tolist() == [8, 6, 1, 15]
