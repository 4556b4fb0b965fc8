"""``--evaluator FILE.py:NAME``: an evaluation of one's own, on networks of any kind."""

import pickle
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from fakes import compare

import nas as library
from nas import open_run
from nas.errors import RunError
from nas.launch.own_evaluator import OwnEvaluator, load_evaluator
from nas.spec import own
from nas.spec.trial import Epoch, Trial

SEARCH = ["search", "--space", "mnas", "--evaluator", "own.py:evaluate", "--controller", "random"]
QUICK = [*SEARCH, "--address", "inline", "--trials", 6, "--confirm", 0]


@pytest.fixture
def write(tmp_path):
    """Writes the body of ``evaluate(arch, trial)``, which begins in line 2 of own.py."""

    def written(*lines, head="def evaluate(arch, trial):"):
        text = "\n".join([head, *(f"    {line}" for line in lines)])
        (tmp_path / "own.py").write_text(text + "\n")
        return tmp_path / "own.py"

    return written


def trials_of(nas, *words):
    code, _, err = nas(*QUICK, *words, "--run", "r")
    assert (code, err) == (0, "")
    return open_run("r").trials()


def test_a_number_is_the_accuracy_and_the_seed_is_the_trials(nas, write):
    write("return (trial.seed % 1000) / 1000")
    trials = trials_of(nas)
    assert trials["accuracy"].tolist() == [seed % 1000 / 1000 for seed in trials["seed"]]
    assert (trials["epochs"] == 1).all()


def test_confirmations_get_fresh_seeds_and_there_are_no_default_baselines(nas, write):
    write("return (trial.seed % 1000) / 1000")
    assert nas(*QUICK, "--confirm", 2, "--confirm-seeds", 2, "--run", "r")[0] == 0
    run = open_run("r")
    again = run.confirmations()
    assert len(again) == 4
    assert again["accuracy"].tolist() == [seed % 1000 / 1000 for seed in again["seed"]]
    assert run.baselines().empty
    assert len(set(again["seed"]) | set(run.trials()["seed"])) == 10


def test_measures_become_columns_and_targets(nas, write):
    write("return {'accuracy': 0.5, 'f1': 0.4 + trial.trial / 100, 'params': 3}")
    trials = trials_of(nas, "--target", "f1=0.4^1")
    assert trials["f1"].tolist() == pytest.approx([0.40, 0.41, 0.42, 0.43, 0.44, 0.45])
    assert trials["reward"].tolist() == pytest.approx([0.5 * f1 / 0.4 for f1 in trials["f1"]])
    assert (trials["params"] > 1000).all()  # the formula knows better
    run = open_run("r")
    assert "f1" in run.known_costs
    assert run.best(f1=0.42) == run.best(f1=0.4299)
    assert "f1" in (run.directory / "report.html").read_text()


def test_seconds_that_it_gives_are_the_trials_and_can_be_a_target(nas, write):
    write("return {'accuracy': 0.5, 'seconds': 2.0 + trial.trial}")
    trials = trials_of(nas, "--target", "seconds=2^-1")
    assert trials["seconds"].tolist() == [2, 3, 4, 5, 6, 7]
    assert trials["reward"].tolist() == pytest.approx([0.5 * 2 / seconds for seconds in trials["seconds"]])


def test_the_trials_own_seconds_can_be_a_target(nas, write):
    write("import time", "time.sleep(0.01)", "return 0.5")
    trials = trials_of(nas, "--target", "seconds=0.01^-1")
    assert trials["reward"].tolist() == pytest.approx([0.5 * 0.01 / each for each in trials["seconds"]])


def test_an_iterator_gives_epochs(nas, write):
    write("for epoch in range(3):", "    yield {'accuracy': epoch / 10, 'loss': 1.5 - epoch}")
    trials = trials_of(nas)
    assert (trials["epochs"] == 3).all()
    assert (trials["accuracy"] == 0.2).all()
    assert (trials["loss"] == -0.5).all()
    assert open_run("r").epochs()["accuracy"].tolist() == [0.0, 0.1, 0.2] * 6


