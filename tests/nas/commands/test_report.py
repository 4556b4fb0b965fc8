"""``nas report``: for one run or several, under another objective, with figures, during a search."""

import json
import re
import sqlite3
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from fakes import TABLE, Fake, few_images, new_search, start, wait_for_trials
from PIL import Image
from places import ROOT
from rich.console import Console

from nas import Objective, open_run
from nas.launch.inline import run_inline
from nas.runs.config import write_config
from nas.screens.follow import follow_run
from nas.spec.recipe import Recipe
from nas.spec.settings import Settings
from nas.spec.trial import Outcome
from reports import hypervolume


def fake_run(directory, *, trials=30, controller="random", fail=(), confirmations=3, confirm_seeds=2, seed=0):
    """A finished run whose accuracies are noisy."""
    directory.mkdir()
    options = {"trials": trials, "confirmations": confirmations, "confirm_seeds": confirm_seeds, "seed": seed}
    settings = Settings(
        space="nasbench-macro", data="digits", evaluator="train", controller=controller,
        objective=Objective(55e6), recipe=Recipe(), **options,
    )  # fmt: skip
    write_config(directory, settings.to_json())
    journal, search = new_search(directory, create=True, controller=controller, **options)
    with journal:
        run_inline(search, Fake(fail=fail))
    return open_run(directory)


def test_a_confirmed_run_shows_errors_and_chances(nas, tmp_path):
    run = fake_run(tmp_path / "r", fail=(4,))
    code, out, err = nas("report", "r")
    assert (code, err) == (0, "")
    best = run.best_trial()
    assert f"{best['accuracy']:.4f} ±{best['accuracy_error']:.4f}" in out
    assert "P(front)" in out
    assert "P(best)" in out
    assert "(3 networks trained again, on 6 fresh seeds in all)" in out
    assert "30 trials: 29 done, 1 failed" in out
    facts = json.loads(nas("report", "r", "--json")[1])
    for name in ("trial", "accuracy", "accuracy_error", "reward", "p_best", "p_front", "trainings"):
        assert facts["best"][name] == best[name]
    assert [row["p_front"] for row in facts["pareto"]] == list(run.pareto()["p_front"])
    assert facts["seed_noise"]["pairs"] == 3
    assert "nan" not in out.lower()


def test_json_is_json_where_nothing_was_trained_twice(nas, tmp_path):
    fake_run(tmp_path / "r", confirmations=0)
    text = nas("report", "r", "--json")[1]
    assert "NaN" not in text
    facts = json.loads(text)
    assert facts["seed_noise"] is None
    assert "p_best" not in facts["best"]


@pytest.mark.parametrize("cost", ["flops", "params", "activations"])
def test_another_objective_would_have_chosen_another_network(nas, tmp_path, cost):
    run = fake_run(tmp_path / "r")
    before = (tmp_path / "r" / "run.db").read_bytes()
    target = float(run.trials()[cost].min())
    options = ["--target-flops", target, "--exponent", "-2", "--reward", "hard", "--cost", cost]
    ranked = run.rerank(target, -2, "hard", cost)
    code, out, err = nas("report", "r", *options)
    assert (code, err) == (0, "")
    assert f"It would choose trial {ranked['trial'].iloc[0]} " in out
    facts = json.loads(nas("report", "r", *options, "--json")[1])["reranked"]
    assert [row["trial"] for row in facts["best"]] == list(ranked["trial"].head(10))
    assert facts["before"]["trial"] == run.best_trial()["trial"]
    assert facts["before"]["reward"] == ranked.set_index("trial")["reward"][run.best_trial()["trial"]]
    assert (tmp_path / "r" / "run.db").read_bytes() == before


def test_an_option_left_out_is_the_runs_own(nas, tmp_path):
    fake_run(tmp_path / "r")
    facts = json.loads(nas("report", "r", "--exponent", "-0.5", "--json")[1])
    assert facts["reranked"]["objective"] == {
        "target_flops": 55e6, "exponent": -0.5, "kind": "soft", "cost": "flops",
    }  # fmt: skip
    facts = json.loads(nas("report", "r", "--reward", "hard", "--json")[1])
    assert facts["reranked"]["objective"]["exponent"] == -1


def test_a_run_is_compared_with_its_own_first_trials_or_with_a_random_run(nas, tmp_path):
    nas("search", *TABLE, "--trials", 60, "--controller", "rnn", "--run", "rnn", "-q")
    nas("search", *TABLE, "--trials", 80, "--controller", "random", "--run", "random", "-q")
    own = json.loads(nas("report", "rnn", "--json")[1])["baseline"]
    assert (own["rests_on"], own["trials"]) == (20, 60)
    rewards = open_run("rnn").trials()["reward"]
    assert own["best_so_far"] == [rewards[:count].max() for count in own["counts"]]
    given = json.loads(nas("report", "rnn", "--random", "random", "--json")[1])["baseline"]
    assert (given["rests_on"], given["from"]) == (80, "random")
    assert given["random_so_far"][0] == pytest.approx(open_run("random").trials()["reward"].mean())
    out = nas("report", "rnn", "--random", "random")[1]
    assert f"{given['random']:.4f} by then, judging by 80 random trials (random)" in out
    assert json.loads(nas("report", "random", "--json")[1])["baseline"]["rests_on"] == 80
    for other, message in {"rnn": "must be a run of --controller random, got rnn", "none": "run.db"}.items():
        code, out, err = nas("report", "rnn", "--random", other)
        assert (code, out) == (2, "")
        assert message in err
    fake_run(tmp_path / "other")
    assert "--random must be a run of the same evaluator" in nas("report", "rnn", "--random", "other")[2]


