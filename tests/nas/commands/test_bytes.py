"""Paths with bytes that are no UTF-8 work in every command."""

import json
import os

import pytest
from fakes import TABLE
from pictures import write_classes

from nas import open_run
from nas.errors import command

NAMES = [b"d-\xe9", b"\xff", "é".encode()[:1] + b"x", b"a\xf0\x9f\x92"]
SHORT = ["--space", "mnas", "--trials", 1, "--proxy", "epochs=1", "--confirm", 0, "--address", "inline"]


@pytest.fixture
def odd(nas, tmp_path, monkeypatch):
    """A folder of images whose name, and whose classes' names, are no UTF-8."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    folder = os.fsdecode(NAMES[0])
    write_classes(tmp_path / folder, ("cat", os.fsdecode(b"d\xf6g")))
    return folder


def test_a_search_on_such_a_folder_is_reported_resumed_scaled_and_compared(nas, tmp_path, odd):
    run = tmp_path / f"r-{odd}"
    code, out, err = nas("search", *SHORT, "--data", f"folder:{odd}", "--run", run.name)
    assert (code, err) == (0, "")
    assert open_run(run).settings.data == f"folder:{tmp_path / odd}"
    assert r"nas show $'r-d-\xe9'" in out
    (run / "best.json").unlink()
    assert nas("resume", run.name)[0] == 0
    assert json.loads(nas("report", run.name, "--json")[1])["run"] == run.name
    code, _, err = nas("report", run.name, "--png", f"{odd}.png", "--svg", tmp_path / f"{odd}.svg")
    assert (code, err) == (0, "")
    assert (tmp_path / f"{odd}.png").stat().st_size > 1000
    assert rb"d-\xe9" in (run / "report.html").read_bytes()
    assert (run / "report.html").read_text("utf-8")
    for arguments in (["show", run.name], ["show", f"{odd}s:B1"], ["report", f"{odd}s"]):
        if not (tmp_path / f"{odd}s").exists():
            scale = ["scale", "--base", run.name, "--coefficients", "1.2,1.1,1.15", "--run", f"{odd}s"]
            assert nas(*scale)[0] == 0
        code, _, err = nas(*arguments)
        assert (code, err) == (0, "")
    assert nas("search", *TABLE, "--trials", 2, "--controller", "random", "--run", "other")[0] == 0
    code, out, err = nas("report", run.name, "other")
    assert (code, err) == (0, "")
    assert r"r-d-\xe9" in out
    assert json.loads(nas("report", run.name, "other", "--json")[1])["runs"][0]["run"] == run.name


def test_a_training_run_on_such_a_folder_keeps_its_weights(nas, tmp_path, odd):
    network = "res32-relu-stem8-mb1_r1_k3_s2_c8-head16"
    options = ["--epochs", 1, "--set", "batch_size=8", "--threads", 1, "--run", odd + "t"]
    code, _, err = nas("train", network, "--data", f"folder:{odd}", *options)
    assert (code, err) == (0, "")
    assert (tmp_path / f"{odd}t" / "weights.safetensors").exists()
    assert json.loads(nas("report", f"{odd}t", "--json")[1])["data"] == f"folder:{tmp_path / odd}"


@pytest.mark.parametrize("name", NAMES)
def test_tables_runs_and_networks_may_have_such_names(nas, tmp_path, name):
    path = os.fsdecode(name)
    table = TABLE[-1].removeprefix("table:")
    (tmp_path / f"{path}.json").symlink_to(table)
    options = ["--space", "nasbench-macro", "--evaluator", f"table:{path}.json", "--trials", 3]
    code, _, err = nas("search", *options, "--controller", "random", "--run", path)
    assert (code, err) == (0, "")
    (tmp_path / path / "best.json").rename(tmp_path / f"{path}.best")
    assert nas("resume", path)[0] == 0
    assert nas("show", f"{path}.best")[0] == 0


def test_a_missing_one_is_one_line(nas):
    for name in map(os.fsdecode, NAMES):
        for arguments in (["show", name], ["report", name], ["resume", name], ["train", name]):
            code, out, err = nas(*arguments)
            assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("my run", "nas resume 'my run'"),
        ("a\udce9'\\b", r"nas resume $'a\xe9\'\\b'"),
        ("two\nlines", r"nas resume $'two\nlines'"),
        ("-x", "nas resume ./-x"),
        ("$(reboot)", "nas resume '$(reboot)'"),
    ],
)
def test_a_command_can_be_pasted_whatever_the_name(name, line):
    assert command("resume", name) == line
