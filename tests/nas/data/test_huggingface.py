import gc
import importlib
import re

import numpy as np
import pytest
from fakes import Heard
from pictures import encoded, noise, write_classes, write_images

from nas.data import load_data
from nas.data.cache import Cache

SIZE = 8


@pytest.fixture(scope="session")
def datasets():
    """The library, which conftest.py keeps from the network."""
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


def parquet(path, labels, images=None):
    """A file as pandas, polars and others write it: nothing in it says which column holds images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = [encoded(noise(i)) for i in range(len(labels))]
    pq.write_table(
        pa.table({"image": images(content) if images else pa.array(content), "label": labels}), path
    )


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        (["dog", "cat"], "large_string", ("cat", "dog")),
        (["dog", "cat"], "string_view", ("cat", "dog")),
        ([0.0, 1.0], "float64", ("0", "1")),
        ([1.0, 0.0], "float32", ("0", "1")),
        ([True, False], "bool_", ("False", "True")),
        ([1, 0], "uint8", ("0", "1")),
    ],
)
def test_labels_of_any_type_of_parquet_are_read(load, tmp_path, labels, kind, classes):
    import pyarrow as pa

    column = pa.array(labels * 10, pa.string() if "view" in kind else getattr(pa, kind)())
    parquet(tmp_path / "a.parquet", column.cast(pa.string_view()) if "view" in kind else column)
    data = load(tmp_path / "a.parquet")
    assert data.classes == classes
    assert [len(part.labels) for part in (data.train, data.valid, data.test)] == [14, 4, 2]


def test_labels_in_a_dictionary_are_read(load, tmp_path):
    import pyarrow as pa

    parquet(tmp_path / "a.parquet", pa.array(["dog", "cat"] * 10).dictionary_encode())
    assert load(tmp_path / "a.parquet").classes == ("cat", "dog")


@pytest.mark.parametrize("kind", ["binary", "large_binary", "struct", "no path"])
def test_images_of_any_type_of_parquet_are_read(load, tmp_path, kind):
    import pyarrow as pa

    def images(content):
        if kind.endswith("binary"):
            return pa.array(content, getattr(pa, kind)())
        name = None if kind == "no path" else "x.png"
        return pa.array([{"bytes": one, "path": name} for one in content])

    parquet(tmp_path / "a.parquet", pa.array([0, 1] * 10), images)
    assert len(load(tmp_path / "a.parquet").train.labels) == 14


@pytest.mark.parametrize(
    "name", ["a[1].parquet", "[photos]/a.parquet", "*/train.parquet", "d {x}?/a[b].parquet"]
)
def test_signs_of_patterns_in_a_path_are_only_signs(load, tmp_path, name):
    import pyarrow as pa

    (tmp_path / name).parent.mkdir(exist_ok=True)
    parquet(tmp_path / name, pa.array([0, 1] * 10))
    assert load(tmp_path / name).classes == ("0", "1")
    if "/" in name:
        assert load((tmp_path / name).parent).classes == ("0", "1")
        assert load.said[0].startswith(f"Read hf:{(tmp_path / name).parent}: 2 classes")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder_with_metadata_is_read(load, tmp_path):
    write_images(tmp_path / "d" / "train", 20)
    rows = "".join(f"{i}.png,{('dog', 'cat')[i % 2]}\n" for i in range(20))
    (tmp_path / "d" / "train" / "metadata.csv").write_text("file_name,label\n" + rows)
    folder = load_data(f"folder:{tmp_path / 'd'}", size=SIZE, cache=Cache(tmp_path / "cache"))
    data = load(tmp_path / "d")
    assert data.classes == folder.classes == ("cat", "dog")
    assert len(data.train.labels) == len(folder.train.labels) == 14
    gc.collect()  # the library leaves metadata.csv open


def test_types_that_are_not_read_are_named(load, tmp_path):
    import pyarrow as pa

    parquet(tmp_path / "a.parquet", pa.array([0.5, 1.0] * 10))
    with pytest.raises(ValueError, match=r"labels that are words or whole numbers, got 0\.5 in label"):
        load(tmp_path / "a.parquet")
    parquet(tmp_path / "b.parquet", pa.array([0, 1] * 10), lambda content: pa.array([[1, 2]] * len(content)))
    with pytest.raises(ValueError, match=r"one column of images, got 0 in image \(List\), label \(int64\)"):
        load(tmp_path / "b.parquet")
    parquet(tmp_path / "c.parquet", pa.array([[0], [1]] * 10))
    with pytest.raises(ValueError, match=r"got 0 in image \(binary\), label \(List\)"):
        load(tmp_path / "c.parquet")
    parquet(tmp_path / "d.parquet", pa.array([0.0, None] * 10))
    with pytest.raises(ValueError, match="must have a label for every image, got none for some of train"):
        load(tmp_path / "d.parquet")


def test_a_missing_image_is_left_out(load, tmp_path):
    import pyarrow as pa

    parquet(tmp_path / "a.parquet", pa.array([0, 1] * 10), lambda content: pa.array([None, *content[1:]]))
    load(tmp_path / "a.parquet")
    assert load.said[-1].endswith("Left out 1 broken image of hf:" + f"{tmp_path}/a.parquet: train[0]")


@pytest.mark.parametrize(
    "error", [KeyError("a\nb"), RuntimeError(), SystemError("x"), NotImplementedError("y")]
)
def test_whatever_the_library_raises_is_one_line(load, datasets, tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(ValueError, match="hf:NAME must be a data set that can be loaded") as raised:
        load("some/name")
    assert str(raised.value).isprintable()


def test_splits_below_a_path_with_signs_of_patterns_are_kept(load, tmp_path):
    import pyarrow as pa

    (tmp_path / "[d]" / "val").mkdir(parents=True)
    parquet(tmp_path / "[d]" / "train-00000-of-00001.parquet", pa.array([0, 1] * 5))
    parquet(tmp_path / "[d]" / "val" / "0.parquet", pa.array([0, 1]))
    parquet(tmp_path / "[d]" / "test.parquet", pa.array([0, 1] * 2))
    data = load(tmp_path / "[d]")
    assert [len(part.labels) for part in (data.train, data.valid, data.test)] == [10, 2, 4]
    write_classes(tmp_path / "{e}" / "train")
    assert load(tmp_path / "{e}").classes == ("cat", "dog")
