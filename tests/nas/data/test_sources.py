import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from pictures import digest
from places import ROOT

import nas.data.digits
from nas.data import load_data


def arrays(count=40, classes=4, size=6, channels=(3,)):
    """A valid file's arrays; every pixel of image i is i, so that images can be recognised."""
    images = np.zeros((count, size, size, *channels), np.uint8)
    images += np.arange(count, dtype=np.uint8).reshape(-1, *[1] * (images.ndim - 1))
    return {"train_x": images, "train_y": np.arange(count) % classes}


def held_out(size=6):
    return {"test_x": np.full((4, size, size, 3), 255, np.uint8), "test_y": np.zeros(4, np.int64)}


def write(path, **contents):
    np.savez(path, **contents)
    return f"npz:{path}"


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def test_digits_are_uint8_canvases_of_ten_classes(digits):
    assert digits.name == "digits"
    assert digits.num_classes == 10
    for images, labels in (digits.train, digits.valid):
        assert images.shape == (len(labels), 32, 32, 1)
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert set(labels) == set(range(10))


def test_digits_are_the_same_in_every_process(digits):
    script = "from pictures import digest; from nas.data import load_data; print(digest(load_data('digits')))"
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "support")},
    )  # fmt: skip
    assert other.stdout.strip() == digest(digits)


def test_digits_validation_part_is_stratified_and_large(digits):
    counts = np.bincount(digits.valid.labels)
    assert counts.max() / counts.min() < 1.1
    assert len(digits.valid.labels) >= 2000


def test_digits_of_one_scan_are_all_in_one_part(monkeypatch):
    parts = []

    def keep(scans, rng):
        parts.append({scan.tobytes() for scan in scans})
        return np.zeros((4 * len(scans), 32, 32, 1), np.uint8)

    monkeypatch.setattr(nas.data.digits, "_draw", keep)
    load_data("digits")
    train, valid = parts
    assert len(train) + len(valid) == 1797
    assert not train & valid


def test_digits_split_follows_the_seed(digits):
    assert digest(load_data("digits", seed=0)) == digest(digits)
    assert digest(load_data("digits", seed=1)) != digest(digits)


def test_npz_is_split_by_class_and_without_overlap(tmp_path):
    data = load_data(write(tmp_path / "a.npz", **arrays()))
    assert data.name == f"npz:{tmp_path / 'a.npz'}"
    assert data.num_classes == 4
    assert np.bincount(data.valid.labels).tolist() == [2, 2, 2, 2]
    assert np.bincount(data.train.labels).tolist() == [8, 8, 8, 8]
    kept = np.concatenate([data.train.images[:, 0, 0, 0], data.valid.images[:, 0, 0, 0]])
    assert sorted(kept) == list(range(40))
    assert np.array_equal(data.train.images[:, 0, 0, 0] % 4, data.train.labels)


def test_npz_split_follows_the_seed(tmp_path):
    source = write(tmp_path / "a.npz", **arrays())
    assert digest(load_data(source, seed=3)) == digest(load_data(source, seed=3))
    assert digest(load_data(source, seed=3)) != digest(load_data(source, seed=4))


def test_npz_of_grey_images_gets_a_channel(tmp_path):
    data = load_data(write(tmp_path / "a.npz", **arrays(channels=())))
    assert data.train.images.shape == (32, 6, 6, 1)


def test_npz_test_images_are_never_used(tmp_path):
    data = load_data(write(tmp_path / "a.npz", **arrays(), **held_out()))
    assert max(data.train.images.max(), data.valid.images.max()) < 40


