import importlib
import os
import re
import sys

import numpy as np
import pytest
from fakes import Heard
from pictures import encoded, noise, write_classes

from nas.data import load_data
from nas.data.cache import Cache

SIZE = 8


@pytest.fixture(scope="session")
def datasets(tmp_path_factory):
    """The library, which must never use the network."""
    assert "datasets" not in sys.modules
    home = str(tmp_path_factory.mktemp("huggingface"))
    os.environ.update(HF_HOME=home, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    return importlib.import_module("datasets")


@pytest.fixture
def load(datasets, tmp_path):
    """Loads a data set; ``load.said`` has the messages."""

    def load(name, **options):
        listener = Heard()
        load.said = listener.said
        cache = Cache(tmp_path / "cache")
        return load_data(f"hf:{name}", size=SIZE, cache=cache, listener=listener, **options)

    return load


def digest(part):
    return sorted((image.tobytes(), label) for image, label in zip(*part, strict=True))


def table(datasets, labels, feature, first=0, **more):
    """A table with one image per label."""
    images = [{"bytes": encoded(noise(first + i)), "path": None} for i in range(len(labels))]
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": feature, **{k: v[1] for k, v in more.items()}}
    )
    columns = {"picture": images, "kind": labels, **{k: v[0] for k, v in more.items()}}
    return datasets.Dataset.from_dict(columns, features)


LABELS = [i % 2 for i in range(20)]


@pytest.fixture
def names(datasets):
    return datasets.ClassLabel(names=["cat", "dog"])


def test_a_folder_of_images_reads_as_the_folder_source_does(load, tmp_path):
    write_classes(tmp_path / "f" / "train")
    write_classes(tmp_path / "f" / "val", each=3, first=50)
    folder = load_data(f"folder:{tmp_path / 'f'}", size=SIZE, cache=Cache(tmp_path / "cache"))
    data = load(tmp_path / "f")
    assert data.classes == folder.classes
    assert digest(data.train) == digest(folder.train)
    assert digest(data.valid) == digest(folder.valid)


def test_parquet_files_in_a_directory_are_splits_by_their_names(load, datasets, names, tmp_path):
    (tmp_path / "d").mkdir()
    for split, first, count in (("train", 0, 20), ("validation", 20, 4), ("test", 30, 6)):
        table(datasets, LABELS[:count], names, first).to_parquet(tmp_path / "d" / f"{split}.parquet")
    data = load(tmp_path / "d")
    assert data.name == f"hf:{tmp_path / 'd'}"
    assert data.classes == ("cat", "dog")
    assert [len(part.labels) for part in (data.train, data.valid, data.test)] == [20, 4, 6]
    load(tmp_path / "d", seed=1)
    assert [line.split()[0] for line in load.said] == ["Read"]


def test_a_parquet_file_is_split_by_class(load, datasets, names, tmp_path):
    table(datasets, LABELS, names).to_parquet(tmp_path / "a.parquet")
    data = load(tmp_path / "a.parquet")
    assert [len(part.labels) for part in (data.train, data.valid, data.test)] == [14, 4, 2]
    assert np.bincount(data.train.labels).tolist() == [7, 7]


