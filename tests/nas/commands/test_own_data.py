"""``--data FILE.py:NAME``: images of one's own for the built-in training."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import nas as library
from nas import open_run
from nas.errors import InputError
from nas.launch.own_data import own_images

HEAD = """
import numpy as np, torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset
IMAGES, LABELS = load_digits(return_X_y=True)
IMAGES = IMAGES[:300].reshape(-1, 8, 8) / 16
LABELS = LABELS[:300]
class Digits(Dataset):
    def __len__(self): return len(LABELS)
    def __getitem__(self, index): return torch.tensor(IMAGES[index])[None].float(), int(LABELS[index])
arrays = ((IMAGES * 255).round().astype('uint8'), LABELS)
dataset = Digits()
def given(): return IMAGES, LABELS
"""
QUICK = ["--proxy", "resolution=8", "--proxy", "epochs=1", "--proxy", "width=0.25", "--address", "inline"]
SEARCH = ["search", "--space", "mnas", "--trials", 2, "--confirm", 0, "--controller", "random", *QUICK]


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(HEAD)
    return tmp_path / "own.py"


def test_arrays_a_dataset_and_a_function_are_the_same_images(nas, own):
    accuracies = []
    for name in ("arrays", "dataset", "given"):
        code, out, err = nas(*SEARCH, "--data", f"own.py:{name}", "--run", name)
        assert (code, err) == (0, "")
        assert "own.py" in out
        accuracies.append(open_run(name).trials()["accuracy"].tolist())
        assert open_run(name).config["data"] == f"{own}:{name}"
    assert accuracies[0] == accuracies[1] == accuracies[2]
    npz = ["--data", "npz:few.npz"]
    images, labels = load_digits(return_X_y=True)
    bytes_ = (images[:300].reshape(-1, 8, 8) / 16 * 255).round().astype("uint8")
    np.savez("few.npz", train_x=bytes_, train_y=labels[:300])
    assert nas(*SEARCH, *npz, "--run", "npz")[0] == 0
    assert open_run("npz").trials()["accuracy"].tolist() == accuracies[0]


def test_a_run_on_them_is_trained_and_resumed_only_where_they_are_named_or_trusted(nas, own, monkeypatch):
    assert nas(*SEARCH, "--data", "own.py:arrays", "--run", "r")[0] == 0
    code, _, err = nas("train", "r", "--set", "epochs=1", "--threads", 1, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert "--data of r must still be there; name others to take them" in err
    words = ["train", "r", "--data", "own.py:arrays", "--set", "epochs=1", "--threads", 1, "--run", "t"]
    code, _, err = nas(*words)
    assert (code, err) == (0, "")
    code, _, err = nas("search", "--like", "r")
    rule = "nas: --like must be a run without data in a file, unless --data names it again, got r with"
    assert (code, err) == (2, f"{rule} {own}:arrays\n")
    code, _, err = nas("resume", "r")
    assert (code, err) == (2, f"nas: --trust-code must be given to run the code of {own}:arrays\n")
    own.write_text(HEAD + "\n")
    code, _, err = nas("resume", "r", "--trust-code")
    assert (code, err) == (2, f"nas: --data must be the code that the run began with, got another in {own}\n")


def test_images_given_in_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images, labels = load_digits(return_X_y=True)
    data = torch.tensor(images[:300]).view(-1, 1, 8, 8) / 16, torch.tensor(labels[:300])
    run = library.search(
        "mnas", data=data, trials=1, confirm=0, controller="random", address="inline", quiet=True, run="r",
        proxy={"resolution": 8, "epochs": 1, "width": 0.25},
    )  # fmt: skip
    assert run.config["data"] == "python:data"
    assert run.trials()["accuracy"].notna().all()


WRONG = {
    "(3, 4)": "data must have images of uint8, or floats in [0, 1], got int64, from 3 to 3",
    "(np.zeros(3), LABELS)": "data: train_x must be [N, H, W]",
    "lambda: None": "data must be (images, labels), a Dataset of such pairs, or a function that gives them",
    "lambda: 1 / 0": "data must be given without an error, got ZeroDivisionError",
    "(IMAGES * 16, LABELS)": "data must have images of uint8, or floats in [0, 1], got float64, from 0 to 16",
    "(IMAGES, LABELS[:-1])": "data: train_y must be [300] as train_x is, got [299]",
    "[(IMAGES[0], 0), (IMAGES[1][:5], 1)]": "data must have images of one size, got [5, 8] and [8, 8]",
    "[(IMAGES[0], 'cat')] * 3": "data must give images and labels, got ValueError",
}


@pytest.mark.parametrize(("value", "message"), WRONG.items())
def test_what_are_no_images_is_one_line(nas, own, value, message):
    own.write_text(HEAD + f"wrong = {value}\n")
    code, _, err = nas(*SEARCH, "--data", "own.py:wrong", "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.removeprefix("nas: --").startswith(message), err
    assert not (own.parent / "no").exists()


def test_pictures_one_by_one_have_their_channels_last():
    pairs = [(np.full((4, 5, 3), number, np.uint8), number) for number in range(3)]
    assert own_images(pairs)["train_x"].shape == (3, 4, 5, 3)
    with pytest.raises(InputError, match="data must have images of one size"):
        own_images([*pairs, (np.zeros((4, 5), np.uint8), 1)])
