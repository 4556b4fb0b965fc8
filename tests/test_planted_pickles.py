"""No file of a run, of data or of weights is ever unpickled: a pickle in its place runs nothing."""

import io
import os
import pickle
import shutil
import sqlite3
import zipfile

import pytest
import torch
from places import ROOT

OLD = ROOT / "tests" / "runs_of_0.1"
SEARCH = ["search", "--space", "mnas", "--trials", 1, "--address", "inline", "--run", "r", "--data"]


class Planted:
    """Makes a directory when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def sprung(tmp_path):
    """What appears if a pickle is loaded."""
    path = tmp_path / "sprung"
    yield path
    assert not path.exists()


def forms(planted):
    """A pickle as it is, and as torch keeps one."""
    saved = io.BytesIO()
    torch.save({"state": planted}, saved)
    return {"bare": pickle.dumps(planted), "torch": saved.getvalue()}


def test_in_images(nas, sprung, tmp_path):
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    shape = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        for name in ("train_x", "train_y"):
            archive.writestr(f"{name}.npy", header + shape + pickle.dumps(Planted(sprung)))
    code, _, err = nas(*SEARCH, "npz:bad.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "without pickled objects" in err


@pytest.mark.parametrize("form", ["bare", "torch"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_in_weights_to_begin_with(nas, sprung, tmp_path, form, suffix):
    (tmp_path / f"bad.{suffix}").write_bytes(forms(Planted(sprung))[form])
    code, _, err = nas("train", "efficientnet-b0", "--init", f"bad.{suffix}", "--run", "r")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize("form", ["bare", "torch"])
def test_in_a_checkpoint(nas, sprung, tmp_path, form):
    run = tmp_path / "r"
    shutil.copytree(OLD / "training-interrupted", run)
    (run / "checkpoint.pt").write_bytes(forms(Planted(sprung))[form])
    code, _, err = nas("resume", "r")
    assert (code in (1, 2), err.count("\n")) == (True, 1)


@pytest.mark.parametrize("form", ["bare", "torch"])
@pytest.mark.parametrize("command", [["evaluate", "r"], ["predict", "r", "photo.png"]])
def test_in_trained_weights(nas, sprung, tmp_path, form, command):
    run = tmp_path / "r"
    shutil.copytree(OLD / "training-finished", run)
    (tmp_path / "photo.png").write_bytes(b"")
    (run / "weights.safetensors").write_bytes(forms(Planted(sprung))[form])
    code, _, err = nas(*command)
    assert (code, err.count("\n")) == (2, 1)


def test_in_a_controller(nas, sprung, tmp_path):
    run = tmp_path / "r"
    shutil.copytree(OLD / "search-interrupted", run)
    with sqlite3.connect(run / "run.db") as db:
        db.execute("DELETE FROM controller")
        text = pickle.dumps(Planted(sprung)).decode("latin1")
        db.execute("INSERT INTO controller VALUES (1, ?)", (text,))
    db.close()
    code, _, err = nas("resume", "r", "--address", "inline")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize("name", ["best.json", "config.json", "family.json"])
def test_in_files_of_a_run(nas, sprung, tmp_path, name):
    run = tmp_path / "r"
    shutil.copytree(OLD / "scaling-finished", run)
    (run / name).write_bytes(pickle.dumps(Planted(sprung)))
    for command in (
        ["report", "r"],
        ["resume", "r"],
        ["show", "r"],
        ["scale", "--base", "r", "--coefficients", "1.2,1.1,1.15"],
    ):
        assert nas(*command)[0] in (0, 2)
