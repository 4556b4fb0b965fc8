"""What a folder is read as: splits, classes, tables of labels, and what is passed over."""

import os
import re

import numpy as np
import pytest
from fakes import Heard
from pictures import encoded, noise, write_classes, write_images
from PIL import Image

from nas.data import load_data
from nas.data.folder import list_folder
from nas.data.split_names import split_of
from nas.data.words import alike, in_a_line


def listing(directory):
    return list_folder(directory, f"folder:{directory}")


def sizes(listed):
    return {split: len(of.labels) for split, of in listed.splits.items()}


def images_of(listed, label):
    (split,) = listed.splits.values()
    return {split.name(row) for row in range(len(split.labels)) if split.labels[row] == label}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        *[
            (name, "train")
            for name in ("train", "Training", "TRAIN", "train_data", "train-images", "images_train")
        ],
        *[
            (name, "train")
            for name in ("Training Set", "train2017", "TrainingData", "dataset_train_256", "1_train")
        ],
        *[
            (name, "valid")
            for name in ("val", "VALIDATION", "valid", "dev", "eval", "Val_images", "validation-set")
        ],
        *[(name, "test") for name in ("test", "Testing", "test_set", "TestImages", "test1")],
        *[
            (name, None)
            for name in ("trainer", "trains", "cat", "evaluate", "devil", "latest", "contest", "images")
        ],
        ("1" * 200 + "x", None),
        ("data" * 60 + "x", None),
    ],
)
def test_splits_are_known_in_any_case_and_spelling(name, split):
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("train", "test"), [("Training", "Testing"), ("train_data", "test_set"), ("TRAIN", "Test-Images")]
)
def test_folders_that_are_called_as_splits_are_splits_and_it_is_said(tmp_path, train, test):
    write_classes(tmp_path / train)
    write_classes(tmp_path / test, each=2, first=50)
    listed = listing(tmp_path)
    assert listed.classes == ("cat", "dog")
    assert sizes(listed) == {"train": 20, "test": 4}
    assert f"{train} is the training part, {test} is the test part" in listed.notes[0]


def test_splits_inside_of_each_class_are_used_and_it_is_said(tmp_path):
    for name in ("cat", "dog"):
        write_classes(tmp_path / name, ("Train", "val"))
    listed = listing(tmp_path)
    assert (listed.classes, sizes(listed)) == (("cat", "dog"), {"train": 20, "valid": 20})
    assert "each class has folders for its splits (Train and val)" in listed.notes[0]


def test_folders_with_the_same_classes_but_no_name_of_a_split_are_refused(tmp_path):
    for name in ("north", "south", "west"):
        write_classes(tmp_path / name)
    with pytest.raises(ValueError, match=r"north, south and west hold the same folders \(cat and dog\)"):
        listing(tmp_path)


def test_a_class_may_have_folders_of_its_own(tmp_path):
    write_classes(tmp_path / "cat", ("front", "side"))
    write_classes(tmp_path / "dog", ("front", "back"))
    write_classes(tmp_path / "eel", ("images",))
    assert listing(tmp_path).classes == ("cat", "dog", "eel")


def test_a_folder_around_all_is_named(tmp_path):
    write_classes(tmp_path / "archive")
    (tmp_path / "__MACOSX").mkdir()
    message = f"got archive, which holds cat and dog: folder:{tmp_path}/archive may be meant"
    with pytest.raises(ValueError, match=re.escape(message)):
        listing(tmp_path)


def test_splits_without_class_folders_or_labels_are_refused(tmp_path):
    write_classes(tmp_path, ("train", "test"))
    message = "or a CSV file of file_name,label; train has neither, got 10 images in "
    with pytest.raises(ValueError, match=re.escape(message)):
        listing(tmp_path)


def test_images_in_one_place_without_labels_are_refused(tmp_path):
    write_images(tmp_path / "photos", 3)
    with pytest.raises(ValueError, match="or a CSV file of file_name,label, got 3 images in"):
        listing(tmp_path)
    (tmp_path / "labels.csv").write_text("id,x,y2\n0,1,1\n")
    message = "(labels.csv must have a column of classes, called label or class, got id, x, y2), got 3 images"
    with pytest.raises(ValueError, match=re.escape(message)):
        listing(tmp_path)