WRONG = {
    "return None": "evaluator must give an accuracy in [0, 1], got None: {}, line 1",
    "return float('nan')": "evaluator must give an accuracy in [0, 1], got nan: {}, line 1",
    "return 'good'": "evaluator must give an accuracy in [0, 1], got 'good': {}, line 1",
    "return 93.1": "evaluator must give an accuracy in [0, 1], got 93.1: {}, line 1",
    "return True": "evaluator must give an accuracy in [0, 1], got True: {}, line 1",
    "return {'f1': 0.5}": "evaluator must give an accuracy among its measures, got f1: {}, line 1",
    "return {'accuracy': 0.5, 'f1': None}": "evaluator must give finite numbers, got f1=None: {}, line 1",
    "return {'accuracy': 0.5, 'arch': 1}": "evaluator must give measures with names in letters, digits and _ "
    "that are no other column of the table, got 'arch': {}, line 1",
    "return {'accuracy': 0.5, 'f1': 1, 'F1': 2}": "evaluator must give every measure once, got f1, F1: {}, "
    "line 1",
    "return 1 / 0": "ZeroDivisionError: division by zero: {}, line 2",
    "exit(3)": "SystemExit: 3: {}, line 2",
    "yield from ()": "evaluator must give an epoch at least, got none: {}, line 1",
    "yield 0.5; yield None": "evaluator must give an accuracy in [0, 1], got None: {}, line 2",
}


@pytest.mark.parametrize(("body", "error"), WRONG.items())
def test_a_trial_whose_evaluation_is_wrong_fails_with_the_line(nas, write, body, error):
    file = write(body if body.startswith("yield") else f"if trial.trial == 2: {body}", "return 0.5")
    if body.startswith("yield"):
        assert nas(*QUICK, "--run", "r")[0] == 1
    else:
        trials_of(nas)
    trials = open_run("r").trials()
    assert trials["error"][2] == error.format(file)
    assert trials["status"][2] == "failed"


HEADS = {
    "def evaluate(arch):": "a function evaluate(network, trial), got evaluate(arch): {}, line 1",
    "def evaluate(arch, trial, n):": "a function evaluate(network, trial), got evaluate(arch, trial, n)",
    "evaluate = 3\ndef other():": "a function evaluate(network, trial), got 3: {}",
}


