"""``--baseline`` beside an evaluation of one's own: networks by name, or by their decisions."""

import json
import sqlite3

import pandas as pd
import pytest

import nas as library
from nas import open_run
from search_spaces import PRESETS, Decision, SearchSpace
from search_spaces.choices_text import choices_text, parse_choices, split_choices

OWN = """
from search_spaces import Decision, SearchSpace

def build(choices):
    op, layers, width = choices
    return (op,) if op == "none" else (op, layers, width)

def evaluate(network, trial):
    if trial.trial == -1:
        assert trial.confirms and trial.baseline == str(network), trial
    accuracy = 0.2 if network == ("none",) else 0.1 * network[1] + 0.001 * network[2]
    return {"accuracy": accuracy + trial.seed % 10 / 1000, "size": 1 + len(network)}

SPACE = SearchSpace("own", [Decision("op", ("none", "conv")), Decision("layers", (1, 2, 3)),
                            Decision("width", (8, 16))], build, cost=lambda network: {"macs": len(network)})
"""
SEARCH = ["search", "--space", "own.py:SPACE", "--evaluator", "own.py:evaluate", "--controller", "random"]
QUICK = [*SEARCH, "--address", "inline", "--trials", 20, "--run", "r"]
PLAIN = ("def evaluate(arch, trial):\n    return {'accuracy': 0.5 + trial.seed % 100 / 1000, 'f1': 0.4}\n",)


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path / "own.py"


def test_networks_of_a_space_of_ones_own_are_named_by_their_decisions(nas, own):
    code, out, err = nas(*QUICK, "--baseline", "op=none, width=16 op=conv layers=2")
    assert (code, err) == (0, "")
    run = open_run("r")
    known = run.baselines()
    assert known["arch"].tolist() == ["('conv', 2, 16)"] * 2 + ["('none',)"] * 2
    assert known["flops"].isna().all()
    assert known["size"].tolist() == [4, 4, 2, 2]
    assert known["macs"].tolist() == [3, 3, 1, 1]  # what the space knows
    assert not set(known["seed"]) & {*run.trials()["seed"], *run.confirmations()["seed"]}
    assert "points better than ('none',) (2 fresh training runs of each)." in out
    facts = json.loads(nas("report", "r", "--json")[1])["baselines"]
    assert (facts["part"], facts["images"], facts["flops"]) == (None, 0, None)
    first = facts["networks"][0]
    assert first["difference"] == pytest.approx(run.confirmations()["accuracy"][:2].mean() - 0.2, abs=0.2)
    assert "Known networks" in run.directory.joinpath("report.html").read_text()


def test_a_resumed_run_trains_those_that_are_left_and_like_repeats_them(nas, own):
    asked = ["--baseline", "op=none, width=16 op=conv layers=2"]
    assert nas(*QUICK, *asked)[0] == 0
    before = open_run("r").baselines()
    with sqlite3.connect("r/run.db") as db:
        db.execute("DELETE FROM baselines WHERE arch LIKE '%conv%'")
    (own.parent / "r" / "best.json").unlink()
    assert nas("resume", "r", "--trust-code")[0] == 0
    same = ["name", "seed", "arch", "accuracy", "size", "macs"]
    pd.testing.assert_frame_equal(open_run("r").baselines()[same], before[same])
    words = ["--space", "own.py:SPACE", "--evaluator", "own.py:evaluate"]
    assert nas("search", "--like", "r", *words, "--run", "again")[0] == 0
    assert open_run("again").baselines()[same].equals(before[same])


def test_an_evaluation_of_ones_own_judges_known_networks_of_this_package(nas, tmp_path):
    (tmp_path / "own.py").write_text(*PLAIN)
    words = ["search", "--space", "mnas", "--evaluator", "own.py:evaluate", "--controller", "random"]
    options = ["--trials", 4, "--address", "inline", "--maximize", "f1", "--baseline", "efficientnet-b0"]
    code, out, err = nas(*words, *options, "--run", "r")
    assert (code, err) == (0, "")
    known = open_run("r").baselines()
    assert set(known["arch"]) == {str(PRESETS["efficientnet-b0"])}
    assert known["f1"].tolist() == [0.4, 0.4]
    assert "efficientnet-b0 at " in out
    assert "images" not in out.split("The choice ")[1].split("\n")[0]


def test_python_takes_mappings(own, monkeypatch):
    monkeypatch.chdir(own.parent)
    asked = {"space": "own.py:SPACE", "evaluator": "own.py:evaluate", "controller": "random", "trials": 5}
    known = [{"op": "none"}, {"op": "conv", "layers": 3, "width": 8}]
    run = library.search(**asked, address="inline", quiet=True, run="r", baseline=known)
    assert set(run.baselines()["arch"]) == {"('none',)", "('conv', 3, 8)"}


WRONG = {
    "op=conv layers=1": "must say which width, as it makes a difference, got 'op=conv layers=1'",
    "op=none, op=none layers=2": "must name every network once, got ('none',) twice",
    "op=none op=conv": "must name every decision once, got op twice",
    "op=pool": "must have op in ('none', 'conv'), got 'pool'",
    "ops=none": "unknown decision 'ops'; did you mean 'op'? Known: op, layers, width",
    "op='none": "No closing quotation",
    "('none',)": "No",  # its text, which cannot be read back
}


@pytest.mark.parametrize(("value", "reason"), WRONG.items())
def test_what_is_no_network_of_the_space_is_one_line(nas, own, value, reason):
    code, _, err = nas(*QUICK, "--baseline", value)
    assert (code, err.count("\n")) == (2, 1)
    rule = "nas: --baseline must name decisions, as in 'op=none ...' ("
    assert err.startswith(rule if reason == "No" else f"{rule}{reason}), got {value}")
    assert not (own.parent / "r").exists()


def test_what_nothing_would_be_compared_with_is_refused(nas, own):
    code, _, err = nas(*QUICK, "--baseline", "op=none", "--confirm", 0)
    rule = "--baseline must stand with --confirm of 1 or more, beside which it is trained, got op=none"
    assert (code, err) == (2, f"nas: {rule}\n")
    code, _, err = nas(
        "search", "--space", "mnas", "--evaluator", "table:t.csv", "--baseline", "efficientnet-b0"
    )
    rule = "--baseline must be left out where nothing is trained, got efficientnet-b0"
    assert (code, err) == (2, f"nas: {rule}\n")


def test_choices_with_blanks_and_commas_are_read_back():
    decisions = [Decision("a", ("x, y", "it's", "plain")), Decision("n", (0.5, 1.0))]
    space = SearchSpace("odd", decisions, lambda choices: choices)
    for choices in (("x, y", 0.5), ("it's", 1.0), ("plain", 0.5)):
        text = choices_text(dict(zip(("a", "n"), choices, strict=True)))
        assert split_choices(f"{text},{text}") == [text, text]
        assert space.choices(parse_choices(text, space)) == choices
    assert parse_choices("n=1 a=plain", space) == (2, 1)