def test_several_runs_are_compared_under_one_objective(nas):
    for name, controller, target in (
        ("a", "random", "400M"),
        ("b", "evolution", "400M"),
        ("c", "random", "50M"),
    ):
        options = ["--trials", 40, "--controller", controller, "--target-flops", target]
        nas("search", *TABLE, *options, "--run", name, "-q")
    code, out, err = nas("report", "a", "b")
    assert (code, err) == (0, "")
    assert "reward after 40" in out
    assert "searched under another" not in out
    facts = json.loads(nas("report", "a", "c", "--json")[1])
    assert [row["run"] for row in facts["runs"]] == ["a", "c"]
    trials = open_run("c").trials()
    objective = Objective(400e6)
    rewards = [objective(a, f) for a, f in zip(trials["accuracy"], trials["flops"], strict=True)]
    assert facts["runs"][1]["reward"] == pytest.approx(max(rewards))
    assert facts["runs"][1]["after_10"] == pytest.approx(max(rewards[:10]))
    assert facts["others_differ"]
    assert "searched under another" in nas("report", "a", "c")[1]
    largest = max(open_run(name).trials()["flops"].max() for name in "ac")
    assert facts["reference"] == {"accuracy": 0, "flops": largest}
    under = json.loads(nas("report", "a", "c", "--target-flops", "50M", "--json")[1])
    assert under["objective"]["target_flops"] == 50e6


def test_figures_are_files(nas, tmp_path):
    fake_run(tmp_path / "r")
    code, _, err = nas("report", "r", "--png", "r.png", "--svg", "r.svg")
    assert (code, err) == (0, "")
    with Image.open("r.png") as image:
        assert image.width > 1500
        assert np.asarray(image.convert("L")).std() > 5
    texts = ["".join(node.itertext()) for node in ET.parse("r.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"Accuracy against compute", "Progress", "front", "chosen", "best so far"} <= set(texts)
    assert any(text.startswith("random, expected (n = 30)") for text in texts)
    first = (tmp_path / "r.svg").read_bytes()
    nas("report", "r", "--svg", "r.svg")
    assert (tmp_path / "r.svg").read_bytes() == first
    code, out, err = nas("report", "r", "--png", "nowhere/r.png")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--png and --svg must be files that can be written" in err


def test_figures_of_a_family_show_it_against_the_published_one(nas):
    nas("scale", "--coefficients", "1.2,1.1,1.15", "--run", "f")
    assert nas("report", "f", "--svg", "f.svg", "--png", "f.png")[0] == 0
    texts = ["".join(node.itertext()) for node in ET.parse("f.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"Compute of the family", "EfficientNet as published", "this family", "B7"} <= set(texts)
    for option in (["--target-flops", "1M"], ["--exponent", 0], ["--follow"], ["--random", "f"]):
        code, out, err = nas("report", "f", *option)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"{option[0]} must be left out where nothing was trained" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["r", "--target-flops", "lots"], "--target-flops must be a number like 400M"),
        (["r", "--target-flops", "-1M"], "--target-flops must be positive and finite"),
        (["r", "--exponent", "nan"], "--exponent must be a finite number"),
        (["r", "--exponent", "steep"], "got 'steep'"),
        (["r", "--reward", "firm"], "--reward must be one of"),
        (["r", "--target-flops", "1M", "--cost", "latency"], "--cost must be one of"),
        (["r", "--cost", "params"], "--target-flops must say how many params"),
        (["r", "nowhere"], "must be a directory with a run.db"),
        (["r", "r"], "RUN must name different runs"),
        (["r", "s", "--follow"], "--follow must be left out"),
        (["r", "s", "--png", "x.png"], "--png must be left out"),
        (["r", "failed"], "must have a finished trial, and none of its 5 is: failed"),
        (["failed"], "must have a finished trial, and none of its 5 is: failed"),
        (["empty"], "must have a finished trial, and none of its 0 is: empty"),
        (["newer"], "newer nas (schema 99"),
        (["foreign"], "nas did not write"),
        ([], "Missing argument 'RUN...'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(nas, tmp_path, arguments, message):
    for name, options in {"r": {}, "s": {}, "failed": {"fail": range(5)}}.items():
        fake_run(tmp_path / name, trials=5, confirmations=0, **options)
    for name in ("empty", "newer", "foreign"):
        fake_run(tmp_path / name, trials=1, confirmations=0)
        with sqlite3.connect(tmp_path / name / "run.db") as db:
            if name == "empty":
                db.execute("DELETE FROM trials")
                db.execute("DELETE FROM events")
            else:
                db.execute(f"PRAGMA {'user_version = 99' if name == 'newer' else 'application_id = 1'}")
        db.close()
    code, out, err = nas("report", *arguments)
    assert (code, out) == (2, ""), err
    assert err.count("\n") == 1
    assert message in err


def test_following_prints_a_line_per_change_and_ends_with_the_search(nas, tmp_path):
    process = start(
        tmp_path, "search", *TABLE, "--trials", 9000, "--controller", "random", "--run", "r", "-q"
    )
    wait_for_trials(tmp_path / "r", 1, process)
    try:
        code, out, err = nas("report", "r", "--follow")
    finally:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert (code, err) == (0, "")
    told = [line for line in out.splitlines() if line.startswith("9000 trials: ") and "front " in line]
    assert "9000 trials: 9000 done; best reward" in told[-1]
    assert len(set(told)) == len(told)
    assert "Pareto front: accuracy against FLOPs" in out


@pytest.mark.parametrize("terminal", [True, False])
def test_following_shows_a_run_as_it_grows(tmp_path, terminal):
    directory = tmp_path / "r"
    run = fake_run(directory, trials=1)  # settings and journal of a search that goes on to three trials
    settings = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**settings, "trials": 3}))
    options = {"trials": 3, "confirmations": 3, "confirm_seeds": 2, "controller": "random"}
    journal, search = new_search(directory, create=False, **options)
    console = Console(force_terminal=terminal, record=True, file=open("/dev/null", "w"), width=100)  # noqa: SIM115, PTH123
    with console.file:
        follower = threading.Thread(target=follow_run, args=(console, run), kwargs={"pause": 0.01})
        with journal:
            follower.start()
            number = 0
            while not search.done:
                trial = search.next()
                search.finish(trial, Outcome(0.5 + 0.01 * number, 1, 0.1, "test"))
                number += 1
                assert follower.is_alive() or search.done
        follower.join(timeout=60)
        assert not follower.is_alive()
    if not terminal:
        text = console.export_text()
        assert re.search(
            r"^3 trials: 3 done; best reward 0\.\d+, front \d; 6 confirmations$", text, re.MULTILINE
        )


def test_following_a_search_that_was_killed_ends(tmp_path, capsys):
    directory = tmp_path / "r"
    run = fake_run(directory, trials=3, confirmations=0)
    settings = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**settings, "trials": 5}))
    follow_run(Console(width=100), run, as_json=True, pause=0.001)
    state = json.loads(capsys.readouterr().out)
    assert (state["status"], state["over"]) == ({"done": 3}, False)


