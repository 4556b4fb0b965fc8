"""``nas evaluate`` and ``nas predict``: a trained network in use."""

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from shades import SHADES, photo, train_on_shades
from sklearn import metrics as sklearn

from nas.training.weights import NAME, read_header

TINY = "res8-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-head64"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of three shades, and a network that was trained on them."""
    directory = tmp_path_factory.mktemp("made")
    train_on_shades(directory, TINY)
    return directory


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """The run, beside the folder of another working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "r", "r")
    (tmp_path / "photos").symlink_to(made / "photos")
    return "r"


def rows(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_run_is_judged_by_its_own_test_part(nas, run):
    code, out, err = nas("evaluate", run, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["part"], found["images"]) == ("test", 6)
    expected = json.loads(Path(run, "metrics.json").read_text())
    assert found["confusion"] == expected["test"]["confusion"]
    found = json.loads(nas("evaluate", run, "--part", "valid", "--json")[1])
    assert (found["part"], found["confusion"]) == ("valid", expected["valid"]["confusion"])
    code, out, err = nas("evaluate", run)
    assert (code, err) == (0, "")
    assert "\nAccuracy " in out
    assert " on 6 test images of folder:" in out
    _, out, _ = nas("evaluate", run, "--part", "all")
    assert re.search(r" on 60 images of folder:.*, those that it was trained on among them\.\n", out)


def test_other_images_are_judged_by_the_names_of_their_classes(nas, run, tmp_path):
    for i, (folder, shade) in enumerate([("light", 200), ("light", 40), ("dark", 40)]):
        photo(tmp_path / "new" / folder / f"{i}.png", shade, 99 + i)
    (tmp_path / "new" / "dark" / "broken.png").write_bytes(b"no image")
    code, out, err = nas("evaluate", run, "--data", "folder:new", "--csv", "-")
    assert code == 0
    assert err == (
        "nas: dark/broken.png was left out (no image of a format that is read)\nnas: 1 could not be read\n"
    )
    assert rows(out) == [
        ["class", "precision", "recall", "f1", "images", "predicted"],
        ["dark", "0.5", "1.0", "0.6666666666666666", "1", "2"],
        ["grey, mid", "", "", "", "0", "0"],
        ["light", "1.0", "0.5", "0.6666666666666666", "2", "1"],
    ]
    code, out, _ = nas("evaluate", run, "--data", "folder:new")
    assert " on 3 of the 4 images of folder:" in out
    assert "light taken for dark (1 image, 50 % of light)" in out
    photo(tmp_path / "new" / "ligth" / "1.png", 200)
    code, _, err = nas("evaluate", run, "--data", "folder:new")
    assert (code, err.partition(", in ")[0]) == (
        2, "nas: --data: unknown class 'ligth'; did you mean 'light'? Known: dark, grey, mid, light",
    )  # fmt: skip


def test_a_source_may_have_a_test_part_alone(nas, run, tmp_path):
    for i, name in enumerate(SHADES):
        photo(tmp_path / "new" / "test" / name / "1.png", SHADES[name], i)
    found = json.loads(nas("evaluate", run, "--data", "folder:new", "--json")[1])
    assert (found["part"], found["images"]) == ("test", 3)
    code, _, err = nas("evaluate", run, "--data", "folder:new", "--part", "valid")
    assert (code, err[:60]) == (2, "nas: --part must be all where folder:" + str(tmp_path)[:23])


def test_numbers_are_names_too_and_channels_must_fit(nas, data, tmp_path):
    options = ["--recipe", "proxy", "--threads", 1, "--epochs", 1, "--set", "resolution=0", "--run", "d"]
    assert nas("train", TINY, "--data", data, *options, "-q")[0] == 0
    with np.load(tmp_path / "digits.npz") as file:
        images, labels = file["test_x"], file["test_y"]
    kept = np.isin(labels, [3, 8])
    np.savez("few.npz", test_x=images[kept][::-1], test_y=labels[kept][::-1])
    found = json.loads(nas("evaluate", "d", "--data", "npz:few.npz", "--json")[1])
    whole = json.loads((tmp_path / "d" / "metrics.json").read_text())["test"]["confusion"]
    assert found["confusion"] == [row if k in (3, 8) else [0] * 10 for k, row in enumerate(whole)]
    np.savez("colour.npz", test_x=images[..., None].repeat(3, 3), test_y=labels)
    code, _, err = nas("evaluate", "d", "--data", "npz:colour.npz")
    assert (code, err[:74]) == (
        2, "nas: --data must have images of 1 channels, as the network, got 3 in npz:/"
    )  # fmt: skip


def test_the_classes_of_files_folders_and_patterns_are_named(nas, run, tmp_path):
    photo(tmp_path / "x[1].png", 200)
    photo(tmp_path / "in" / "deep" / "er" / "a.jpg", 40)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    code, out, err = nas("predict", run, "x[1].png", "in", "photos/d*/1?.png", "--top", 2)
    assert (code, err) == (0, "")
    header, *found = rows(out)
    assert header == ["path", "class", "probability", "class_2", "probability_2"]
    assert [row[0] for row in found[:3]] == ["x[1].png", "in/deep/er/a.jpg", "photos/dark/10.png"]
    assert [row[1] for row in found] == ["light", *["dark"] * 11]
    assert all(float(row[2]) > float(row[4]) for row in found)
    code, out, _ = nas("predict", run, "photos", "--least-confident", 5, "--json")
    images = json.loads(out)["images"]
    every = json.loads(nas("predict", run, "photos", "--json")[1])["images"]
    assert len(every) == 60
    assert images == sorted(every, key=lambda one: one["probability"])[:5]


def test_csv_holds_any_name(nas, run, tmp_path):
    names = ["a,b.png", 'q".png', "two\nlines.png", "ü.png", os.fsdecode(b"\xe9.png")]
    for name in names:
        photo(tmp_path / name, 40)
    assert nas("predict", run, *names, "--csv", "out.csv")[:2] == (
        0, "5 images read; their classes are in out.csv\n"
    )  # fmt: skip
    text = (tmp_path / "out.csv").read_bytes().decode()
    assert [row[0] for row in rows(text)[1:]] == [*names[:-1], "\\xe9.png"]
    assert "\r" not in text


def test_broken_files_are_named_and_the_others_read(nas, run, tmp_path):
    photo(tmp_path / "good.png", 40)
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    (tmp_path / "bad\x1b.png").write_text("no image")
    code, out, err = nas("predict", run, "good.png", "cut.png", "bad\x1b.png")
    assert (code, [row[0] for row in rows(out)]) == (0, ["path", "good.png"])
    assert err.splitlines()[0].startswith("nas: cut.png was left out (")
    assert err.splitlines()[1:] == [
        "nas: bad\\x1b.png was left out (no image of a format that is read)", "nas: 2 could not be read",
    ]  # fmt: skip
    code, out, err = nas("predict", run, "cut.png")
    assert (code, out) == (2, "")
    assert err.endswith("nas: PATH must hold an image that can be read, got 1 that cannot\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["empty"], "PATH must hold images, got none in empty"),
        (["notes"], "PATH must hold images, got none in notes (passed over: 1 .txt)"),
        (["none.png"], "PATH must be a file, a folder or a pattern that something matches, got none.png"),
        (["photos", "--csv", "empty"], "--csv must be a file in a folder that is there, got empty"),
        (["photos", "--csv", "x.csv", "--json"], "--csv must stand without --json, got x.csv"),
        (["photos", "--device", "tpu"], "--device must be one of ('auto', 'cpu', 'cuda'), got 'tpu'"),
    ],
)
def test_wrong_input_is_one_line(nas, run, tmp_path, arguments, line):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    assert nas("predict", run, *arguments) == (2, "", f"nas: {line}\n")


