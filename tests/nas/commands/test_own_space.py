"""``--space FILE.py:NAME``: networks that are no ``ArchSpec``, and those that are, in a file of one's own."""

import json
import re
import sys

import pandas as pd
import pytest
from fakes import few_images

import nas as library
from nas import open_run
from search_spaces import SPACES, Decision, SearchSpace

TEXT = """
from search_spaces import Decision, SearchSpace
from pathlib import Path
Path({mark!r}).touch()

def build(choices):
    op, layers, width = choices
    return (op,) if op == "none" else (op, layers, width)

def evaluate(network, trial):
    return 0.2 if network == ("none",) else 0.1 * network[1] + 0.001 * network[2]

SPACE = SearchSpace("own", [Decision("op", ("none", "conv")), Decision("layers", (1, 2, 3)),
                            Decision("width", (8, 16))], build)
"""
SEARCH = ["search", "--space", "own.py:SPACE", "--evaluator", "own.py:evaluate", "--address", "inline"]
RANDOM = [*SEARCH, "--controller", "random", "--trials", 30]


@pytest.fixture
def own(tmp_path):
    """A space and its evaluation, whose file leaves a mark whenever it runs."""
    (tmp_path / "own.py").write_text(TEXT.format(mark=str(tmp_path / "ran")))
    return tmp_path / "own.py"


def change(file, old, new):
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_choices_that_make_no_difference_are_one_network(nas, own):
    assert nas(*RANDOM, "--run", "r")[0] == 0
    trials = open_run("r").trials()
    dead = trials[trials["arch"] == "('none',)"]
    assert dead["actions"].nunique() > 1
    assert dead["repeat_of"].isna().sum() == 1
    assert trials.loc[trials["repeat_of"].isna(), "arch"].is_unique


def test_without_flops_the_reward_is_the_accuracy_and_the_front_is_against_seconds(nas, own):
    code, out, err = nas(*RANDOM, "--run", "r")
    assert (code, err) == (0, "")
    assert "FLOPs" not in out
    assert "Stages:" not in out
    run = open_run("r")
    trials = run.trials()
    assert (trials["reward"] == trials["accuracy"]).all()
    assert trials[["flops", "params", "activations"]].isna().all(axis=None)
    assert run.costs == ("seconds",)
    assert run.best() == "('conv', 3, 16)"
    best = json.loads((own.parent / "r" / "best.json").read_text())
    assert (best["arch"], best["flops"], best["resolution"]) == ("('conv', 3, 16)", None, None)
    rows = pd.read_csv(own.parent / "r" / "pareto.csv")
    assert rows["arch"].tolist()[-1] == "('conv', 3, 16)"
    assert rows["flops"].isna().all()


def test_what_is_looked_at_runs_no_code(nas, own):
    assert nas(*RANDOM, "--run", "r")[0] == 0
    (own.parent / "ran").unlink()
    code, out, err = nas("report", "r", "--png", "r.png")
    assert (code, err) == (0, "")
    assert "The best of 7 networks" in out
    page = (own.parent / "r" / "report.html").read_text()
    assert ">seconds</th>" in page
    assert "What the controller came to prefer" in page  # decisions are in config.json
    assert "Drawings" not in page
    assert json.loads(nas("report", "r", "--json")[1])["best"]["flops"] is None
    code, out, _ = nas("show", "r")
    assert code == 0
    assert out.splitlines()[2:5] == ["op: conv", "layers: 3", "width: 16"]
    assert json.loads(nas("show", "r", "--json")[1])["choices"] == {"op": "conv", "layers": 3, "width": 16}
    assert "own.py:SPACE" in nas("runs", ".")[1]
    assert nas("report", "r", "r/../r")[0] == 2
    assert not (own.parent / "ran").exists()


def test_runs_without_flops_can_be_compared(nas, own):
    for run in ("a", "b"):
        assert nas(*RANDOM, "--seed", ord(run), "--run", run)[0] == 0
    code, out, err = nas("report", "a", "b")
    assert (code, err) == (0, "")
    assert "Rewards are the accuracies themselves" in out


