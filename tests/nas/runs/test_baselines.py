"""Known networks, trained beside the choice: journalled, resumed, and said."""

import sqlite3

import pandas as pd
import pytest
from fakes import Fake, new_search

from nas import open_run
from nas.launch.inline import run_inline
from nas.runs.baselines import baseline_lines, compared
from nas.search.confirm import Confirm
from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.settings import Settings
from nas.spec.task import Task
from nas.spec.trial import Epoch
from search_spaces import PRESETS, cost

KNOWN = {name: PRESETS[name] for name in ("efficientnet-b0", "mobilenet-v2")}


def run_to_end(directory, evaluator, *, create):
    options = {"trials": 6, "controller": "random", "confirm": Confirm(2, 2, KNOWN)}
    journal, search = new_search(directory, create=create, **options)
    with journal:
        run_inline(search, evaluator)
        return search


def test_known_networks_are_trained_once_on_each_seed_of_the_confirmation(tmp_path):
    search = run_to_end(tmp_path, Fake(), create=True)
    assert search.standing.confirmed == search.standing.confirmations == 2 * 2 + 2 * 2
    rows = open_run(tmp_path).baselines()
    assert rows["name"].tolist() == ["efficientnet-b0"] * 2 + ["mobilenet-v2"] * 2
    assert rows["seed"].is_unique
    assert not set(rows["seed"]) & set(open_run(tmp_path).confirmations()["seed"])
    assert rows["flops"].tolist() == [cost(KNOWN[name], 10).flops for name in rows["name"]]
    assert rows["accuracy"].notna().all()
    again = Fake()
    run_to_end(tmp_path, again, create=False)
    assert again.trained == []


def test_a_killed_run_trains_only_the_known_networks_that_are_left(tmp_path):
    run_to_end(tmp_path, Fake(), create=True)
    before = open_run(tmp_path).baselines()
    with sqlite3.connect(tmp_path / "run.db") as db:
        db.execute("DELETE FROM baselines WHERE seed = ?", (int(before["seed"][3]),))
    fake = Fake()
    run_to_end(tmp_path, fake, create=False)
    assert [seed for _, seed, _ in fake.trained] == [before["seed"][3]]
    measured = ["seconds", "finished"]
    pd.testing.assert_frame_equal(
        *(frame.drop(columns=measured) for frame in (open_run(tmp_path).baselines(), before))
    )


def test_without_known_networks_the_same_is_trained(tmp_path):
    fakes = Fake(), Fake()
    for name, fake, known in zip("ab", fakes, ({}, KNOWN), strict=True):
        (tmp_path / name).mkdir()
        confirm = Confirm(2, 2, known)
        journal, search = new_search(tmp_path / name, create=True, controller="rnn", confirm=confirm)
        with journal:
            run_inline(search, fake)
    assert fakes[1].trained[:-4] == fakes[0].trained


class Given:
    """An evaluator that gives known networks ``theirs`` and others ``ours``, 0.1 less on the test part."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs

    def __call__(self, trial):
        accuracy = (self.theirs if trial.baseline else self.ours) + (trial.seed % 3 - 1) * 0.001
        yield Epoch(1, 1.0, 1.0, accuracy, 0.0, test_accuracy=accuracy - 0.1 if trial.confirms else None)


def judged(directory, theirs, test=10_000):
    """What is found of a choice with an accuracy of 0.8, and the run."""
    directory.mkdir()
    run_to_end(directory, Given(0.8, theirs), create=True)
    run = open_run(directory).snapshot()
    settings = Settings(
        *("nasbench-macro", 6, "digits", "train", "random", Objective(55e6), Recipe()),
        task=Task(classes=10, train=1000, valid=10_000, test=test),
        baselines={name: str(arch) for name, arch in KNOWN.items()},
    )
    run.once("settings", lambda: settings)  # in place of the config.json, which this run has not
    return compared(run), run


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (0.75, "is 5.0 ±0.7 points better than"),
        (0.85, "is 5.0 ±0.6 points worse than"),
        (0.80, "cannot be told from"),
    ],
)
def test_one_sentence_says_whether_the_choice_is_better(tmp_path, theirs, words):
    found, run = judged(tmp_path / "r", theirs)
    ratio = run.best_trial()["flops"] / found["networks"][0]["flops"]
    (line,) = baseline_lines(found)
    assert f"The choice {words} efficientnet-b0 at {ratio:.2g}x its FLOPs" in line
    assert line.endswith("(10,000 test images, 2 fresh training runs of each).")
    assert found["networks"][0]["accuracy"] == pytest.approx(theirs, abs=0.002)


def test_few_test_images_do_not_judge(tmp_path):
    found, _ = judged(tmp_path / "r", 0.7, test=29)
    assert found["part"] == "validation"
    assert "(10,000 validation images" in baseline_lines(found)[0]


def test_fewer_images_make_the_error_larger(tmp_path):
    found, _ = judged(tmp_path / "r", 0.75, test=100)
    by_images = (0.7 * 0.3 / 100 + 0.65 * 0.35 / 100) ** 0.5
    assert found["networks"][0]["difference_error"] == pytest.approx(by_images, rel=0.05)


def test_older_runs_have_none(tmp_path):
    journal, search = new_search(tmp_path, create=True, trials=4, controller="random")
    with journal:
        run_inline(search, Fake())
    with sqlite3.connect(tmp_path / "run.db") as db:
        db.execute("DROP TABLE baselines")
        db.execute("PRAGMA user_version = 4")
    found = open_run(tmp_path).baselines()
    assert len(found) == 0
    assert "flops" in found
