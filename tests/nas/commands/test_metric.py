"""``--metric``, ``--class-weights`` and ``--patience``."""

import json
import re

import numpy as np
import pytest
from fakes import QUICK, compare
from sklearn.datasets import load_digits

from nas import open_run
from nas.training import full

TINY = "res8-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-head64"
SHORT = ["--proxy", "resolution=8", "--proxy", "epochs=1", "--confirm", 1, "--address", "inline"]
SEARCH = ["search", "--space", "mnas", *SHORT, "--trials", 2, "--run", "r"]


@pytest.fixture
def uneven(tmp_path):
    """Scans of digits, the last class with far fewer than the first."""
    images, labels = load_digits(return_X_y=True)
    kept = np.flatnonzero(np.isin(labels, [0, 1, 2]))[:300]
    kept = kept[(labels[kept] < 2) | (np.cumsum(labels[kept] == 2) <= 8)]
    np.savez(tmp_path / "u.npz", train_x=images[kept].reshape(-1, 8, 8).astype("uint8"), train_y=labels[kept])
    return "npz:u.npz"


def test_a_search_maximises_the_metric_and_says_so(nas, uneven):
    code, out, err = nas(*SEARCH, "--data", uneven, "--metric", "macro_f1", "--class-weights", "balanced")
    assert (code, err) == (0, "")
    assert "What is called accuracy is macro F1, the mean F1 of the classes." in out
    assert "trial 0: macro F1 " in out
    assert "Pareto front: macro F1 against FLOPs" in out
    assert "--class-weights" not in out  # they are balanced already
    recipe = json.loads(open_run("r").directory.joinpath("config.json").read_text())["recipe"]
    assert (recipe["metric"], recipe["class_weights"]) == ("macro_f1", "balanced")
    assert json.loads(nas("report", "r", "--json")[1])["metric"] == "macro_f1"
    accuracies = open_run("r").trials()["accuracy"]
    assert accuracies.between(0, 1).all()
    page = (open_run("r").directory / "report.html").read_text()
    seen = re.sub(r"<(script|style|details)\b.*?</\1>|<[^>]*>", "|", page, flags=re.DOTALL)
    assert "|Macro F1 against|" in seen
    assert "|accuracy|" not in seen
    assert re.search(r'"title": ?\{"text": ?"macro F1"', page)


def test_with_pretrained_weights_the_soft_accuracy_ranks_unless_another_is_asked_for(nas, tmp_path):
    images, labels = load_digits(return_X_y=True)
    coloured = np.repeat(images[:200].reshape(-1, 8, 8, 1), 3, axis=3).astype("uint8")
    np.savez(tmp_path / "rgb.npz", train_x=coloured, train_y=labels[:200])
    asked = ["plan", "--space", "mnas-lite", "--init", "efficientnet-lite0", *SHORT, "--trials", 2]
    asked += ["--proxy", "width=0.1", "--baseline", "none", "--data", "npz:rgb.npz"]
    said = " What is called accuracy is soft accuracy, the mean probability of the right class."
    assert said in nas(*asked)[1]
    assert "What is called" not in nas(*asked, "--metric", "accuracy")[1]


def test_uneven_classes_are_pointed_out(nas, uneven):
    plan = ["plan", "--space", "mnas", *SHORT, "--trials", 2]
    _, out, _ = nas(*plan, "--data", uneven)
    assert "--class-weights balanced lets the classes count alike, and --metric balanced_accuracy " in out
    options = ["--data", uneven, *QUICK, "--epochs", 1]
    _, out, _ = nas("train", TINY, *options, "--run", "a")
    assert (
        " training images and the smallest 6: --class-weights balanced lets the classes count alike.\n" in out
    )
    _, out, _ = nas("train", TINY, *options, "--class-weights", "balanced", "--run", "b")
    assert "--class-weights" not in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["search", "--space", "mnas", "--metric", "f1"],
         "--metric must be one of ('accuracy', 'soft_accuracy', 'balanced_accuracy', 'macro_f1'), got 'f1'"),
        (["search", "--space", "mnas", "--class-weights", "all"],
         "--class-weights must be one of ('none', 'balanced'), got 'all'"),
        (["audit", "--metric", "f1"],
         "--metric must be one of ('accuracy', 'soft_accuracy', 'balanced_accuracy', 'macro_f1'), got 'f1'"),
        (["search", "--space", "mnas", "--evaluator", "table:x.csv", "--metric", "macro_f1"],
         "--metric must be accuracy where nothing is trained, got macro_f1"),
        (["train", TINY, "--set", "metric=macro_f1"],
         "metric must be accuracy where one network is trained, got macro_f1"),
    ],
)  # fmt: skip
def test_wrong_values_are_one_line(nas, arguments, line):
    assert nas(*arguments) == (2, "", f"nas: {line}\n")


def test_a_training_run_ends_when_the_accuracy_no_longer_rises(nas, data, tmp_path):
    training = ["train", TINY, "--data", data, *QUICK, "--epochs", 9, "--set", "learning_rate=1e-9"]
    code, out, err = nas(*training, "--patience", 2, "--run", "r")
    assert (code, err) == (0, "")
    curve = list(open_run("r").epochs()["accuracy"])
    assert len(curve) < 9
    best = curve.index(max(curve))
    assert len(curve) == best + 3
    assert f"epochs (epoch {best + 1}); it ended before epoch 9 because the accuracy no longer rose." in out
    best = json.loads((tmp_path / "r" / "best.json").read_text())
    assert best["test_accuracy"] is not None
    assert json.loads((tmp_path / "r" / "config.json").read_text())["patience"] == 2
    assert nas("resume", "r") == (2, "", "nas: RUN must be unfinished, and its training is: r\n")


def test_patience_counts_on_when_a_training_run_is_resumed(nas, data, monkeypatch):
    training = ["train", TINY, "--data", data, *QUICK, "--epochs", 9, "--set", "learning_rate=1e-9"]
    assert nas(*training, "--patience", 2, "--run", "through", "-q")[0] == 0
    write = full.write_checkpoint

    def interrupted(directory, checkpoint):
        write(directory, checkpoint)
        if len(checkpoint.curve) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(full, "write_checkpoint", interrupted)
    assert nas(*training, "--patience", 2, "--run", "resumed", "-q")[0] == 130
    monkeypatch.setattr(full, "write_checkpoint", write)
    assert nas("resume", "resumed", "-q")[0] == 0
    compare("through", "resumed")
