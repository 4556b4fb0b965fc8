"""Resuming a run whose photos were touched, copied or moved: their contents decide, not their times."""

import json
import os
import shutil
import sqlite3

import numpy as np
import pytest
from pictures import encoded, noise, write_classes

SEARCH = (
    "search",
    "--space",
    "mnas",
    "--trials",
    2,
    "--confirm",
    0,
    "--proxy",
    "epochs=1",
    "--address",
    "inline",
)


@pytest.fixture
def interrupted(nas, tmp_path, monkeypatch):
    """Makes the run ``r`` on photos, and takes back its last trial."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def interrupted(data):
        code, _, err = nas(*SEARCH, "--data", data, "--run", "r")
        assert (code, err) == (0, "")
        (tmp_path / "r" / "best.json").unlink()
        with sqlite3.connect(tmp_path / "r" / "run.db") as db:
            db.execute("DELETE FROM events WHERE trial = 1 AND kind = 'tell'")
            db.execute("UPDATE trials SET status = 'running' WHERE trial = 1")
        db.close()
        return tmp_path / "r"

    return interrupted


def touched(photos):
    for path in photos.rglob("*.*"):
        os.utime(path, ns=(1, 1))


def copied(photos):
    shutil.copytree(photos, photos.with_name("new"))
    shutil.rmtree(photos)
    photos.with_name("new").rename(photos)


@pytest.mark.parametrize("change", [touched, copied])
def test_photos_with_new_times_are_the_same_photos(nas, interrupted, tmp_path, change):
    photos = write_classes(tmp_path / "photos")
    interrupted("folder:photos")
    change(photos)
    code, _, err = nas("resume", "r")
    assert (code, err) == (0, "")


def test_photos_that_were_moved_are_found_where_they_are_said_to_be(nas, interrupted, tmp_path):
    write_classes(tmp_path / "photos").rename(tmp_path / "first")
    run = interrupted("folder:first")
    (tmp_path / "first").rename(tmp_path / "elsewhere")
    code, _, err = nas("resume", "r")
    assert code == 2
    assert err == (
        "nas: --data: folder:DIR must be a folder that can be read (No such file or directory), got "
        f"{tmp_path}/first; if they were moved, --data says where they are now\n"
    )
    code, _, err = nas("resume", "r", "--data", "folder:elsewhere")
    assert (code, err) == (0, "")
    assert json.loads((run / "config.json").read_text())["data"] == f"folder:{tmp_path}/elsewhere"


def test_other_photos_are_refused_and_nothing_changes(nas, interrupted, tmp_path):
    write_classes(tmp_path / "photos")
    run = interrupted("folder:photos")
    before = (run / "config.json").read_bytes()
    shutil.copytree(tmp_path / "photos", tmp_path / "other")
    (tmp_path / "other" / "cat" / "0.png").write_bytes(encoded(noise(99)))
    for data in ("folder:other", "digits"):
        code, _, err = nas("resume", "r", "--data", data)
        assert (code, err.count("\n")) == (2, 1)
        assert err.startswith("nas: RUN began with other contents than ")
    assert (run / "config.json").read_bytes() == before


def test_an_archive_may_be_moved_too(nas, interrupted, tmp_path):
    labels = np.arange(40) % 2
    images = np.zeros((40, 8, 8, 3), np.uint8) + np.uint8(100) * labels[:, None, None, None].astype(np.uint8)
    np.savez(tmp_path / "a.npz", train_x=images, train_y=labels)
    interrupted("npz:a.npz")
    (tmp_path / "a.npz").rename(tmp_path / "b.npz")
    assert nas("resume", "r", "--data", "npz:b.npz")[0] == 0


def test_a_run_that_knew_its_photos_by_their_times_goes_on_while_these_last(nas, interrupted, tmp_path):
    from nas.data.pack import key_of, list_images

    write_classes(tmp_path / "photos")
    run = interrupted("folder:photos")
    config = json.loads((run / "config.json").read_text())
    key = key_of(list_images(config["data"]), 32, 0, former=True)
    import hashlib

    former = hashlib.sha256(f"{key} train{key} valid".encode()).hexdigest()
    now = config["input_sha256"]
    (run / "config.json").write_text(json.dumps(config | {"input_sha256": former}))
    assert nas("resume", "r")[0] == 0
    assert json.loads((run / "config.json").read_text())["input_sha256"] == now


def test_a_run_without_images_takes_no_data(nas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from places import MACRO_TABLE

    nas(
        "search",
        "--space",
        "nasbench-macro",
        "--evaluator",
        f"table:{MACRO_TABLE}",
        "--trials",
        3,
        "--run",
        "r",
    )
    code, _, err = nas("resume", "r", "--data", "digits")
    assert (code, err) == (2, "nas: --data must be left out, as this run reads no images, got digits\n")
