"""``--target``, ``--device``, ``--reward pareto`` and ``--budget`` on the command line."""

import json

import numpy as np
import pandas as pd
import pytest
from fakes import TABLE

from nas import open_run
from nas.runs.search_results import trial_state
from nas.screens.report import trial_sentence
from reports import hypervolume
from search_spaces import SPACES, cost

ACCEL = SPACES["accel-nasbench"]
SEARCH = ["search", "--space", "accel-nasbench", "--evaluator", "predictor:accel.csv", "--trials", 12, "-q"]
"""A search that trains nothing, of a table with a latency."""
ANY = ["search", "--space", "nasbench-macro"]


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    archs = [*dict.fromkeys(ACCEL.decode(ACCEL.sample(rng)) for _ in range(60))]
    priced = [cost(arch) for arch in archs]
    worth = np.log([price.params for price in priced])
    frame = pd.DataFrame({"arch": map(str, archs), "accuracy": 0.5 + 0.1 * (worth - worth.mean())})
    frame.assign(latency=[price.activations / 1e6 for price in priced]).to_csv("accel.csv", index=False)


def test_a_search_may_have_several_targets(nas, table):
    code, _, err = nas(*SEARCH, "--target", "latency=5ms^-0.1", "--target", "params=3M", "--run", "r")
    assert (code, err) == (0, "")
    objective = open_run("r").settings.objective
    assert objective.target_flops is None
    assert [(t.name, t.value, t.exponent) for t in objective.targets] == [
        ("latency", 5.0, -0.1),
        ("params", 3e6, None),
    ]
    code, out, err = nas("report", "r")
    assert (code, err) == (0, "")
    assert "accuracy against latency and params" in out
    facts = json.loads(nas("report", "r", "--json")[1])
    assert facts["best"]["latency"] > 0
    assert all(row["latency"] > 0 for row in facts["pareto"])
    code, out, err = nas("report", "r", "--target", "latency=3ms", "--target", "flops=200M^-0.2")
    assert (code, err) == (0, "")
    assert "200M FLOPs, exponent -0.2; latency 3 ms" in out


@pytest.mark.parametrize(
    "asked",
    [
        ("--target", "latency=5ms^-0.1", "--target", "params=3M", "--exponent", "-0.2"),
        ("--target-flops", "200M", "--target", "latency=5ms"),
        ("--reward", "pareto", "--target", "latency", "--target", "flops"),
    ],
)
def test_a_search_like_another_has_its_targets(nas, table, asked):
    assert nas(*SEARCH, *asked, "--run", "r") == (0, "", "")
    assert nas("search", "--like", "r", "--run", "again", "-q") == (0, "", "")
    assert open_run("again").settings == open_run("r").settings


def test_one_search_without_a_budget_answers_for_any(nas, table):
    code, _, err = nas(
        *SEARCH, "--reward", "pareto", "--target", "latency", "--target", "flops", "--run", "r"
    )
    assert (code, err) == (0, "")
    assert "random search" not in nas("report", "r")[1]
    networks = open_run("r").networks()
    limit = float(networks["latency"].median())
    best = networks[networks["latency"] <= limit].sort_values("accuracy").iloc[-1]
    code, out, err = nas("report", "r", "--budget", f"latency={limit!r}ms")
    assert (code, err) == (0, "")
    assert out.startswith(f"Within latency {limit:.3g} ms the most accurate is trial {best['trial']}")
    found = json.loads(nas("report", "r", "--json", "--budget", f"latency={limit!r}ms")[1])["within"]
    assert found["trial"] == best["trial"]
    code, _, err = nas("report", "r", "--budget", "latency=1us")
    assert code == 2
    assert err.startswith("nas: --budget must leave one of the 12 networks that were tried (least: latency")
    code, _, err = nas("report", "r", "--budget", "energy=3")
    assert code == 2
    assert err == "nas: --budget: unknown measure 'energy'. Known: flops, params, activations, latency\n"
    code, out, err = nas("report", "r", "--target", "latency=3ms")
    assert (code, err) == (0, "")
    code, out, err = nas("resume", "r")
    assert code == 2
    assert "all 12 trials are" in err


