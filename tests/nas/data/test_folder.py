import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pictures import encoded, noise, write_classes

from nas.data import load_data
from nas.data.folder import list_folder
from nas.data.listing import MIN_PER_CLASS, Listing, Split
from nas.data.split import split_files


def listing(directory):
    return list_folder(directory, f"folder:{directory}")


def files(listed, seed=0):
    """The files in each part."""
    return {
        name: [listed.splits[take.split].name(row) for row in take.rows]
        for name, take in listed.parts(seed).items()
    }


labels = st.integers(2, 6).flatmap(
    lambda classes: st.lists(
        st.integers(0, classes - 1), max_size=80
    ).map(lambda more: np.array([*np.repeat(np.arange(classes), MIN_PER_CLASS), *more]))
)  # fmt: skip


@given(labels, st.sampled_from([[0.2], [0.2, 0.1]]), st.integers(0, 2**32))
def test_stratified_parts_are_a_partition_with_every_class_in_each(labels, shares, seed):
    parts = split_files(labels, shares, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    total = np.bincount(labels)
    for part in parts:
        assert np.bincount(labels[part], minlength=len(total)).min() >= 1
    for part, share in zip(parts[1:], shares, strict=True):
        assert np.abs(np.bincount(labels[part]) - share * total).max() <= 0.5


@given(labels, st.booleans(), st.integers(0, 100))
def test_parts_are_disjoint_and_nothing_is_left_over(labels, tested, seed):
    split = Split(labels, lambda rows: [], str)
    splits = {"train": split, "test": split} if tested else {"train": split}
    parts = Listing("s", tuple(map(str, range(labels.max() + 1))), splits, "").parts(seed)
    taken = [take.rows for take in parts.values() if take.split == "train"]
    assert sorted(np.concatenate(taken)) == list(range(len(labels)))
    assert len(taken) == (2 if tested else 3)
    assert list(parts) == ["train", "valid", "test"]


@given(arrays.arrays(np.int64, 60, elements=st.integers(0, 2)))
def test_the_first_images_of_a_part_are_of_all_classes(labels):
    labels = np.sort(np.concatenate([labels, np.repeat(np.arange(3), 100)]))
    train = split_files(labels, [0.2], 0)[0]
    assert set(labels[train[:100]]) == {0, 1, 2}


def test_a_folder_of_classes_is_split_by_class_and_seed(tmp_path):
    listed = listing(write_classes(tmp_path))
    assert listed.classes == ("cat", "dog")
    parts = files(listed)
    assert {name: len(part) for name, part in parts.items()} == {"train": 14, "valid": 4, "test": 2}
    for part in parts.values():
        assert sum(name.startswith("cat/") for name in part) == len(part) / 2
    assert files(listed) == parts
    assert files(listed, seed=1) != parts


def test_folders_of_splits_are_used_as_they_are(tmp_path):
    write_classes(tmp_path / "train", each=3)
    write_classes(tmp_path / "validation", each=1, first=50)
    parts = files(listing(tmp_path))
    assert {name: len(part) for name, part in parts.items()} == {"train": 6, "valid": 2}
    assert all(name.startswith("validation/") for name in parts["valid"])
    assert files(listing(tmp_path), seed=1) == parts
    assert [name[:9] for name in parts["train"]] != sorted(name[:9] for name in parts["train"])


def test_without_a_validation_folder_some_is_held_out_and_the_test_folder_stays(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test", each=2, first=50)
    parts = files(listing(tmp_path))
    assert {name: len(part) for name, part in parts.items()} == {"train": 16, "valid": 4, "test": 4}
    assert {name[:5] for name in parts["valid"]} == {"train"}
    assert {name[:5] for name in parts["test"]} == {"test/"}


def test_a_class_may_be_called_train(tmp_path):
    assert listing(write_classes(tmp_path, ("bus", "train", "test"))).classes == ("bus", "test", "train")


def test_folders_inside_a_class_belong_to_it_and_hidden_or_other_files_do_not(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "cat" / "images").mkdir()
    (tmp_path / "cat" / "images" / "a.png").write_bytes(encoded(noise(90)))
    (tmp_path / "cat" / "._b.png").write_bytes(b"")
    (tmp_path / "cat" / "notes.txt").write_text("")
    (tmp_path / ".cache").mkdir()
    listed = listing(tmp_path)
    assert listed.classes == ("cat", "dog")
    assert len(listed.splits["train"].labels) == 21


def test_the_digest_says_which_files_these_are_wherever_they_lie(tmp_path):
    write_classes(tmp_path / "a")
    digest = listing(tmp_path / "a").digest
    (tmp_path / "a").rename(tmp_path / "b")
    assert listing(tmp_path / "b").digest == digest
    os.utime(tmp_path / "b" / "cat" / "0.png", ns=(1, 1))
    assert listing(tmp_path / "b").digest != digest


def empty(root):
    return root


def one_class(root):
    return write_classes(root, ("cat",))


def too_few(root):
    return write_classes(root, each=4)


def no_images(root):
    (root / "cat").mkdir()
    (root / "cat" / "a.txt").write_text("")
    return root


def not_validated(root):
    write_classes(root / "train")
    write_classes(root / "val", ("cat",))
    return root


def emptied(root):
    write_classes(root / "train")
    write_classes(root / "val", ("cat",))
    (root / "val" / "dog").mkdir()
    return root


def not_trained(root):
    write_classes(root / "train")
    write_classes(root / "val", ("cat", "dog", "eel"))
    return root


def no_train(root):
    write_classes(root / "val")
    return root


def two_validations(root):
    write_classes(root / "train")
    write_classes(root / "val")
    write_classes(root / "valid")
    return root


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty, "folder:DIR must hold a folder of images for each class, got"),
        (lambda root: root / "gone", "must be a folder that can be read (No such file or directory), got"),
        (lambda root: write_classes(root) / "cat" / "0.png", "(Not a directory), got"),
        (one_class, "must hold at least 2 classes, got cat"),
        (no_images, "must hold images that Pillow reads (.jpg, .png, .tif, .webp, ...), got 1 .txt"),
        (too_few, "must hold at least 5 training images of each class, to hold some out, got 4 of 'cat'"),
        (not_validated, "must hold at least 1 validation image of each class, got 0 of 'dog'"),
        (emptied, "must hold at least 1 validation image of each class, got 0 of 'dog'"),
        (not_trained, "must hold training images of every class, got none of 'eel', which is in val"),
        (no_train, "must hold a folder train beside val, got"),
        (two_validations, "must hold one valid folder, got val and valid in"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why_in_one_line(tmp_path, make, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        load_data(f"folder:{make(tmp_path)}")
    assert "\n" not in str(raised.value)
    assert str(tmp_path) in str(raised.value)


@pytest.mark.parametrize("source", ["folder:gone", "npz:gone", "hf:", "folder:", "dir:x"])
def test_data_that_is_not_there_is_wrong_input_of_the_command(nas, source, tmp_path):
    code, out, err = nas("search", "--space", "mnas", "--data", source, "--run", "r")
    assert (code, out) == (2, "")
    assert err.startswith("nas: --data: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "r").exists()