@pytest.mark.parametrize(
    ("labels", "dtype", "classes"),
    [(LABELS, "int64", ("0", "1")), (["dog", "cat"] * 10, "string", ("cat", "dog"))],
)
def test_labels_may_be_numbers_or_words(load, datasets, tmp_path, labels, dtype, classes):
    table(datasets, labels, datasets.Value(dtype)).to_parquet(tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").classes == classes


def test_of_several_label_columns_one_is_taken_and_named(load, datasets, names, tmp_path):
    coarse = ([0] * 20, datasets.ClassLabel(names=["animal"]))
    table(datasets, LABELS, names, coarse=coarse).to_parquet(tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").classes == ("cat", "dog")
    source = f"hf:{tmp_path / 'a.parquet'}"
    assert load.said[0] == f"The labels of {source} are its column 'kind' (not coarse)"


def test_a_test_split_without_labels_is_left_out(load, datasets, names, tmp_path):
    (tmp_path / "d").mkdir()
    table(datasets, LABELS, names).to_parquet(tmp_path / "d" / "train.parquet")
    table(datasets, [-1] * 4, names, 20).to_parquet(tmp_path / "d" / "test.parquet")
    data = load(tmp_path / "d")
    assert "has no labels and is left out" in load.said[0]
    assert [len(part.labels) for part in (data.train, data.valid, data.test)] == [14, 4, 2]


def test_broken_images_are_named_by_split_and_row(load, datasets, names, tmp_path):
    rows = table(datasets, LABELS, names).to_list()
    rows[3]["picture"] = {"bytes": b"no image", "path": None}
    features = datasets.Features({"picture": datasets.Image(), "kind": names})
    datasets.Dataset.from_list(rows, features).to_parquet(tmp_path / "a.parquet")
    load(tmp_path / "a.parquet")
    assert load.said[-1].endswith(": train[3]")


def test_the_library_prints_nothing(load, datasets, names, tmp_path, capfd):
    table(datasets, LABELS, names).to_parquet(tmp_path / "a.parquet")
    capfd.readouterr()
    load(tmp_path / "a.parquet")
    assert capfd.readouterr() == ("", "")


def out_of_range(datasets, names):
    return table(datasets, [*LABELS[:19], -1], names)


def numbers_with_gaps(datasets, names):
    return table(datasets, [label * 1000 for label in LABELS], datasets.Value("int64"))


def a_missing_number(datasets, names):
    return table(datasets, [label * 2 for label in LABELS], datasets.Value("int64"))


def a_missing_label(datasets, names):
    return table(datasets, [*LABELS[:19], None], names)


def no_images(datasets, names):
    return table(datasets, LABELS, names).remove_columns("picture")


def no_labels(datasets, names):
    return table(datasets, LABELS, names).remove_columns("kind")


def two_numbers(datasets, names):
    return table(datasets, LABELS, datasets.Value("int64"), id=(LABELS, datasets.Value("int64")))


def two_images(datasets, names):
    return table(datasets, LABELS, names, mask=([encoded(noise(0))] * 20, datasets.Image()))


def one_class(datasets, names):
    return table(datasets, [0] * 20, datasets.Value("int64"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (out_of_range, "must have labels in [0, 1], got -1 to 1 in train"),
        (numbers_with_gaps, "must have labels in [0, 19], got 0 to 1000 in train"),
        (a_missing_number, "at least 5 training images of each class, to hold some out, got 0 of '1'"),
        (a_missing_label, "must have a label for every image, got none for some of train"),
        (no_images, "must have one column of images, got 0 in kind (ClassLabel)"),
        (no_labels, "must have one column of labels, or one called label, got 0 in picture (Image)"),
        (two_numbers, "got 2 in picture (Image), kind (int64), id (int64)"),
        (
            two_images,
            "must have one column of images, got 2 in picture (Image), kind (ClassLabel), mask (Image)",
        ),
        (one_class, "must hold at least 2 classes, got 0"),
    ],
)
def test_tables_that_cannot_be_used_say_why(load, datasets, names, tmp_path, make, message):
    make(datasets, names).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        load(tmp_path / "a.parquet")
    assert "\n" not in str(raised.value)


def test_a_split_without_training_images_says_so(load, datasets, names, tmp_path):
    (tmp_path / "d").mkdir()
    table(datasets, LABELS, names).to_parquet(tmp_path / "d" / "test.parquet")
    with pytest.raises(ValueError, match="must have a split train, got test"):
        load(tmp_path / "d")


def test_files_that_are_damaged_or_missing_say_so_in_one_line(load, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"no table")
    (tmp_path / "empty").mkdir()
    for name in (tmp_path / "a.parquet", tmp_path / "empty", "nobody/nothing"):
        with pytest.raises(ValueError, match="hf:NAME must be a data set that can be loaded") as raised:
            load(name)
        assert "\n" not in str(raised.value)


def test_without_the_library_the_extra_is_named(nas, monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find(name) if name != "datasets" else None)
    code, out, err = nas("search", "--space", "mnas", "--data", "hf:a/b", "--run", "r")
    assert (code, out) == (2, "")
    assert err == (
        "nas: --data: hf:NAME needs the library datasets (pip install 'nas-scaling[data]'), got hf:a/b\n"
    )
