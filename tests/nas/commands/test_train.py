"""``nas train``: its files, interruptions, and what it refuses."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from fakes import QUICK, compare, epochs_of, start
from safetensors.torch import load_file

from nas import open_run
from nas.commands.train import find_training
from nas.data import load_data
from nas.training.pixels import fit
from nas.training.weights import read_header
from reports import binomial_error
from search_spaces import ArchSpec
from search_spaces.network import build_network

TINY = "res8-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-head64"


@pytest.fixture
def trained(nas, data):
    """A run of three epochs, and what it printed."""
    code, out, err = nas("train", TINY, "--data", data, *QUICK, "--epochs", 3, "--run", "r")
    assert (code, err) == (0, "")
    return out


def test_a_training_is_a_run_with_one_trial_and_its_weights(trained, tmp_path):
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "run.db", "run.lock", "config.json", "best.json", "report.html",
        "checkpoint.pt", "weights.safetensors", "curve.csv", "metrics.json", "classes.csv", "confusion.csv",
    }  # fmt: skip
    run = open_run("r")
    (trial,) = run.trials().to_dict("records")
    assert (trial["status"], trial["arch"], trial["epochs"]) == ("done", TINY, 3)
    assert trial["reward"] == trial["accuracy"]
    curve = pd.read_csv("r/curve.csv")
    pd.testing.assert_frame_equal(curve, run.epochs().drop(columns="trial"), check_dtype=False)
    best = json.loads((tmp_path / "r" / "best.json").read_text())
    assert (best["arch"], best["epochs"], best["weights"]) == (TINY, 3, "weights.safetensors")
    assert best["accuracy"] == curve["accuracy"].max()
    assert best["accuracy"] == curve["accuracy"][best["kept_epoch"] - 1]
    test, valid = best["test_accuracy"], best["accuracy"]
    errors = [binomial_error(share, images) for share, images in ((test, 80), (valid, 64))]
    found = (
        f"Test accuracy {test:.4f} ±{errors[0]:.4f} on 80 images; validation accuracy {valid:.4f} "
        f"±{errors[1]:.4f} on 64 images, the best of 3 epochs (epoch {best['kept_epoch']})."
    )
    assert f"\n{found}\n\n" in trained
    assert trained.endswith("\nLook at the network with:        nas show r\n")
    assert len(re.findall(r"^epoch \d/3: ", trained, re.MULTILINE)) == 3
    assert torch.load("r/checkpoint.pt", weights_only=True)["state"]["epoch"] == 3


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("size", [8, 40])  # in larger images, the centre is evaluated
def test_the_weights_give_the_reported_accuracy_in_plain_torch(nas, data, tmp_path, part, size):
    with np.load(tmp_path / "digits.npz") as file:
        arrays = {name: file[name] for name in file}
    for name in ("train_x", "test_x"):
        arrays[name] = arrays[name].repeat(size // 8, 1).repeat(size // 8, 2)
    np.savez(tmp_path / "digits.npz", **arrays)
    assert nas("train", TINY, "--data", data, *QUICK, "--epochs", 2, "--run", "r", "-q")[0] == 0
    header = read_header(open_run("r").directory)
    network = build_network(
        ArchSpec.parse(header["arch"]), len(json.loads(header["classes"])), int(header["in_channels"])
    )
    network.load_state_dict(load_file("r/weights.safetensors"))
    images, labels = getattr(load_data(data), part)
    mean, deviation = (torch.tensor(json.loads(header[name])) for name in ("mean", "deviation"))
    x = fit(torch.tensor(images[:]).permute(0, 3, 1, 2), 8, header["view"])
    with torch.no_grad():
        logits = network.eval()((x - mean[:, None, None]) / deviation[:, None, None])
    right = logits.argmax(1) == torch.tensor(labels)
    reported = json.loads(header["accuracy" if part == "valid" else "test_accuracy"])
    assert right.double().mean().item() == pytest.approx(reported, abs=1.01 / len(labels))


def test_a_network_is_recorded_as_the_recipe_resizes_it(nas, data):
    smaller = ["--set", "resolution=16", "--set", "width=0.5"]
    code, out, _ = nas("train", TINY, "--data", data, *QUICK, *smaller, "--epochs", 1, "--run", "r")
    assert code == 0
    assert "\nThe images have 8 px; --set resolution=8 would train at their size.\n" in out
    arch = open_run("r").best()
    assert arch.resolution == 16
    assert read_header(open_run("r").directory)["arch"] == str(arch)


def test_the_metrics_of_the_kept_weights_are_written_and_reported(nas, trained, tmp_path):
    found = json.loads((tmp_path / "r" / "metrics.json").read_text())
    best = json.loads((tmp_path / "r" / "best.json").read_text())
    assert (found["valid"]["accuracy"], found["test"]["accuracy"]) == (
        best["accuracy"],
        best["test_accuracy"],
    )
    assert json.loads(nas("report", "r", "--json")[1])["metrics"] == found
    test = found["test"]
    assert f"On the test images: Balanced accuracy {test['balanced_accuracy']:.4f}, macro F1 " in trained
    assert ("Never predicted: " in trained) == bool(test["never_predicted"])
    classes, confusion = pd.read_csv("r/classes.csv"), pd.read_csv("r/confusion.csv")
    assert list(classes["part"]) == ["test"] * 10 + ["valid"] * 10
    rows = classes[classes["part"] == "test"].drop(columns="part").astype({"class": str})
    pd.testing.assert_frame_equal(rows, pd.DataFrame(test["classes"]), check_dtype=False)
    assert confusion.iloc[:10, 2:].to_numpy().tolist() == test["confusion"]
    (tmp_path / "r" / "metrics.json").unlink()  # as in an older run
    code, out, _ = nas("report", "r")
    assert (code, "Balanced accuracy" in out) == (0, False)
    (tmp_path / "r" / "metrics.json").write_text('{"test": {}}')
    code, _, err = nas("report", "r")
    assert (code, err[:45]) == (2, "nas: RUN must have a readable metrics.json (m")


def test_data_without_a_test_part_say_so(nas, tmp_path, data):
    with np.load(tmp_path / "digits.npz") as file:
        np.savez(tmp_path / "few.npz", train_x=file["train_x"], train_y=file["train_y"])
    code, out, _ = nas("train", TINY, "--data", "npz:few.npz", *QUICK, "--epochs", 1, "--run", "r")
    assert code == 0
    assert re.search(
        r"^Validation accuracy .* after 1 epoch; the data has no test part\.$", out, re.MULTILINE
    )
    assert json.loads((tmp_path / "r" / "best.json").read_text())["test_accuracy"] is None


def test_reports_of_a_training_speak_of_one_network(nas, trained, tmp_path):
    page = (tmp_path / "r" / "report.html").read_text()
    (tmp_path / "r" / "report.html").unlink()
    code, out, err = nas("report", "r")
    assert (code, err) == (0, "")
    assert "validation accuracy" in out
    assert trained.endswith(out)
    text = re.sub(r"<script.*", "", (tmp_path / "r" / "report.html").read_text(), flags=re.DOTALL)
    for word in ("Pareto", "reward", "random search"):
        assert word not in out
        assert word not in text[text.index("<main>") : text.index('id="configuration"')], word
    assert "Learning curve" in page
    facts = json.loads(nas("report", "r", "--json")[1])
    assert [row["epoch"] for row in facts["curve"]] == [1, 2, 3]
    assert facts["accuracy"] == max(row["accuracy"] for row in facts["curve"])
    assert facts["accuracy"] == facts["curve"][facts["kept_epoch"] - 1]["accuracy"]
    assert (facts["classes"], facts["images"]) == (10, {"train": 256, "valid": 64, "test": 80})
    found = out.splitlines()[0]
    assert re.match(r"Test accuracy .* on 80 images; validation accuracy .* on 64 images", found)
    assert found in trained
    assert found in page
    for word in ("from nas import load_classifier", "nas show "):
        assert word in page
    code, out, _ = nas("report", "r", "--follow", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[0])["over"] is True
    code, _, err = nas("report", "r", "--target-flops", "1M")
    assert (code, err) == (
        2,
        "nas: --target-flops must be left out where one network was trained, got 1M\n",
    )
    assert TINY in nas("show", "r")[1]


def test_a_trained_network_is_scaled_and_trained_again(nas, trained, data):
    assert nas("scale", "--base", "r", "--coefficients", "1.2,1.1,1.15", "--run", "family")[0] == 0
    assert nas("train", "family:B1", "--data", data, *QUICK, "--epochs", 1, "--run", "b1", "-q") == (
        0,
        "",
        "",
    )
    assert nas("report", "r", "b1")[0] == 0


def test_families_and_presets_bring_their_dropout(nas, tmp_path, monkeypatch):
    assert nas("scale", "--preset", "efficientnet", "--run", "family")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert find_training("family:B3", "efficientnet", {}, None).dropout == 0.3
    assert find_training("family", "efficientnet", {}, None).dropout == 0.2
    assert find_training("efficientnet-b7", "efficientnet", {}, None).dropout == 0.5
    assert find_training("efficientnet-lite2", "efficientnet", {}, None).dropout == 0.3
    assert find_training("efficientnet-b7", "efficientnet", {"dropout": "0.1"}, None).dropout == 0.1
    assert find_training("efficientnet-b7", "proxy", {}, None).dropout == 0.0
    assert find_training("mnasnet-a1", "efficientnet", {}, 7).epochs == 7


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--epochs", 0], "--epochs must be an integer of at least 1, got 0"),
        (["--recipe", "effnet"], "--recipe: unknown recipe 'effnet'; did you mean 'efficientnet'? Known: "),
        (["--set", "droput=0.1"], "--set: unknown setting 'droput'"),
        (["--set", "dropout=2"], "--set: dropout must be in [0, 1), got 2.0"),
        (["--time", "soon"], "--time must be a time above 0 like 90s, 10m, 1.5h or 1h30m, got 'soon'"),
        (["--time", "0m"], "--time must be a time above 0 like 90s, 10m, 1.5h or 1h30m, got '0m'"),
        (["--time=-5m"], "--time must be a time above 0 like 90s, 10m, 1.5h or 1h30m, got '-5m'"),
        (["--time", "10"], "--time must be a time above 0 like 90s, 10m, 1.5h or 1h30m, got '10'"),
        (["--time", "1h", "--epochs", 3], "--time must stand without --epochs, got 1h and 3"),
        (
            ["--time", "1h", "--data-parallel", 2, "--threads", 1],
            "--time must be left out where --data-parallel",
        ),
        (["--time", "1ms"], "--time must be a time above 0 like"),
        (["--time", "0.01s"], "--time must be enough for one epoch, which takes about "),
        (["--keep", "first"], "--keep must be one of ('best', 'last'), got 'first'"),
        (["--set", "dropout"], "--set must read NAME=VALUE, got 'dropout'"),
        (["--data", "npz:none.npz"], "--data: "),
        (["--data", "imagenet"], "--data: unknown data 'imagenet'"),
        (["--device", "tpu"], "--device must be one of ('auto', 'cpu', 'cuda'), got 'tpu'"),
        (["--threads", 0], "--threads must be at least 1, got 0"),
        (["--threads", 10**30], f"--threads must be at most 100,000, got {10**30}"),
        (["--data-parallel", 0], "--data-parallel must be at least 1, got 0"),
        (["--seed", -1], "--seed must be at least 0, got -1"),
        (["--address", "inline"], "--address must be local, auto or HOST:PORT, got 'inline'"),
        (["--run", "."], "--run must be a directory that does not exist yet, got ."),
    ],
)
def test_wrong_input_is_one_line(nas, data, tmp_path, options, line):
    given = [] if "--data" in options else ["--data", data]
    run = [] if "--run" in options else ["--run", "r"]
    code, out, err = nas("train", TINY, *given, *run, *options)
    read = "Read " if "one epoch" in line else ""  # an epoch of these images was timed
    assert (code, out[:5]) == (2, read)
    assert err.startswith(f"nas: {line}")
    assert err.count("\n") == 1
    assert not (tmp_path / "r").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(nas, data):
    code, _, err = nas("train", TINY, "--data", data, "--device", "cuda")
    assert (code, err) == (2, "nas: --device cuda must find 1 GPUs on this machine, got 0\n")


def test_a_training_that_diverges_fails_in_one_line(nas, data):
    hot = ["--set", "learning_rate=1e30", "--epochs", 2, "--run", "r"]
    code, _, err = nas("train", TINY, "--data", data, *QUICK, *hot)
    assert code == 1
    assert re.fullmatch(r"nas: the only trial failed with ArithmeticError: .*\n", err)
    code, out, _ = nas("report", "r")
    assert code == 0
    assert re.search(r"Failed after \d of 2 epochs: ArithmeticError", out)


def test_a_finished_training_is_not_resumed(nas, trained):
    assert nas("resume", "r") == (2, "", "nas: RUN must be unfinished, and its training is: r\n")


DYING = """
import io, os, signal, sys
import nas.training.checkpoint, nas.training.full
from nas.search.journal import Journal
epoch, moment = int(sys.argv.pop(1)), sys.argv.pop(1)
replace, write = nas.training.checkpoint.replace, nas.training.full.write_checkpoint
journal = Journal.epoch
die = lambda: os.kill(os.getpid(), signal.SIGKILL)