def test_flops_as_a_target_are_what_target_flops_says(nas):
    for run, words in (("a", ["--target-flops", "50M"]), ("b", ["--target", "flops=50M"])):
        assert nas(*ANY, *TABLE[2:], "--trials", 9, "-q", *words, "--run", run)[0] == 0
    first, second = open_run("a"), open_run("b")
    assert first.settings.objective == second.settings.objective
    assert list(first.trials()["reward"]) == list(second.trials()["reward"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--target", "latency=20"],
            "target latency must be a time with its unit, like 20ms or 0.02s, got '20'",
        ),
        (["--target", "latency=0ms"], "target latency must be positive and finite, got '0ms'"),
        (["--target", "flops=nan"], "target flops must be positive and finite, got 'nan'"),
        (["--target", "params=-5M"], "target params must be positive and finite, got '-5M'"),
        (
            ["--target", "params=1M", "--target", "params=2M"],
            "target must name every cost once, got params twice",
        ),
        (
            ["--target", "flops=1M", "--target-flops", "2M"],
            "target must leave FLOPs to --target-flops where that is given, got 2M",
        ),
        (["--target", "flops"], "target must have a value, NAME=VALUE, got flops"),
        (
            ["--target", "latency=20ms"],
            "target must be flops, params, activations or peak_memory where networks are trained "
            "(--device gives latency, a table has other columns), got latency",
        ),
        (
            ["--reward", "pareto", "--target", "params=1M"],
            "target must be a name alone where --reward is pareto, which has no budget, got params=1e+06",
        ),
        (
            ["--reward", "pareto", "--target-flops", "3M"],
            "target_flops must be left out where --reward is pareto, got 3M",
        ),
        (
            ["--reward", "pareto", "--controller", "rnn"],
            "controller must be one of ('dyna', 'random') where --reward is pareto, got rnn",
        ),
        (["--device", "table:x.csv"], "device must stand with --target latency=T, got table:x.csv"),
        (
            ["--target", "peak_memory=2GB", "--evaluator", "table:x.csv"],
            "target must be a cost that is known where nothing is trained, got peak_memory",
        ),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_are_refused_in_one_line(nas, words, message):
    code, _, err = nas(*ANY, *words)
    field, _, rest = message.partition(" ")
    assert (code, err) == (2, f"nas: --{field.replace('_', '-')} {rest}\n")


def test_a_column_that_the_table_does_not_have_is_refused(nas, table):
    code, _, err = nas(*SEARCH, "--target", "latenzy=3ms")
    assert code == 2
    assert err.startswith("nas: --target latenzy must be a number like 300M")
    code, _, err = nas(*SEARCH, "--target", "latency_gpu=3ms")
    assert code == 2
    assert err.startswith("nas: --target: unknown column 'latency_gpu'; did you mean 'latency'?")


def test_a_run_of_flops_alone_knows_no_latency(nas):
    assert nas(*ANY, *TABLE[2:], "--trials", 5, "-q", "--run", "r")[0] == 0
    code, _, err = nas("report", "r", "--budget", "latency=15ms")
    known = "Known: flops, params, activations"
    assert (code, err) == (2, f"nas: --budget: unknown measure 'latency'. {known}\n")
    code, _, err = nas("report", "r", "--target", "latency=15ms")
    assert (code, err) == (2, f"nas: --target: unknown measure 'latency'. {known}\n")
    code, out, err = nas("report", "r", "--budget", "flops=60M", "--budget", "params=3M")
    assert (code, err) == (0, "")
    assert out.startswith("Within FLOPs 60.0M and params 3.00M the most accurate is trial")


def test_a_search_for_all_budgets_speaks_of_its_front_and_of_no_reward(nas, table):
    aims = ["--reward", "pareto", "--target", "latency", "--target", "params"]
    words = [*SEARCH[:-1], "--controller", "random", *aims, "--run", "r"]
    code, out, err = nas(*words)
    assert (code, err) == (0, "")
    run = open_run("r")
    front = len(run.pareto())
    assert f"The front of accuracy against latency and params has {front} networks of " in out
    assert "on the front so far" in out
    assert "reward" not in out
    facts = json.loads(nas("report", "r", "--json")[1])
    assert facts["hypervolume_costs"] == ["latency", "params"]
    networks = run.networks()
    most = {name: float(networks[name].max()) for name in ("latency", "params")}
    volume = hypervolume(networks, minimize=[*most], reference={"accuracy": 0.0, **most})
    assert facts["hypervolume"] == pytest.approx(volume / most["latency"] / most["params"])
    assert f"highest accuracy {run.trials()['accuracy'].max():.4f}, front {front}" in trial_sentence(
        trial_state(run)
    )
    assert nas(*SEARCH, "--controller", "random", "--seed", 1, *aims, "--run", "s")[0] == 0
    compared = nas("report", "r", "s")[1]
    assert "The highest accuracy is " in compared
    assert "reward" not in compared.lower()
    assert "averaged over all budgets up to latency " in compared