@pytest.mark.parametrize(
    ("where", "header", "row"),
    [
        ("train/metadata.csv", "file_name,label", "{i}.png,{name}"),
        ("train.csv", "file_name,label", "train/{i}.png,{name}"),
        ("train_labels.csv", "id,breed", "{i},{name}"),
        ("labels.csv", "Class;Image Path", "{name};./train/{i}.png"),
        ("annotations.tsv", "image\tx\ttarget", "{i}.PNG\t7\t{name}"),
        ("labels.csv", "", "C:\\photos\\{i}.png,{name}"),
        ("labels.csv", "what,it is", "{i}.png, {name} "),
        ("labels.csv", '"filename","label"', '"{i}.png","{name}"'),
        ("labels.csv", "\ufefffilename,label", "{i}.png,{name}"),
    ],
)
def test_a_table_of_labels_beside_the_images_is_read(tmp_path, where, header, row):
    write_images(tmp_path / "train", 12)
    lines = [header] * bool(header) + [row.format(i=i, name=("cat", "dog")[i % 2]) for i in range(12)]
    (tmp_path / where).write_text("\n".join(lines), encoding="utf-8")
    listed = listing(tmp_path)
    assert listed.classes == ("cat", "dog")
    assert images_of(listed, 1) == {f"train/{i}.png" for i in range(1, 12, 2)}
    assert f"classes are those of {where}" in listed.notes[0]
    assert listed.passed == ()


def test_images_and_metadata_in_one_folder_are_read_and_gaps_counted(tmp_path):
    write_images(tmp_path, 12)
    rows = [f"{i}.png,{i % 2}" for i in range(11)] + ["gone.png,1", "11.png,"]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    listed = listing(tmp_path)
    assert (listed.classes, sizes(listed)) == (("0", "1"), {"train": 11})
    assert "1 without a file in metadata.csv" in listed.passed
    assert "1 without a label in metadata.csv" in listed.passed


def test_one_image_has_one_class(tmp_path):
    write_images(tmp_path, 2)
    (tmp_path / "labels.csv").write_text("file_name,label\n0.png,cat\n0.png,dog\n1.png,cat\n")
    with pytest.raises(
        ValueError, match=r"labels\.csv must give each image one class, got cat and dog for 0\.png"
    ):
        listing(tmp_path)


def test_numbers_in_a_table_are_ordered_as_numbers(tmp_path):
    write_images(tmp_path, 60)
    (tmp_path / "labels.csv").write_text("file,y\n" + "".join(f"{i}.png,{i % 12}\n" for i in range(60)))
    assert listing(tmp_path).classes == tuple(map(str, range(12)))


@pytest.mark.parametrize("content", [b"", b"\0\xff\xfe,", b"\xff\xfea", b'"' * 200_000, b"a,b\n" * 3])
def test_a_table_that_is_none_is_refused_in_one_line(tmp_path, content):
    write_images(tmp_path, 2)
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"\(labels.csv .*\), got 2 images in") as raised:
        listing(tmp_path)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "suffix", [".tif", ".jfif", ".gif", ".TIFF", ".ppm", ".jp2", ".avif", ".tga", ".ico"]
)
def test_every_suffix_that_pillow_reads_is_read(tmp_path, suffix):
    write_classes(tmp_path)
    for i in range(10):
        Image.fromarray(noise(i)).save(tmp_path / "cat" / f"more{i}{suffix}")
    assert sizes(listing(tmp_path)) == {"train": 30}


