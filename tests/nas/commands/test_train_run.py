"""``nas train RUN``: the network of a run is trained on what the run was for."""

import json
import re
import shutil

import numpy as np
import pytest
from fakes import QUICK, TABLE, few_images
from places import ROOT

import nas
from nas.commands.network_options import TrainOptions
from nas.commands.train import find_origin, find_seconds, find_training, train_settings
from nas.runs.config import read_settings
from search_spaces import PRESETS, ArchSpec, cost

OLD = ROOT / "tests" / "runs_of_0.1"


@pytest.fixture
def first(nas, tmp_path):
    """A search of one network, on 300 scans of 8 x 8 px."""
    nas("--version")  # so that the directory is the test's
    search = ["search", "--space", "mnas", "--trials", 1, "--confirm", 0, "--address", "inline", "--seed", 5]
    code, _, err = nas(*search, *few_images(tmp_path / "few.npz"), "--run", "first", "-q")
    assert (code, err) == (0, "")
    return tmp_path / "first"


def test_the_network_of_a_search_is_trained_on_its_images_at_its_size(nas, first, tmp_path):
    code, out, err = nas("train", "first", "--epochs", 1, *QUICK, "--run", "r")
    assert (code, err) == (0, "")
    before, settings = read_settings(first), read_settings(tmp_path / "r")
    assert settings.data == before.data == f"npz:{tmp_path / 'few.npz'}"
    assert settings.data_seed == 5
    arch = ArchSpec.parse(settings.networks[0])
    assert arch.resolution == 8
    price = cost(arch, 10, 1)
    trial = nas_trial("r")
    assert (trial["flops"], trial["params"]) == (price.flops, price.params)
    line = (
        r"^Training first: [\d.]+[kM] params, [\d.]+[kM] FLOPs at 8 px with 10 classes, on 240 images of "
        r"npz:\S+few\.npz \(60 judge it\), 1 epoch: about [\d ]+ (min|s).* on 1 thread$"
    )
    assert re.search(line, out, re.MULTILINE)
    assert out.index("Training first") < out.index("epoch 1/1")
    # a training run brings its images, and the split, too
    origin = find_origin("r", None)
    again = train_settings(TrainOptions("r"), arch, find_training("r", "proxy", {}, 1), origin)
    assert (again.data, again.data_seed) == (settings.data, 5)


def nas_trial(run):
    (trial,) = nas.open_run(run).trials().to_dict("records")
    return trial


@pytest.mark.parametrize("change", ["gone", "other"])
def test_images_that_are_gone_or_others_are_one_line(nas, first, tmp_path, change):
    if change == "gone":
        (tmp_path / "few.npz").unlink()
    else:
        with np.load(tmp_path / "few.npz") as file:
            np.savez(tmp_path / "few.npz", train_x=file["train_x"][:250], train_y=file["train_y"][:250])
    code, out, err = nas("train", "first", "--epochs", 1, *QUICK, "--run", "r")
    assert (code, out) == (2, "")
    rule = "must still be there" if change == "gone" else "must still be the same"
    assert err.startswith(f"nas: --data of first {rule}")
    assert err.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_other_images_are_taken_where_they_are_named(nas, first, data, tmp_path):
    origin = find_origin("first", data)
    settings = train_settings(TrainOptions("first", data=data), PRESETS["efficientnet-b0"],
                              find_training("first", "proxy", {}, 1), origin)  # fmt: skip
    assert settings.data == f"npz:{tmp_path / 'digits.npz'}"
    assert settings.data_seed == 5  # they may be the run's own images, moved
    assert not origin.taken


@pytest.mark.parametrize(
    "arch", ["r", "r:B1", "r/family.json", "r/family.json:B1", "r/best.json"]
)  # each is known to find_arch
def test_every_way_to_name_a_run_brings_its_images(nas, tmp_path, monkeypatch, arch):
    shutil.copytree(OLD / "scaling-finished", tmp_path / "r")
    monkeypatch.chdir(tmp_path)
    origin = find_origin(arch, None)
    assert origin.directory.resolve() == (tmp_path / "r").resolve()
    assert origin.settings == read_settings(tmp_path / "r")


def test_a_family_that_trained_nothing_brings_the_images_of_its_base(nas, first, tmp_path):
    scale = ["scale", "--base", "first", "--coefficients", "1.2,1.1,1.15", "--run", "family"]
    assert nas(*scale)[0] == 0
    assert find_origin("family:B1", None).settings.data == f"npz:{tmp_path / 'few.npz'}"
    shutil.rmtree(first)
    code, _, err = nas("train", "family:B1", "--epochs", 1, "--run", "r")
    assert code == 2
    assert err == f"nas: ARCH must be a family whose run is there, or --data given, got none at {first}\n"
    assert find_origin("family:B1", "digits") is None


def test_what_is_no_run_brings_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = str(PRESETS["mnasnet-a1"])
    (tmp_path / "net.json").write_text(json.dumps(text))
    for arch in ("efficientnet-b0", text, "net.json", text + "x" * 5000, ""):
        assert find_origin(arch, None) is None
    recipe = find_training("efficientnet-b0", "efficientnet", {}, None)
    settings = train_settings(TrainOptions("efficientnet-b0"), PRESETS["efficientnet-b0"], recipe, None)
    assert (settings.data, settings.data_seed, settings.recipe.epochs) == ("digits", None, 350)


def test_a_search_by_a_table_has_no_images_and_that_is_said(nas, tmp_path):
    search = ["search", *TABLE, "--controller", "random", "--trials", 2, "--run", "t", "-q"]
    assert nas(*search)[0] == 0
    origin = find_origin("t", None)
    recipe = find_training("t", "proxy", {}, 1)
    settings = train_settings(TrainOptions("t"), nas_best("t"), recipe, origin)
    assert (settings.data, settings.data_seed) == ("digits", None)
    quick = ["--recipe", "proxy", "--set", "fraction=0.02", "--set", "resolution=8", "--threads", 1]
    code, out, _ = nas("train", "t", *quick, "--epochs", 1, "--run", "r")
    assert code == 0
    assert "\nt looked accuracies up and has no images of its own; --data takes others.\n" in out


def nas_best(run):
    return nas.open_run(run).best()


def test_times_are_read_as_people_write_them():
    times = {"90s": 90, "10m": 600, "1.5h": 5400, "1h30m": 5400, "1h30m5s": 5405, "2H": 7200, ".5m": 30}
    for text, seconds in times.items():
        assert find_seconds(TrainOptions("efficientnet-b0", time=text)) == seconds


def test_a_schedule_too_short_for_slow_averages_is_pointed_out(nas, data):
    slow = ["--recipe", "efficientnet", "--set", "batch_size=32", "--threads", 1, "--epochs", 1]
    tiny = "res8-silu-stem8-conv_r1_k3_s1_c8-head16"
    line = (
        "\n8 steps are few for averages over hundreds of them; better with: --set bn_momentum=0.1 --set ema="
    )
    assert line in nas("train", tiny, "--data", data, *slow, "--run", "slow")[1]
    assert (
        "steps are few" not in nas("train", tiny, "--data", data, *QUICK, "--epochs", 1, "--run", "quick")[1]
    )