def test_weights_that_cannot_be_used_are_one_line(nas, run):
    path = Path(run)
    header, tensors = read_header(path), load_file(path / NAME)
    name = "classifier.bias"
    save_file({**tensors, name: tensors[name] * np.nan}, path / NAME, header)
    code, _, err = nas("evaluate", run)
    assert (code, err[:60]) == (2, "nas: RUN must have weights that can be used (some are not fi")
    del tensors[name]
    save_file(tensors, path / NAME, header)
    code, _, err = nas("predict", run, "photos")
    assert (code, err.count("\n")) == (2, 1)
    assert nas("evaluate", "photos")[0] == 2


def test_images_that_changed_are_not_judged_by_their_old_split(nas, made, run, tmp_path):
    shutil.copytree(made / "photos", "other")
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    config["data"] = f"folder:{tmp_path / 'other'}"
    (tmp_path / "r" / "config.json").write_text(json.dumps(config))
    assert nas("evaluate", run)[0] == 0  # the same images, elsewhere
    photo(tmp_path / "other" / "dark" / "more.png", 40)
    code, _, err = nas("evaluate", run)
    assert (code, err[:34]) == (2, "nas: --data of r must still be the")
    assert json.loads(nas("evaluate", run, "--part", "all", "--json")[1])["images"] == 61


def test_photos_of_12_bits_are_read_as_in_training(nas, tmp_path):
    """All are scaled alike, as they were for training; by the 16 bits of a file they would be dark."""
    rng = np.random.default_rng(0)
    for name, level in (("dim", 1000), ("bright", 3000)):
        (tmp_path / "deep" / name).mkdir(parents=True)
        for i in range(12):
            values = rng.integers(level - 500, level + 500, (10, 10)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / "deep" / name / f"{i}.png")
    recipe = ["--recipe", "proxy", "--set", "resolution=0", "--set", "batch_size=4", "--set", "width=1"]
    options = [*recipe, "--threads", 1, "--epochs", 8, "--run", "r", "-q"]
    assert nas("train", TINY, "--data", "folder:deep", *options)[0] == 0
    found = rows(nas("predict", "r", "deep")[1])[1:]
    right = [name for _, name, _ in found], [path.split("/")[1] for path, _, _ in found]
    assert sklearn.accuracy_score(*right) > 0.9