def test_its_own_costs_are_columns_targets_and_the_front(nas, own):
    change(own, "build)\n", "build, cost=lambda network: {'params': 100 * len(network), 'joules': 0.5})\n")
    assert nas(*RANDOM, "--run", "r")[0] == 0
    trials = open_run("r").trials()
    assert set(trials["params"]) == {100, 300}
    assert set(trials["joules"]) == {0.5}
    assert open_run("r").costs == ("params", "joules")
    aims = ["--target", "params=100^-1", "--target", "joules=1^-0.1"]
    assert nas(*SEARCH, "--trials", 12, *aims, "--run", "t")[0] == 0  # dyna asks for costs before trials
    trials = open_run("t").trials()
    expected = trials["accuracy"] * 100 / trials["params"] * 0.5**-0.1
    pd.testing.assert_series_equal(trials["reward"], expected, check_names=False)


def test_a_space_in_a_file_whose_networks_are_archs_is_trained_here(nas, tmp_path):
    (tmp_path / "own.py").write_text(
        "from search_spaces import *\n"
        "def build(choices): return resize(SPACES['mnas'].decode([0] * 42), width=choices[0])\n"
        "SPACE = SearchSpace('widths', [Decision('width', (0.2, 0.3))], build)\n"
    )
    fast = [*few_images(tmp_path / "few.npz"), "--proxy", "epochs=1", "--proxy", "width=0.25"]
    words = ["search", "--space", "own.py:SPACE", *fast, "--trials", 2, "--confirm", 0, "--address", "inline"]
    code, out, err = nas(*words, "--controller", "random", "--run", "r")
    assert (code, err) == (0, "")
    assert "FLOPs" in out
    assert open_run("r").best().resolution > 0
    assert nas("resume", "r")[2] == (
        f"nas: --trust-code must be given to run the code of {tmp_path}/own.py:SPACE\n"
    )
    assert nas("show", "r")[0] == 0
    code, _, err = nas("train", "r", "--set", "epochs=1", "--threads", 1, "--run", "t")  # runs no code
    assert (code, err) == (0, "")
    assert "First network: res224-" in nas("spaces", "own.py:SPACE")[1]


WRONG = {
    ("SPACE = Se", "SPACE = 3 or Se"): "space must be a SearchSpace, got int: {}",
    ("SPACE = Se", "SPACES = Se"): "space: unknown name 'SPACE'; did you mean 'SPACES'?",
    ("    op, layers, width = choices", "    op, layers = choices"): (
        "space must have a build that gives a network, got ValueError (too many values to unpack (expected "
        "2)): {}, line 7"
    ),
    ("return (op,) if", "return object() if"): "space must have networks whose text tells them apart (",
    ("return (op,) if", "return [op] if"): (
        "space must have networks that can be hashed, such as tuples or frozen dataclasses, got list: {}, "
        "line 6"
    ),
    ("(op, layers, width)\n", "(op, __import__('random').random())\n"): (
        "space must have a build that gives the same for the same choices, got "
    ),
    ("build)\n", "build, cost=lambda network: 3)\n"): (
        "space must have a cost that gives a mapping of numbers by name, got int: {}, line 14"
    ),
    ("build)\n", "build, cost=lambda network: {'params': 0})\n"): (
        "space must have a cost that gives numbers above 0, and finite, got params=0: {}, line 14"
    ),
    (
        "build)\n",
        "build, cost=lambda network: {'arch': 1})\n",
    ): "space must have a cost that gives names of costs",
    ("build)\n", "build, cost=lambda network: network.size)\n"): (
        "space must have a cost that gives numbers by name, got AttributeError ('tuple' object has no "
        "attribute 'size'): {}, line 14"
    ),
}


