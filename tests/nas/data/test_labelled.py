"""Labelled images that a trained network is judged by."""

import importlib

import numpy as np
import pytest
from pictures import encoded, noise, write_classes

from nas.data import load_data
from nas.data.labelled import load_labelled, part_of
from nas.spec.listener import Listener


def load(source, part=None):
    return load_labelled(source, part, Listener())


def test_one_image_of_one_class_is_enough(tmp_path):
    write_classes(tmp_path / "new", ["cat"], 1)
    found = load(f"folder:{tmp_path / 'new'}")
    assert (found.part, found.classes, found.labels.tolist()) == ("all", ("cat",), [0])
    assert found.words == f"1 image of folder:{tmp_path / 'new'}"
    assert found.read([0]) == [str(tmp_path / "new" / "cat" / found.name(0).split("/")[1])]


def test_all_images_are_those_of_every_split_each_read_by_its_number(tmp_path):
    for split, classes in (("train", ["cat", "dog"]), ("val", ["dog"]), ("test", ["cow", "dog"])):
        write_classes(tmp_path / split, classes, 3)
    found = load(f"folder:{tmp_path}", "all")
    assert found.classes == ("cat", "cow", "dog")
    assert len(found.labels) == 15
    order = [14, 0, 7, 3]
    for path, number in zip(found.read(order), order, strict=True):
        assert path.endswith(found.name(number))
        assert f"/{found.classes[found.labels[number]]}/" in path
    assert len(load(f"folder:{tmp_path}").labels) == 6  # its test split
    assert len(load(f"folder:{tmp_path}", "valid").labels) == 3


def test_labels_of_tables_are_names_whatever_they_are(tmp_path):
    datasets = importlib.import_module("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": [{"bytes": encoded(noise(i)), "path": None} for i in range(3)], "label": [7, 3, 7]}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "test-00000.parquet")
    found = load(f"hf:{tmp_path}")
    assert (found.part, found.classes, found.labels.tolist()) == ("test", ("3", "7"), [1, 0, 1])
    assert found.read([2]) == [encoded(noise(2))]


def test_arrays_need_not_use_every_label(tmp_path):
    images = np.zeros((3, 4, 4), np.uint8)
    np.savez(tmp_path / "a.npz", test_x=images, test_y=np.array([5, 2, 5]))
    found = load(f"npz:{tmp_path / 'a.npz'}")
    assert (found.part, found.classes, found.labels.tolist()) == ("test", ("2", "5"), [1, 0, 1])
    assert found.images.shape == (3, 4, 4, 1)


def test_a_part_that_is_not_there_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", train_x=np.zeros((10, 4, 4), np.uint8), train_y=np.arange(10) % 2)
    source = f"npz:{tmp_path / 'a.npz'}"
    with pytest.raises(ValueError, match=r"part must be all where npz:.* has no test part, got test"):
        load(source, "test")
    data = load_data(source)
    with pytest.raises(ValueError, match=r"part must be valid or all where .* has no test part, got test"):
        part_of(data, "test")
    assert part_of(data, None).part == "valid"
    assert load("digits").labels.shape == (7188,)
    with pytest.raises(ValueError, match="unknown data 'x'"):
        load("x")