def half(path, content):
    if moment == "half" and len(nas.training.checkpoint.load(io.BytesIO(content)).curve) == epoch:
        path.with_name(path.name + ".unfinished").write_bytes(content[: len(content) // 2])
        die()
    replace(path, content)

def written(directory, checkpoint):
    write(directory, checkpoint)
    moment == "written" and len(checkpoint.curve) == epoch and die()

def journalled(self, trial, point):
    journal(self, trial, point)
    moment == "journalled" and point.epoch == epoch and die()

nas.training.checkpoint.replace, nas.training.full.write_checkpoint = half, written
Journal.epoch = journalled
from nas.commands.main import main
main()
"""
MAIN = "from nas.commands.main import main\nmain()"


def nas_that_dies(directory, epoch, moment, *arguments):
    """``nas`` in its own process, which kills itself at ``moment`` of ``epoch``; (exit code, stderr)."""
    command = [sys.executable, "-c", DYING, str(epoch), moment, *map(str, arguments)]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.slow
def test_a_training_that_is_killed_again_and_again_ends_as_if_uninterrupted(nas, data, tmp_path):
    training = ["train", TINY, "--data", data, *QUICK, "--epochs", 4]
    assert nas(*training, "--run", "through", "-q")[0] == 0
    command = [*training, "--run", "killed"]
    for epoch, moment in ((1, "half"), (1, "written"), (3, "half"), (3, "journalled"), (4, "written")):
        assert nas_that_dies(tmp_path, epoch, moment, *command) == (-signal.SIGKILL, "")
        command = ["resume", "killed"]
    code, out, err = nas("resume", "killed")
    assert (code, err) == (0, "")
    assert "Resuming after epoch 4 of 4" in out
    compare("through", "killed")
    through, killed = (load_file(f"{run}/weights.safetensors") for run in ("through", "killed"))
    assert all(torch.equal(through[name], killed[name]) for name in through)


@pytest.mark.slow
def test_signals_from_outside_lose_nothing_either(nas, data, tmp_path):
    training = ["train", TINY, "--data", data, *QUICK, "--epochs", 30]
    assert nas(*training, "--run", "through", "-q")[0] == 0
    for stop in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        run = f"stopped-{stop.name}"
        process = start(tmp_path, *training, "--run", run)
        while process.poll() is None and epochs_of(tmp_path / run) < 2:
            time.sleep(0.01)
        process.send_signal(stop)
        out, err = process.communicate()
        assert process.returncode == (-9 if stop == signal.SIGKILL else 130), err
        assert (stop == signal.SIGKILL) != (f"Go on with: nas resume {run}" in out)
        assert epochs_of(tmp_path / run) < 30
        code, out, _ = nas("report", run)
        assert code == 0
        assert "of 30 epochs are done" in out
        assert nas("resume", run, "-q")[0] == 0
        compare("through", run)


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_leaves_the_checkpoint(nas, data, tmp_path):
    large = TINY.replace("head64", "head4096")  # checkpoint over a megabyte, run.db far smaller
    training = ["train", large, "--data", data, *QUICK, "--epochs", 3, "--run", "r"]
    assert nas_that_dies(tmp_path, 1, "journalled", *training)[0] == -signal.SIGKILL
    before = (tmp_path / "r" / "checkpoint.pt").read_bytes()
    program = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({10**6}, {10**6}))\n{MAIN}"
    limited = [sys.executable, "-c", program, "resume", "r", "-q"]
    ended = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    reason = "checkpoint.pt could not be written (File too large)"
    assert ended.stderr == f"nas: {reason}; with room for it, go on with: nas resume r\n"
    assert (tmp_path / "r" / "checkpoint.pt").read_bytes() == before
    assert not (tmp_path / "r" / "checkpoint.pt.unfinished").exists()
    assert nas("resume", "r", "-q") == (0, "", "")
    assert len(pd.read_csv("r/curve.csv")) == 3


@pytest.fixture
def interrupted(data, tmp_path):
    """A training run that was killed after its first epoch."""
    training = ["train", TINY, "--data", data, *QUICK, "--epochs", 2, "--run", "r"]
    assert nas_that_dies(tmp_path, 1, "journalled", *training)[0] == -signal.SIGKILL
    return tmp_path / "r" / "checkpoint.pt"


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def spoil(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(byte ^ 255 for byte in content[middle : middle + 200])
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def of_another_network(path):
    content = torch.load(path, weights_only=True)
    content["state"]["network"] = build_network(ArchSpec.parse(TINY), 7).state_dict()
    torch.save(content, path)


def of_fewer_epochs(path):
    content = torch.load(path, weights_only=True)
    torch.save({**content, "curve": []}, path)


def test_a_finished_run_without_its_epochs_is_one_line(nas, trained):
    with sqlite3.connect("r/run.db") as db:
        db.execute("DELETE FROM epochs")
    for command in (["report", "r"], ["report", "r", "--json"]):
        code, _, err = nas(*command)
        assert (code, err) == (2, "nas: RUN must hold the epochs of its training run, and has none: r\n")


@pytest.mark.slow
def test_a_damaged_checkpoint_is_one_line_that_says_what_to_do(nas, interrupted):
    sound = interrupted.read_bytes()
    for damage in (cut, spoil, empty, of_another_network, of_fewer_epochs):
        interrupted.write_bytes(sound)
        damage(interrupted)
        code, _, err = nas("resume", "r")
        assert code == 2, damage
        assert re.fullmatch(
            r"nas: RUN has a damaged checkpoint \(.+\); to train again from the first epoch, delete "
            r"r/checkpoint.pt and: nas resume r\n",
            err,
        ), damage
    interrupted.unlink()
    assert nas("resume", "r", "-q")[0] == 0
    with sqlite3.connect("r/run.db") as db:
        assert db.execute("SELECT count(*) FROM epochs").fetchone() == (2,)