@pytest.mark.parametrize(("change_", "message"), WRONG.items())
def test_a_space_that_cannot_be_searched_is_one_line(nas, own, change_, message):
    change(own, *change_)
    code, _, err = nas(*RANDOM, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    told = err.removeprefix("nas: --")
    assert told.startswith(message.format(own)), err
    assert not (own.parent / "no").exists()


def test_a_build_that_raises_during_the_search_ends_the_run_in_one_line(nas, own):
    change(own, "    op, layers", "    build.calls = getattr(build, 'calls', 0) + 1\n    op, layers")
    change(own, "    return (op,)", "    assert build.calls < 50, 'too many'\n    return (op,)")
    code, _, err = nas(*RANDOM, "--run", "r")
    assert (code, err.count("\n")) == (1, 1)
    assert err == (
        f"nas: space must have a build that gives a network, got AssertionError (too many): {own}, line 9\n"
    )


def test_what_only_networks_of_this_package_can_have_is_one_line(nas, own):
    asked = {
        (
            "--evaluator",
            "train",
        ): "--evaluator must be your own, FILE.py:NAME, where networks are no ArchSpec, got train",
        (
            "--baseline",
            "efficientnet-b0",
        ): "--baseline must name decisions, as in 'op=none ...' (must read "
        "DECISION=CHOICE ..., got 'efficientnet-b0'), got efficientnet-b0",
        ("--exponent", "-1"): "--exponent must stand with a `--target`, got -1",
        ("--reward", "pareto"): "--target must name a cost where `--reward` is pareto, got nothing",
        ("--space", "own.py"): "--space must read FILE.py:NAME, got own.py",
        ("--space", "python:own"): "--space must be given in Python, as it stands in no file, got python:own",
    }
    for options, message in asked.items():
        code, _, err = nas(*RANDOM, *options, "--run", "no")
        assert (code, err.replace("`", "")) == (2, f"nas: {message}\n".replace("`", ""))
    code, _, err = nas("plan", *RANDOM[1:])
    assert code == 2
    assert err.startswith("nas: --space must have networks that are ArchSpecs for nas plan: how long others")
    code, _, err = nas("audit", "--space", "own.py:SPACE", "--run", "no")
    assert (code, err) == (2, "nas: --space must have networks that are ArchSpecs, got own.py:SPACE\n")
    code, _, err = nas("search", "--like", "no")
    assert code == 2


def test_nas_spaces_describes_it(nas, own):
    code, out, err = nas("spaces", "own.py:SPACE")
    assert (code, err) == (0, "")
    assert "own: 3 decisions, 12 action sequences" in out
    assert "First network: ('none',)" in out
    assert "nas search --space own.py:SPACE --evaluator FILE.py:NAME" in out


def test_a_space_given_in_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    decisions = [Decision("a", (1, 2, 3)), Decision("b", (1, 2, 3))]
    space = SearchSpace("sums", decisions, lambda choices: sum(choices))
    same = {"controller": "random", "address": "inline", "quiet": True, "trials": 20, "confirm": 0}
    run = library.search(space, evaluator=lambda network, trial: network / 6, run="r", **same)
    assert run.best() == "6"
    assert (run.config["space"], run.config["evaluator"]) == ("python:sums", "python:lambda")
    assert run.trials()["arch"].nunique() <= 5
    with pytest.raises(
        library.InputError,
        match=r"^space must be a name, FILE.toml, FILE.py:NAME, a run or a SearchSpace, got 3",
    ):
        library.search(3, run="no", **same)
    mnas = library.search(SPACES["mnas"], evaluator=lambda network, trial: 0.5, run="m", **same)
    assert mnas.config["space"] == "mnas"
    assert mnas.trials()["flops"].notna().all()


def test_a_file_that_ends_python_is_one_line(nas, own):
    own.write_text("import sys\nsys.exit(0)\n")
    code, _, err = nas(*RANDOM, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: --space must be Python that runs, got SystemExit (0): ")


def test_a_search_like_another_runs_code_that_is_named_again(nas, own):
    assert nas(*RANDOM, "--run", "r")[0] == 0
    code, _, err = nas("search", "--like", "r", "--space", "own.py:SPACE", "--run", "no")
    rule = "must be a run without an evaluator in a file, unless --evaluator names it again"
    assert (code, err) == (2, f"nas: --like {rule}, got r with {own}:evaluate\n")
    code, _, err = nas("search", "--like", "r", *SEARCH[1:5], "--run", "again")
    assert (code, err) == (0, "")
    named = {"space": "own.py:SPACE", "evaluator": "own.py:evaluate"}
    again = library.search(like="r", **named, run="third", quiet=True)
    for one in (open_run("again"), again):
        assert one.trials()["arch"].tolist() == open_run("r").trials()["arch"].tolist()


def test_the_front_of_networks_that_are_no_archspec_is_not_measured(nas, own):
    assert nas(*RANDOM, "--run", "r")[0] == 0
    code, _, err = nas("measure", "r", "--front")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: --front must have networks that are ArchSpecs, got ('conv', 3, 16) in r")


def test_the_front_of_archspecs_of_a_file_is_measured_without_running_it(nas, own, tmp_path):
    own.write_text(
        "from search_spaces import SPACES\nSPACE = SPACES['nasbench-macro']\n"
        "def evaluate(network, trial):\n    return 0.5\n"
    )
    assert nas(*RANDOM, "--trials", 3, "--run", "r")[0] == 0
    own.write_text("1 / 0\n")
    board = f"command:{sys.executable} -c print(2) {{onnx}}"
    code, out, err = nas("measure", "r", "--front", "--device", board)
    assert (code, err) == (0, "")
    assert "measured on command:" in out


def test_runs_side_by_side_show_the_costs_that_they_aim_at(nas, own):
    change(own, "8, 16))], build)", "8, 16))], build, cost=lambda network: {'energy': 3 * len(network)})")
    for run in ("a", "b"):
        assert nas(*RANDOM, "--target", "energy=5", "--run", run)[0] == 0
    code, out, err = nas("report", "a", "b")
    assert (code, err) == (0, "")
    assert re.search(r"^energy +9 +9$", out, re.MULTILINE)
    assert "FLOPs" not in out
    assert "averaged over all budgets up to energy 9." in out
    assert nas(*RANDOM, "--run", "c")[0] == 0
    change(own, "build, cost=lambda network: {'energy': 3 * len(network)})", "build)")
    assert nas(*RANDOM, "--run", "d")[0] == 0
    code, out, err = nas("report", "d", "c")
    assert (code, err) == (0, "")
    assert "There is no hypervolume: no cost is known of the networks of all these runs." in out
    assert "\nhypervolume" not in out


def test_an_interrupted_run_says_that_its_code_must_be_trusted(nas, own):
    stop = "if trial.trial > 1 and Path('stop').exists():\n        raise KeyboardInterrupt\n    return 0.2"
    change(own, "return 0.2", stop)
    (own.parent / "stop").touch()
    code, out, _ = nas(*RANDOM, "--run", "r")
    assert code == 130
    (own.parent / "stop").unlink()
    assert out.endswith("Go on with: nas resume r --trust-code\n")
    code, _, err = nas("resume", "r", "--space", "own.py:evaluate", "--evaluator", "own.py:evaluate")
    assert (code, err) == (2, "nas: --space must name SPACE, with which the run began, got own.py:evaluate\n")
    assert nas("resume", "r", "--trust-code")[0] == 0


def test_a_long_front_is_shown_in_part_and_with_the_best(nas, own):
    change(own, "(8, 16)", "tuple(range(8, 80))")
    change(own, "build)", "build, cost=lambda network: {'flops': 10 * network[-1] if network[1:] else 1})")
    change(own, '0.2 if network == ("none",) else 0.1 * network[1]', "0.001 * sum(network[2:])")
    change(own, " + 0.001 * network[2]", "")
    code, out, _ = nas(*RANDOM, "--trials", 400, "--seed", 1, "--run", "r")
    assert code == 0
    front, best = open_run("r").pareto(), open_run("r").best_trial()["trial"]
    rows = re.findall(r"^(\*?)(\d+) +0\.\d{4} ", out, re.MULTILINE)
    assert len(front) > 60
    assert 39 <= len(rows) <= 40
    assert f"{len(front) - len(rows)} networks in between: pareto.csv has all of the front." in out
    assert ("*", str(best)) in rows
    assert len(pd.read_csv("r/pareto.csv")) == len(front)