def test_a_search_confirms_by_default_and_trains_no_more_than_six_again(nas, tmp_path):
    data = few_images(tmp_path / "few.npz")
    options = ["--trials", 5, "--address", "inline", "--run", "r"]
    code, _, err = nas("search", "--space", "mnas", *data, *options)
    assert (code, err) == (0, "")
    again = open_run("r").confirmations()
    assert 0 < len(again) <= 6
    assert again.groupby("trial").size().tolist() == [2, 2, 2]
    best = json.loads((tmp_path / "r" / "best.json").read_text())
    assert best["arch"] == str(open_run("r").best())
    assert best["accuracy"] == open_run("r").best_trial()["accuracy"]
    assert {"accuracy_error", "p_best", "p_front"} <= set(best)
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    assert (config["confirmations"], config["confirm_seeds"]) == (3, 2)
    del config["confirm_seeds"]
    assert Settings.from_json(config).confirm_seeds == 1
    for option in ("--confirm", "--confirm-seeds"):
        code, _, err = nas("search", "--space", "mnas", option, -1)
        assert (code, err.count("\n")) == (2, 1)
        assert f"{option} must be at least" in err


def test_the_example_reads_a_run(tmp_path):
    run = fake_run(tmp_path / "r", fail=(4,))
    example = ROOT / "examples" / "read_report.py"
    command = [sys.executable, example, run.directory]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "cannot" in done.stdout or "stands out" in done.stdout
    volume = hypervolume(run.networks(), reference={"accuracy": 0.0, "flops": run.networks()["flops"].max()})
    assert f"hypervolume {volume / run.networks()['flops'].max():.4f}" in done.stdout
    assert f"after 29: {run.trials()['reward'].max():.4f}, random search" in done.stdout


def test_matplotlib_is_imported_for_figures_only(tmp_path):
    fake_run(tmp_path / "r")
    program = (
        "import atexit, sys; sys.argv = ['nas', 'report', 'r']; from nas.commands.main import main\n"
        "atexit.register(lambda: print('matplotlib' in sys.modules, file=sys.stderr))\n"
        "main()"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == "False\n"
