"""A device's predictions in a search, from the command line to the controller."""

import dataclasses
import itertools
import sqlite3

import numpy as np
import pandas as pd
import pytest
from fakes import TABLE

from nas import open_run
from nas.deploy.latency_model import fit_model, write_model
from nas.errors import InputError
from nas.launch import measures
from nas.launch.measures import Latency
from nas.launch.resume import resume
from nas.search import tables
from nas.search.measures import of_actions
from nas.spec.listener import Listener
from search_spaces import PRESETS, SPACES, SearchSpace, cost
from search_spaces.around import around

SPACE = SPACES["nasbench-macro"]
SEARCH = ["search", *TABLE, "--trials", 12, "-q"]


FACTS = {"device": "board", "threads": 1, "batch": 1, "classes": 10, "reference": "", "versions": {}}
FACTS["reference_milliseconds"] = 0.0


def slowness(arch):
    """Milliseconds on a board that is slow at activations."""
    return 1.0 + cost(arch, 10).activations / 1e6


@pytest.fixture(scope="module")
def known():
    """All networks of the space, and their latencies."""
    archs = [*dict.fromkeys(map(SPACE.decode, itertools.product(range(3), repeat=8)))]
    return archs, [slowness(arch) for arch in archs]


@pytest.fixture
def board(tmp_path, known):
    """``board.csv``, and ``board.json``, which was fitted on a part of it."""
    archs, milliseconds = known
    table = pd.DataFrame({"arch": map(str, archs), "latency": milliseconds})
    table.to_csv(tmp_path / "board.csv", index=False)
    write_model(tmp_path / "board.json", fit_model(SPACE, archs[::20], milliseconds[::20], FACTS))


@pytest.mark.parametrize("words", [["--target", "latency=1.1ms^-0.5"], ["--reward", "pareto"]])
@pytest.mark.parametrize("device", ["table:board.csv", "predictor:board.json"])
def test_a_device_gives_every_trial_its_latency(nas, board, device, words):
    code, _, err = nas(*SEARCH, "--device", device, *words, "--run", "r")
    assert (code, err) == (0, "")
    trials = open_run("r").trials()
    wanted = [slowness(SPACE.decode(actions)) for actions in trials["actions"]]
    assert list(trials["latency"]) == pytest.approx(wanted, rel=0.05)
    assert open_run("r").costs == ("latency",)
    assert open_run("r").settings.device.endswith(device.partition(":")[2])


def test_a_predictor_is_asked_for_many_networks_without_building_them(board, tmp_path, monkeypatch):
    latency = Latency(f"predictor:{tmp_path / 'board.json'}", SPACE)
    actions = np.array([SPACE.sample(np.random.default_rng(seed)) for seed in range(20)])
    built = latency([SPACE.decode(one) for one in actions])
    with monkeypatch.context() as patch:
        patch.setattr(SearchSpace, "decode", None)
        np.testing.assert_allclose(of_actions(SPACE, latency)(actions), built)


def test_a_predictor_of_the_resolution_of_the_images_is_taken(nas, tmp_path):
    rng = np.random.default_rng(0)
    photos = {"train_x": rng.integers(0, 256, (60, 40, 40, 3), np.uint8), "train_y": np.arange(60) % 3}
    np.savez("photos.npz", **photos)
    space = SPACES["mnas"].at(40, 3)
    archs = [space.decode(space.sample(rng)) for _ in range(30)]
    write_model(tmp_path / "l.json", fit_model(space, archs, [*map(slowness, archs)], FACTS))
    short = [word for pair in ("epochs=1", "width=0.1", "resolution=16") for word in ("--proxy", pair)]
    search = ["search", "--space", "mnas", "--data", "npz:photos.npz", "--trials", 2, "--confirm", 0, *short]
    device = ["--device", "predictor:l.json", "--target", "latency=2ms"]
    code, _, err = nas(*search, *device, "--address", "inline", "--run", "r", "-q")
    assert (code, err) == (0, "")
    assert open_run("r").best().resolution == 40
    assert (open_run("r").trials()["latency"] > 0).all()


def test_a_predictor_of_another_resolution_is_refused_before_anything_is_made(nas, board, tmp_path):
    search = ["search", "--space", "mnas", "--device", "predictor:board.json", "--target", "latency=1ms"]
    code, _, err = nas(*search, "--run", "r")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: --device predictor knows the networks of its space at 32 px alone: ")
    assert not (tmp_path / "r").exists()


def test_a_search_with_a_device_resumes_as_it_would_have_gone(nas, board, tmp_path):
    words = ["--device", "table:board.csv", "--target", "latency=1.1ms^-0.5"]
    nas(*SEARCH, *words, "--run", "whole")
    nas(*SEARCH[:-3], "--trials", 12, "-q", *words, "--run", "r")
    with sqlite3.connect("r/run.db") as db:  # as if it had been killed during the last trial
        db.execute("DELETE FROM events WHERE event = (SELECT max(event) FROM events)")
        db.execute("UPDATE trials SET status = 'running', accuracy = NULL, reward = NULL WHERE trial = 11")
    db.close()
    (tmp_path / "r" / "best.json").unlink()
    changed = (tmp_path / "board.csv").read_text().replace("1.", "2.", 1)
    kept = (tmp_path / "board.csv").rename("kept.csv")
    (tmp_path / "board.csv").write_text(changed)
    with pytest.raises(InputError, match=r"^device must be as it was when the run began, got another table:"):
        resume(tmp_path / "r", Listener())
    kept.rename(tmp_path / "board.csv")
    resume(tmp_path / "r", Listener())
    names = ["arch", "latency", "reward"]
    assert open_run("r").trials()[names].equals(open_run("whole").trials()[names])


def test_networks_that_a_device_does_not_know_have_no_latency(tmp_path, known):
    first, other = known[0][:2]
    pd.DataFrame({"arch": [str(first)], "latency": [2.0]}).to_csv(tmp_path / "one.csv", index=False)
    latency = Latency(f"table:{tmp_path / 'one.csv'}", SPACE)
    np.testing.assert_array_equal(latency([first, other, first]), [2.0, np.nan, 2.0])


def counted(monkeypatch, module, name):
    """Counts the calls of a function, which goes on as before."""
    real, calls = getattr(module, name), []

    def call(*arguments, **options):
        calls.append(arguments)
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, call)
    return calls


def test_a_device_and_a_table_are_read_once_when_a_search_begins(nas, board, known, monkeypatch):
    rows = {"arch": [*map(str, known[0])], "latency": known[1], "accuracy": 0.5}
    pd.DataFrame(rows).to_csv("all.csv", index=False)
    opened, read = counted(monkeypatch, measures, "open_device"), counted(monkeypatch, tables, "_networks")
    asked = ["search", "--space", "nasbench-macro", "--evaluator", "table:all.csv", "--trials", 2, "-q"]
    assert nas(*asked, "--target", "latency=1.1ms", "--run", "by-column") == (0, "", "")
    assert (len(opened), len(read)) == (0, 1)
    device = ["--device", "table:board.csv", "--target", "latency=1.1ms"]
    assert nas(*asked, *device, "--run", "by-device") == (0, "", "")
    assert (len(opened), len(read)) == (1, 2)


@pytest.mark.parametrize("space", [SPACES["mnas"], around(PRESETS["mnasnet-a1"])], ids=["mnas", "around"])
def test_a_controller_knows_what_networks_cost_on_grey_images(space):
    grey = dataclasses.replace(space, num_classes=10, in_channels=1)
    actions = (0,) * len(grey.decisions)
    assert measures.price_of(grey)(actions)._asdict() == grey.price(grey.decode(actions))
