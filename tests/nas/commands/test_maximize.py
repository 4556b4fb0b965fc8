"""``--maximize f1``: measures of which more is better, from the command line to fronts, page and rewards."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import nas as library
import reports
from nas import Objective, open_run
from nas.launch.measures import for_controller
from nas.search.measures import NONE
from nas.spec.targets import Target
from reports.chances import chances
from search_spaces import SPACES, Decision, SearchSpace

F1 = (0.30, 0.45, 0.60, 0.75, 0.40, 0.55)
ACCURACY = (0.50, 0.64, 0.58, 0.52, 0.66, 0.60)
OWN = f"""
def evaluate(arch, trial):
    n = trial.trial % 6
    return {{"accuracy": {ACCURACY}[n], "f1": {F1}[n], "recall": {F1}[n] / 2}}
"""
SEARCH = ["search", "--space", "mnas", "--evaluator", "own.py:evaluate", "--controller", "random"]
QUICK = [*SEARCH, "--address", "inline", "--trials", 6, "--confirm", 0]


@pytest.fixture
def search(nas, tmp_path):
    """Runs ``nas search`` with the evaluation of ``OWN`` and further words."""
    (tmp_path / "own.py").write_text(OWN)

    def run(*words):
        code, out, err = nas(*QUICK, *words, "--run", "r")
        assert (code, err) == (0, "")
        return out, open_run("r")

    return run


def test_what_is_maximized_is_large_on_fronts_and_a_budget_is_the_least_of_it(search, nas):
    out, run = search("--maximize", "f1")
    assert run.config["objective"]["maximize"] == ["f1"]
    assert (run.costs, run.maximized) == (("flops", "f1"), ("f1",))
    expected = reports.pareto_front(run.networks(), ["accuracy", "f1"], ["flops"]).sort_values("flops")
    assert run.pareto()["trial"].tolist() == expected["trial"].tolist()
    assert "Pareto front: accuracy and f1 against FLOPs" in out
    assert run.within({"f1": 0.55})["accuracy"] == 0.60  # the most accurate with an F1 of 0.55 at least
    assert run.best(f1=0.7) == open_run("r").best(f1="0.75")
    with pytest.raises(library.InputError, match=r"tried \(best: f1 0.75\), got f1=0.8"):
        run.best(f1=0.8)
    code, out, _ = nas("report", "r", "--budget", "f1=0.55")
    assert code == 0
    assert "Within f1 of at least 0.55 the most accurate is trial 5: 0.6000" in out


def test_older_runs_and_runs_without_it_have_costs_as_before(search):
    _, run = search("--target", "f1=0.4^1")
    assert run.costs == ("f1",)
    assert run.pareto()["f1"].is_monotonic_increasing
    assert run.best(f1=0.42) == run.best(f1=0.4299)
    settings = run.settings.to_json()
    del settings["objective"]["maximize"]  # as an older version wrote it
    assert type(run.settings).from_json(settings) == run.settings


def test_a_target_of_it_is_the_least_that_is_wanted(search):
    _, run = search("--maximize", "f1", "--target", "f1=0.6^0.5", "--reward", "hard")
    assert run.costs == ("flops", "f1")
    short = np.minimum(np.array(F1) / 0.6, 1) ** 0.5
    assert run.trials()["reward"].tolist() == pytest.approx((np.array(ACCURACY) * short).tolist())
    ranked = run.rerank(target="f1=0.7^-2")
    assert ranked["reward"].max() == pytest.approx(max(np.array(ACCURACY) * (np.array(F1) / 0.7) ** 2))


@pytest.mark.parametrize(("kind", "reward"), [("soft", 0.8 * 0.5**0.07), ("hard", 0.4), ("abs", 0.8 - 0.035)])
def test_half_of_what_is_wanted_costs_reward_and_more_is_free_or_better(kind, reward):
    objective = Objective(kind=kind, targets=(Target("f1", 0.8),), maximize=("f1",))
    assert objective(0.8, {"f1": 0.4}) == pytest.approx(reward)
    assert objective(0.8, {"f1": 0.8}) == pytest.approx(0.8)
    assert objective(0.8, {"f1": 0.9}) == pytest.approx(0.8 * (0.9 / 0.8) ** 0.07 if kind == "soft" else 0.8)
    assert objective(0.8, {"f1": 0.0}) == pytest.approx({"soft": 0, "hard": 0, "abs": 0.73}[kind])
    both = objective.rewards(np.array([0.8, 0.8]), pd.DataFrame({"f1": [0.4, 0.9]}))
    assert both.tolist() == [objective(0.8, {"f1": 0.4}), objective(0.8, {"f1": 0.9})]
    assert objective.lack({"f1": 0.0}) is None
    assert objective.lack({"f1": -0.1}) == "f1 must be at least 0 to count, got -0.1"


def test_the_page_draws_it_with_the_better_end_at_the_top(search):
    search("--maximize", "f1,recall")
    text = open_run("r").directory.joinpath("report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    figure = data["figures"]["front-f1"]
    assert figure["layout"]["xaxis"]["title"]["text"] == "f1, more is better"
    assert figure["data"][1]["x"] == [0.75, 0.60, 0.55, 0.45, 0.40]  # from the most on
    assert figure["data"][1]["y"] == sorted(figure["data"][1]["y"])
    assert "less" not in figure["layout"]["xaxis"]["title"]["text"]
    ranges = {one["label"]: one.get("range") for one in data["figures"]["parallel"]["data"][0]["dimensions"]}
    assert ranges["f1"] == [0.30, 0.75]
    assert ranges["FLOPs"][0] > ranges["FLOPs"][1]
    assert "The front of accuracy, f1 and recall against FLOPs." in text


def test_hypervolume_grows_with_it(search, nas):
    _, run = search("--maximize", "f1")
    facts = json.loads(nas("report", "r", "--json")[1])
    assert facts["hypervolume_costs"] == ["flops", "f1"]
    largest = float(run.networks()["flops"].max())
    reference = {"accuracy": 0.0, "f1": 0.0, "flops": largest}
    volume = reports.hypervolume(run.networks(), ["accuracy", "f1"], ["flops"], reference=reference)
    assert facts["hypervolume"] == pytest.approx(volume / largest)


def test_a_chance_to_be_on_the_front_counts_more_of_it_as_better():
    networks = pd.DataFrame({"accuracy": [0.9, 0.8, 0.7], "accuracy_error": 0.01, "f1": [0.5, 0.6, 0.55]})
    zeros, ones = np.zeros(3), np.ones(3)

    def on_front(*maximize):
        rng = np.random.default_rng(0)
        return chances(networks, zeros, ones, rng, costs=["f1"], maximize=maximize)[1].round(2).tolist()

    assert on_front("f1") == [1, 1, 0]
    assert on_front() == [1, 0, 0]


def test_a_front_that_is_sought_has_it_and_dyna_finds_more_of_it(nas, tmp_path):
    (tmp_path / "own.py").write_text(
        "from search_spaces import Decision, SearchSpace\n"
        "SPACE = SearchSpace('sums', [Decision(f'd{n}', tuple(range(5))) for n in range(5)], tuple)\n"
        "def evaluate(network, trial):\n"
        "    return {'accuracy': 0.5, 'f1': (1 + sum(network)) / 21}\n"
    )
    words = ["--space", "own.py:SPACE", "--evaluator", "own.py:evaluate", "--reward", "pareto"]
    inline = ["--address", "inline", "--confirm", 0, "--trials", 40, "--run", "r"]
    assert nas("search", *words, *inline, "--maximize", "f1", "--controller", "dyna")[0] == 0
    run = open_run("r")
    assert run.costs == ("f1",)
    f1 = run.trials()["f1"]
    assert f1[7:].mean() > f1[:7].mean() + 0.2
    assert run.pareto()["f1"].tolist() == [1.0]


def test_a_controller_that_seeks_a_front_sees_costs():
    space = SearchSpace("two", [Decision("a", (1, 2))], lambda choices: SPACES["mnas"].first)
    objective = Objective(kind="pareto", targets=(Target("loss"),), maximize=("f1",))
    known = {"f1": lambda archs: np.array([0.25] * len(archs))}
    told = for_controller(objective, space, known)
    assert told["front"] == ("loss", "f1")
    assert told["measures"]["f1"](np.array([[0]])).tolist() == [4.0]
    assert objective.as_costs({"f1": 0.5, "loss": 3.0}) == {"f1": 2.0, "loss": 3.0}
    assert objective.as_costs({"f1": 0.0}) == {}
    assert for_controller(objective, space, NONE)["measures"]["f1"] is None


def test_a_controller_that_aims_at_a_target_sees_what_is_maximized_as_it_is():
    space = SearchSpace("two", [Decision("a", (1, 2))], lambda choices: SPACES["mnas"].first)
    objective = Objective(targets=(Target("f1", 0.8),), maximize=("f1",))
    told = for_controller(objective, space, {"f1": lambda archs: np.array([0.25] * len(archs))})
    assert told["measures"]["f1"](np.array([[0]])).tolist() == [0.25]


def test_a_column_of_a_table_can_be_maximized(nas, tmp_path):
    space, rng = SPACES["mnas"], np.random.default_rng(0)
    archs = [str(space.decode(space.sample(rng))) for _ in range(200)]
    rows = {"arch": archs, "accuracy": rng.uniform(0.5, 0.9, 200), "f1": rng.uniform(0.2, 0.8, 200)}
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    words = ["--evaluator", "predictor:t.csv", "--maximize", "f1", "--trials", 20, "--controller", "random"]
    assert nas("search", "--space", "mnas", *words, "--run", "r")[0] == 0
    run = open_run("r")
    expected = reports.pareto_front(run.networks(), ["accuracy", "f1"], ["flops"])
    assert sorted(run.pareto()["trial"]) == sorted(expected["trial"])


RULE = "measures of your own, in letters, digits and _, of which more is better"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("flops", f"--maximize must name {RULE}, got 'flops'"),
        ("latency", f"--maximize must name {RULE}, got 'latency'"),
        ("f1,accuracy", f"--maximize must name {RULE}, got 'accuracy'"),
        ("f1,F1", "--maximize must name every measure once, got f1 twice"),
        ("", "--maximize must not be empty"),
    ],
)
def test_what_cannot_be_maximized_is_refused_in_one_line(nas, tmp_path, value, message):
    (tmp_path / "own.py").write_text(OWN)
    code, _, err = nas(*QUICK, "--maximize", value, "--run", "r")
    assert (code, err) == (2, f"nas: {message}\n")
    assert not (tmp_path / "r").exists()


def test_training_and_trials_without_it_are_told(nas, tmp_path):
    code, _, err = nas("search", "--space", "mnas", "--maximize", "f1", "--run", "r")
    rule = (
        "--maximize must name measures of your own evaluation, or columns of a table, got f1 where networks"
    )
    assert (code, err) == (2, f"nas: {rule} are trained by --evaluator train\n")
    (tmp_path / "own.py").write_text(OWN)
    code, _, err = nas(*QUICK, "--maximize", "f2", "--run", "r")
    assert (code, "f2 must be given by the evaluator or a device, and was not" in err) == (1, True)


def test_it_is_repeated_and_python_takes_a_list(search, nas, tmp_path):
    search("--maximize", "f1,recall")
    assert nas("search", "--like", "r", "--evaluator", "own.py:evaluate", "--run", "again")[0] == 0
    assert open_run("again").maximized == ("f1", "recall")
    run = library.search(
        "mnas",
        evaluator="own.py:evaluate",
        controller="random",
        address="inline",
        trials=6,
        confirm=0,
        maximize=["f1", "recall"],
        run=tmp_path / "python",
        quiet=True,
    )
    assert run.maximized == ("f1", "recall")