def test_a_dataset_survives_pickling(tmp_path):
    data = load_data(write(tmp_path / "a.npz", **arrays()))
    assert digest(pickle.loads(pickle.dumps(data))) == digest(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_y": None}, "a.npz must hold train_x and train_y, got train_x"),
        ({"test_x": np.zeros((4, 6, 6, 3), np.uint8)}, "must hold both test_x and test_y or neither"),
        ({"train_x": np.zeros((40, 6, 6, 3))}, "train_x must be uint8, got float64"),
        ({"train_x": np.zeros((40, 108), np.uint8)}, "must be [N, H, W] or [N, H, W, 1 or 3], got [40, 108]"),
        ({"train_x": np.zeros((40, 3, 6, 6), np.uint8)}, "[N, H, W, 1 or 3], got [40, 3, 6, 6]"),
        ({"train_x": np.zeros((0, 6, 6, 3), np.uint8), "train_y": np.zeros(0, int)}, "got [0, 6, 6, 3]"),
        ({"train_y": np.arange(40) % 4 / 2}, "train_y must be integers, got float64"),
        ({"train_y": np.arange(40) % 4 == 0}, "train_y must be integers, got bool"),
        ({"train_y": np.arange(39) % 4}, "train_y must be [40] as train_x is, got [39]"),
        ({"train_y": np.arange(40).reshape(40, 1) % 4}, "train_y must be [40] as train_x is, got [40, 1]"),
        ({"train_y": np.arange(40) % 4 - 1}, "every label from 0 to the largest, got 4 labels from -1 to 2"),
        ({"train_y": np.arange(40) % 4 * 100}, "got 4 labels from 0 to 300"),
        ({"train_y": np.zeros(40, int)}, "train_y must hold at least 2 classes, got only 0"),
        ({"train_y": np.arange(40) // 37}, "at least 5 images of each class to split, got 3 of class 1"),
        (held_out(size=5), "test_x must hold images of [6, 6, 3], got [5, 5, 3]"),
        ({**held_out(), "test_y": np.full(4, 4)}, "test_y must lie in [0, 3], got 4 to 4"),
        ({**held_out(), "test_y": np.zeros(3, int)}, "test_y must be [4]"),
        ({**held_out(), "test_x": np.zeros((4, 6, 6, 3))}, "test_x must be uint8, got float64"),
        ({"train_x": np.array([{}] * 40, object)}, "npz file without pickled objects"),
    ],
)  # fmt: skip
def test_npz_that_cannot_be_used_says_why(tmp_path, changes, message):
    contents = {key: value for key, value in (arrays() | changes).items() if value is not None}
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        load_data(write(tmp_path / "a.npz", **contents))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (None, "No such file or directory"),
        (b"", "npz file without pickled objects"),
        (b"not an archive", "npz file without pickled objects"),
        (b"PK\x03\x04 torn", "npz file without pickled objects"),
    ],
)
def test_npz_file_that_is_missing_or_damaged_says_so(tmp_path, contents, message):
    path = tmp_path / "b.npz"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(ValueError, match=message) as raised:
        load_data(f"npz:{path}")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_npz_with_a_damaged_member_says_so(tmp_path):
    source = write(tmp_path / "a.npz", **arrays())
    whole = bytearray((tmp_path / "a.npz").read_bytes())
    whole[400:500] = bytes(100)
    (tmp_path / "a.npz").write_bytes(whole)
    with pytest.raises(ValueError, match="npz file"):
        load_data(source)


def test_npz_with_a_damaged_compressed_member_says_so(tmp_path):
    path = tmp_path / "a.npz"
    noise = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), np.uint8)
    np.savez_compressed(path, **arrays() | {"train_x": noise})
    whole = bytearray(path.read_bytes())
    whole[60:] = whole[60:90][::-1] + whole[90:]
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="npz file"):
        load_data(f"npz:{path}")


def test_npy_file_is_not_an_archive(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="must be an npz file"):
        load_data(f"npz:{tmp_path / 'a.npz'}")


def test_directory_is_not_a_file(tmp_path):
    with pytest.raises(ValueError, match="readable npz file"):
        load_data(f"npz:{tmp_path}")


def test_unknown_data_suggests_the_nearest_name():
    with pytest.raises(
        ValueError, match=re.escape("unknown data 'digit'; did you mean 'digits'? Known: digits, npz:FILE")
    ):
        load_data("digit")


def test_importing_data_loads_neither_torch_nor_sklearn():
    script = "import nas.data, sys; sys.exit(bool({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_seed_as_large_as_a_date_and_time_splits_images_too():
    first, second = load_data("digits", seed=20261125213000), load_data("digits", seed=20261125213001)
    assert digest(first) == digest(load_data("digits", seed=20261125213000)) != digest(second)
    assert len(first.valid.labels) == len(load_data("digits").valid.labels)


def test_images_in_memory_know_their_own_size(tmp_path):
    assert load_data("digits").image_size == 32
    assert load_data(write(tmp_path / "a.npz", **arrays(size=9))).image_size == 9