@pytest.mark.parametrize(("head", "rule"), HEADS.items())
def test_what_cannot_be_called_with_a_network_and_a_trial_is_one_line(nas, write, head, rule):
    file = write("return 0.5", head=head)
    code, _, err = nas(*QUICK, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: --evaluator must be {rule.format(file)}"), err
    assert not (file.parent / "no").exists()


def test_a_measure_that_is_aimed_at_must_be_there_and_positive(nas, write):
    write(
        "return {'accuracy': 0.5} | ({'f1': 0.0} if trial.trial == 1 else {'f1': 1} if trial.trial else {})"
    )
    trials = trials_of(nas, "--target", "f1=1")
    assert trials["error"][0] == "f1 must be given by the evaluator or a device, and was not"
    assert trials["error"][1] == "f1 must be above 0 to count, got 0"
    assert trials["status"].tolist() == ["failed"] * 2 + ["done"] * 4


@pytest.fixture
def broken(nas, write):
    """An evaluation, and the run ``broken`` of it, which Ctrl-C ended in trial 3."""
    stop = "if trial.trial == 3 and not __import__('os').path.exists('again'): raise KeyboardInterrupt"
    file = write(stop, "return {'accuracy': (trial.seed % 1000) / 1000, 'f1': trial.seed % 7}")
    assert nas(*QUICK, "--run", "broken")[0] == 130
    (file.parent / "again").touch()
    return file


def test_it_is_resumed_exactly_where_it_is_trusted_or_named_again(nas, broken):
    assert nas(*QUICK, "--run", "whole")[0] == 0
    shutil.copytree("broken", "other")
    code, _, err = nas("resume", "broken")
    assert (code, err) == (2, f"nas: --trust-code must be given to run the code of {broken}:evaluate\n")
    assert nas("resume", "broken", "--trust-code")[::2] == (0, "")
    compare("whole", "broken")
    broken.rename(broken.with_name("moved.py"))
    assert nas("resume", "other", "--evaluator", "moved.py:evaluate")[::2] == (0, "")
    compare("whole", "other")


SPACE = """
from search_spaces import Decision, SearchSpace
NUMBERS = tuple(range(4))
DECISIONS = [Decision(name, NUMBERS) for name in "abc"]
SPACE = SearchSpace("sums", DECISIONS, lambda numbers: tuple(sorted(numbers)))
"""


def test_dyna_learns_what_trials_measure_and_a_resumed_search_knows_it_again(nas, write):
    stop = "if trial.trial >= 12 and not __import__('os').path.exists('again'): raise KeyboardInterrupt"
    measured = "{'accuracy': total / 9, 'f1': 10 - total, 'seconds': 1.0 + total}"
    file = write(
        "total = sum(network)", stop, f"yield {measured}", head=f"{SPACE}def evaluate(network, trial):"
    )
    aims = ["--target", "f1=2^0.1", "--target", "seconds=3^-0.5"]
    words = ["search", "--space", "own.py:SPACE", *SEARCH[3:5], "--address", "inline", *aims]
    assert nas(*words, "--trials", 24, "--run", "broken")[0] == 130
    (file.parent / "again").touch()
    code, out, err = nas("resume", "broken", "--trust-code")
    assert (code, err) == (0, "")
    assert "slightly different numbers" not in out
    assert nas(*words, "--trials", 24, "--run", "whole")[0] == 0
    compare("whole", "broken")
    trials = open_run("whole").trials()
    repeats = trials["repeat_of"].notna()
    assert repeats.any()  # there are 20 sorted triples
    assert (trials.loc[~repeats, "seconds"] >= 1).all()
    assert (trials.loc[repeats, "seconds"] == 0).all()


def test_what_a_file_gives_travels_as_text(write):
    file = write("return 0.25")
    with own.given():
        evaluator = OwnEvaluator(load_evaluator(f"{file}:evaluate")[0], f"{file}:evaluate", "mnas")
    file.unlink()
    there = pickle.loads(pickle.dumps(evaluator))
    assert [epoch.accuracy for epoch in there(Trial(0, None, 0))] == [0.25]
    evaluator.sources = {str(file): b"import not_on_this_machine"}
    there = pickle.loads(pickle.dumps(evaluator))
    rule = (
        "evaluator must be Python that runs, got ModuleNotFoundError (No module named 'not_on_this_machine')"
    )
    with pytest.raises(RunError, match=f"^{re.escape(rule)}: {re.escape(str(file))}, line 1$"):
        next(there(Trial(0, None, 0)))


def test_a_changed_file_is_refused(nas, broken):
    broken.write_text(broken.read_text() + "\n")
    rule = "evaluator must be the code that the run began with, got another in"
    code, _, err = nas("resume", "broken", "--trust-code")
    assert (code, err) == (2, f"nas: {rule} {broken}\n".replace("evaluator", "--evaluator"))
    code, _, err = nas("resume", "broken", "--evaluator", "own.py:evaluate")
    assert (code, err) == (2, f"nas: --{rule} {broken}\n")
    code, _, err = nas("resume", "broken", "--space", "own.py:evaluate")
    assert (code, err.count("\n")) == (2, 1)
    assert "--space must be left out unless the run has one of its own" in err


def test_no_command_repeats_code_that_only_a_run_names(nas, broken):
    code, _, err = nas("search", "--like", "broken")
    rule = "nas: --like must be a run without an evaluator in a file, unless --evaluator names it again"
    assert (code, err) == (2, f"{rule}, got broken with {broken}:evaluate\n")


def test_other_commands_take_no_evaluation_of_ones_own(nas, write):
    write("return 0.5")
    code, _, err = nas("scale", "--base", "efficientnet-b0", "--evaluator", "own.py:evaluate", "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert "must be train, table:FILE or predictor:FILE" in err


def test_a_function_given_in_python_is_resumed_with_it(tmp_path, monkeypatch, nas):
    calls, same = [], {"controller": "random", "address": "inline", "quiet": True, "confirm": 0}

    def evaluate(network, trial):
        calls.append(trial.trial)
        if len(calls) == 4:
            raise KeyboardInterrupt
        yield Epoch(1, 0.7, None, np.float32(0.25), 0.0)
        yield {"accuracy": np.float64(0.5), "loss": np.int64(3)}

    with pytest.raises(KeyboardInterrupt):
        library.search("mnas", evaluator=evaluate, trials=6, run="r", **same)
    code, _, err = nas("resume", "r", "--trust-code")
    assert (code, err.count("\n")) == (2, 1)
    assert "evaluator must be given again in Python, nas.resume(run, evaluator=...)" in err
    run = library.resume("r", evaluator=evaluate, quiet=True)
    assert calls == [0, 1, 2, 3, 3, 4, 5]
    assert (run.trials()["accuracy"] == 0.5).all()
    assert (run.trials()["loss"] == 3).all()
    assert run.epochs()["train_loss"].dropna().tolist() == [0.7] * 6
    with pytest.raises(
        library.InputError, match=r"^evaluator must be a function lambda\(network, trial\), got"
    ):
        library.search("mnas", evaluator=lambda network: 0.5, run="no", **same)
    with pytest.raises(library.InputError, match="must be train for nas plan"):
        library.plan("mnas", evaluator=evaluate, quiet=True)


@pytest.mark.slow
def test_on_ray_a_file_and_a_function_give_what_they_give_inline(nas, write, tmp_path):
    write(
        "import helper",
        "if trial.trial == 1: raise ValueError('no')",
        "for epoch in range(2):",
        "    yield {'accuracy': helper.half(trial.seed % 1000) / 1000, 'f1': epoch}",
    )
    (tmp_path / "helper.py").write_text("def half(number): return number / 2\n")
    assert nas(*QUICK, "--run", "inline")[0] == 0
    assert nas(*SEARCH, "--workers", 2, "--trials", 6, "--confirm", 0, "--run", "ray")[0] == 0
    rows = [open_run(run).trials() for run in ("inline", "ray")]
    rows = [one.drop(columns=["seconds", "started", "finished", "worker"]) for one in rows]
    pd.testing.assert_frame_equal(*rows)
    assert rows[1]["error"][1] == f"ValueError: no: {tmp_path}/own.py, line 3"
    seeds = {"factor": 1000}  # a closure travels, too

    def evaluate(network, trial):
        return trial.seed % seeds["factor"] / 1000

    run = library.search(
        "mnas", evaluator=evaluate, controller="random", workers=2, trials=4, confirm=0, run="p", quiet=True
    )
    trials = run.trials()
    assert trials["accuracy"].tolist() == [seed % 1000 / 1000 for seed in trials["seed"]]


@pytest.mark.slow
def test_asha_stops_by_what_it_yields_and_the_time_limit_holds(nas, write):
    write(
        "import time",
        "if trial.trial == 0: time.sleep(30)",
        "for epoch in range(9):",
        "    yield {'accuracy': (trial.seed % 1000) / 1000, 'f1': 1.0}",
    )
    asha = ["--scheduler", "asha", "--proxy", "epochs=9", "--trial-timeout", "6s", "--target", "f1=1"]
    code, _, err = nas(*SEARCH, "--workers", 1, "--trials", 16, "--confirm", 0, *asha, "--run", "r")
    assert (code, err) == (0, "")
    trials = open_run("r").trials()
    assert trials["error"][0] == "it took longer than 6 s, its time limit"
    assert 9 in set(trials["epochs"].dropna())
    assert {1, 3} & set(trials["epochs"].dropna())  # stopped, with all measures
    assert (trials["status"][1:] == "done").all()


def test_escape_sequences_of_an_error_are_spelled(nas, write):
    write("raise ValueError(chr(27) + '[31m<b>red</b>')")
    code, out, err = nas(*QUICK, "--run", "r")
    assert code == 1
    assert "\x1b" not in out + err
    assert "trial 0: failed: ValueError: \\x1b[31m<b>red</b>: " in out


def test_an_async_function_is_refused(nas, write):
    file = write("return 0.5", head="async def evaluate(arch, trial):")
    code, _, err = nas(*QUICK, "--run", "no")
    rule = "must be a function that is not async"
    assert (code, err) == (2, f"nas: --evaluator {rule}, got evaluate: {file}, line 1\n")


def test_where_seeds_make_no_difference_it_is_said(nas, write):
    write("return arch.stages[0].channels / 100")
    code, out, _ = nas(*QUICK[:-2], "--confirm", 2, "--run", "r")
    assert code == 0
    assert "No seed noise was seen: 2 networks trained again, on 4 fresh seeds in all, had the same" in out
