"""What is said of a search: its target, what differs between runs, and how it looks in a notebook."""

import dataclasses
import re
import shutil
import sqlite3

import pytest
from fakes import TABLE, Fake, new_search

from nas import Objective, open_run
from nas.launch.inline import run_inline
from nas.runs.comparison import comparison, differences
from nas.runs.config import write_config
from nas.runs.kinds import summary
from nas.runs.notebook import MOST_ROWS
from nas.runs.search_words import NEAR, nearer, search_verdict, target_lines
from nas.screens.report import comparison_parts, random_lines
from nas.spec.recipe import Recipe
from nas.spec.settings import Settings
from reports.numbers import percent, plus_minus


def searched(nas, target="60M", *options):
    words = [*TABLE, "--trials", 200, "--controller", "random", "--target-flops", target, *options]
    assert nas("search", *words, "--run", "r", "-q")[0] == 0
    return open_run("r").snapshot()


def fake_run(directory, *, trials=8, confirmations=0, price=None, **changes):
    """A run of fake trainings; ``price`` is the resolution and the number of classes."""
    settings = Settings("nasbench-macro", trials, "digits", "train", "random", Objective(55e6), Recipe())
    settings = dataclasses.replace(settings, confirmations=confirmations, confirm_seeds=2, **changes)
    directory.mkdir()
    facts = {"cost": dict(zip(("resolution", "num_classes"), price, strict=True))} if price else {}
    write_config(directory, settings.to_json(), **facts)
    options = {"confirmations": confirmations, "confirm_seeds": 2, "controller": "random", "trials": trials}
    journal, search = new_search(directory, create=True, **options)
    with journal:
        run_inline(search, Fake())
    return open_run(directory)


def test_an_exponent_of_nothing_has_no_sign(nas, monkeypatch):
    run = searched(nas)
    monkeypatch.setattr("nas.runs.search_words.TRIED", (0.0,))
    monkeypatch.setattr("nas.runs.search_words.NEAR", 1e9)
    assert next(options for options, _ in nearer(run)) == "--exponent 0"


def test_what_would_go_to_the_target_is_what_ranking_again_says(nas):
    run = searched(nas)
    (line,) = target_lines(run)
    assert "far below the target of 60.0M" in line
    found = re.findall(r"((?:--\w+ [\w.-]+(?: or )?)+) would choose trial (\d+)", line)
    assert found
    for options, trial in found:
        for option in options.strip().split(" or "):
            name, value = option.removeprefix("--").split()
            changed = {"exponent": float(value)} if name == "exponent" else {"kind": value}
            chosen = run.rerank(60e6, **changed).iloc[0]
            assert chosen["trial"] == int(trial)
            assert 1 / NEAR <= chosen["flops"] / 60e6 <= NEAR
            out = nas("report", "r", *option.split())[1]
            assert f"It would choose trial {trial} " in out.splitlines()[0]


def test_nothing_is_said_of_a_target_that_was_met(nas):
    assert target_lines(searched(nas, "35M")) == []


@pytest.mark.parametrize(("target", "side"), [("4G", "below"), ("1k", "above")])
def test_a_target_out_of_reach_is_said_to_be_one(nas, target, side):
    run = searched(nas, target)
    assert list(nearer(run)) == []
    (line,) = target_lines(run)
    assert f"far {side} the target" in line
    assert "would choose" not in line.replace("would choose a network near it", "")
    assert "The nearest that was tried is trial " in line


def test_the_front_shows_where_the_target_is(nas):
    searched(nas)
    lines = [line.strip() for line in nas("report", "r")[1].splitlines()]
    rows = lines[lines.index("Pareto front: accuracy against FLOPs") + 2 :]
    rows = rows[: next(number for number, row in enumerate(rows) if row.startswith("Stages: "))]
    (place,) = (number for number, row in enumerate(rows) if row.startswith("target"))
    front = open_run("r").pareto()
    assert place == (front["flops"] <= 60e6).sum()
    assert len(rows) == len(front) + 1