def test_what_is_passed_over_is_counted(tmp_path):
    write_classes(tmp_path)
    for i in range(3):
        (tmp_path / "cat" / f"{i}.heic").write_bytes(b"x")
        (tmp_path / "dog" / f"{i}.png").symlink_to("/nowhere")
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"x")
    (tmp_path / "cat" / "README").write_bytes(b"x")
    (tmp_path / "dog" / "notes.PDF").write_bytes(b"x")
    (tmp_path / "dog" / "up").symlink_to("..")
    (tmp_path / "me").symlink_to(".")
    (tmp_path / "outside.png").write_bytes(encoded(noise(1)))
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    listed = listing(tmp_path)
    assert (listed.classes, sizes(listed)) == (("cat", "dog"), {"train": 20})
    assert sorted(listed.passed) == [
        *(
            "1 .pdf",
            "1 file without a suffix",
            "1 hidden",
            "1 image outside of all classes",
            "1 special file",
        ),
        *("2 links that lead back", "3 .heic", "3 dead links"),
    ]


def test_a_class_of_files_that_are_not_read_is_an_error_that_names_them(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "eel").mkdir()
    for i in range(3):
        (tmp_path / "eel" / f"{i}.heic").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"got 0 of 'eel' \(passed over: 3 .heic\)"):
        listing(tmp_path)


def test_run_directories_and_weights_are_no_images(tmp_path):
    write_classes(tmp_path)
    for run, file in (("runs/a", "run.db"), ("runs/b", "run.db"), ("first", "run.db"), ("cat/it", "run.db")):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / file).write_bytes(b"")
        (tmp_path / run / "figure.png").write_bytes(encoded(noise(0)))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.safetensors").write_bytes(b"")
    listed = listing(tmp_path)
    assert (listed.classes, sizes(listed)) == (("cat", "dog"), {"train": 20})
    assert listed.passed == ("4 run directories",)


def test_folders_nested_a_thousand_deep_are_walked(tmp_path):
    write_classes(tmp_path)
    deep = tmp_path / "cat"
    for _ in range(1000):
        deep /= "d"
        deep.mkdir()
    assert sizes(listing(tmp_path)) == {"train": 20}
    while deep.name == "d":  # pytest's own removal would go too deep
        deep.rmdir()
        deep = deep.parent


def test_the_line_names_classes_parts_sizes_and_what_was_passed_over():
    labels = {"train": np.array([0, 0, 1]), "valid": np.array([1]), "test": np.array([0])}
    assert in_a_line("folder:p", ("cat", "d\nog"), labels, 640, ("3 .heic", "1 dead link")) == (
        "Read folder:p: 2 classes (cat 3, d\\nog 2); 3 training, 1 validation and 1 test images of 640 px; "
        "passed over: 3 .heic, 1 dead link"
    )
    many = {"train": np.array([*range(100), 99]), "valid": np.zeros(0, np.int64)}
    line = in_a_line("digits", tuple(map(str, range(100))), many, 0, ())
    labels = {"train": np.arange(11), "valid": np.zeros(0, np.int64)}
    assert ", 7 1, and 3 more of 1); 11" in in_a_line("x", tuple(map(str, range(11))), labels, 0, ())
    assert line == (
        "Read digits: 100 classes (0 1, 1 1, 2 1, 3 1, 4 1, 5 1, 6 1, 7 1, and 92 more of 1 to 2); "
        "101 training and 0 validation images"
    )


def test_classes_that_differ_in_case_or_blanks_alone_are_told():
    assert alike(("Cat", "cat ", "dog")) == [
        "Classes 'Cat' and 'cat ' differ only in case or blanks: they are kept apart"
    ]
    assert alike(("Cat", "cat", "a b", "ab", "dog"))[0].endswith("and 1 more: they are kept apart")
    assert alike(("cat", "dog")) == []


def test_every_source_is_shown_back(tmp_path):
    heard = Heard()
    load_data("digits", listener=heard)
    np.savez(tmp_path / "a.npz", train_x=np.zeros((20, 6, 6), np.uint8), train_y=np.arange(20) % 2)
    load_data(f"npz:{tmp_path}/a.npz", listener=heard)
    assert heard.said[0].startswith("Read digits: 10 classes (0 712, 1 728,")
    assert heard.said[1].endswith(
        "a.npz: 2 classes (0 10, 1 10); 16 training and 4 validation images of 6 px"
    )