def test_the_same_quantity_is_the_same_number_and_has_one_name(tmp_path):
    run = fake_run(tmp_path / "r", trials=20, confirmations=3).snapshot()
    best, verdict = run.best_trial(), search_verdict(run)
    assert f"accuracy {plus_minus(best['accuracy'], best['accuracy_error'])}" in verdict
    assert f"expected reward {plus_minus(best['reward'], best['reward_error'])}" in verdict
    assert f"with a probability of {percent(best['p_best'])}" in verdict
    single = summary(run)["baseline"]
    (line,) = random_lines(single)
    assert f"the best reward of a single trial is {run.trials()['reward'].max():.4f}" in line


def test_runs_that_differ_in_proxy_data_or_classes_are_compared_with_a_warning(tmp_path):
    longer = Recipe(epochs=12, width=0.5)
    a = fake_run(tmp_path / "a", price=(224, 1000))
    b = fake_run(tmp_path / "b", recipe=longer, price=(32, 5))
    c = fake_run(tmp_path / "c", data="folder:photos")
    d = fake_run(tmp_path / "d", evaluator="table:x.csv")
    assert differences([a, a]) == []
    proxies, shape = differences([a, b])
    assert proxies == (
        f"Warning: the proxies differ, so accuracies do not compare: width is 0.25 in {a.directory}, 0.5 in "
        f"{b.directory}; epochs is 6 in {a.directory}, 12 in {b.directory}."
    )
    assert f"resolution is 224 in {a.directory}, 32 in {b.directory}; classes is 1000" in shape
    (data,) = differences([a, c])  # c has not noted its classes
    assert f"data is digits in {a.directory}, folder:photos in {c.directory}" in data
    assert [line.split(",")[0] for line in differences([a, d])] == ["Warning: the evaluators differ"]
    assert len(differences([a, b, c])) == 3
    assert f"digits in {a.directory} and {b.directory}, folder:photos" in differences([a, b, c])[1]
    parts = comparison_parts(*comparison([a, b]))
    assert parts[1:3] == [proxies, shape]
    assert parts[0].endswith("but these runs do not compare:")


def test_a_notebook_shows_what_a_run_is_and_its_front(tmp_path):
    run = fake_run(tmp_path / "<b>&", trials=20, confirmations=3)
    html = run._repr_html_()
    assert "Architecture search: nasbench-macro, digits" in html
    assert search_verdict(run).replace(" (*)", "") in html
    assert html.count("<tr>") == 1 + min(MOST_ROWS, len(run.pareto()))
    assert f"{run.best_trial()['trial']} ★" in html
    assert "&lt;b&gt;&amp;" in html
    assert "<b>&" not in html


def test_a_notebook_shows_runs_in_progress_empty_and_damaged_ones_too(tmp_path):
    run = fake_run(tmp_path / "r")
    edit = "UPDATE trials SET status = 'running', accuracy = NULL, reward = NULL WHERE trial >= {}"
    with sqlite3.connect(tmp_path / "r" / "run.db") as db:
        db.execute(edit.format(5))
    assert "So far, after 5 of 8 trials, the best of " in run._repr_html_()
    with sqlite3.connect(tmp_path / "r" / "run.db") as db:
        db.execute(edit.format(0))
    assert "Nothing is known yet" in run._repr_html_()
    with sqlite3.connect(tmp_path / "r" / "run.db") as db:
        db.execute("DROP TABLE trials")
    db.close()
    assert "This run cannot be read" in run._repr_html_()
    for text in ("{}", "[", '{"objective": 1}'):
        (tmp_path / "r" / "config.json").write_text(text)
        assert "This run cannot be read" in run._repr_html_()
    shutil.rmtree(tmp_path / "r")
    assert "This run cannot be read" in run._repr_html_()
