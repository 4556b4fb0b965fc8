"""``--max-hours``: a search that ends in time, and goes on later."""

import json
import shutil

import pytest
from fakes import TABLE, compare, few_images
from places import ROOT

from nas import open_run

SHORT = ("--max-hours", "1e-9")


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("0", "--max-hours must be positive and finite, got 0.0"),
        ("-1", "--max-hours must be positive and finite, got -1.0"),
        ("nan", "--max-hours must be positive and finite, got nan"),
        ("inf", "--max-hours must be positive and finite, got inf"),
        ("1e300", "--max-hours must be at most 1,000,000, got 1e+300"),
        ("abc", "Invalid value for '--max-hours': "),
    ],
)
def test_a_time_that_is_none_is_refused_in_one_line(nas, tmp_path, value, rule):
    code, out, err = nas("search", *TABLE, "--max-hours", value, "--run", "r")
    assert (code, out) == (2, "")
    assert err.startswith(f"nas: {rule}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_its_time_ended_has_results_and_says_how_to_go_on(nas):
    code, out, err = nas("search", *TABLE, "--trials", 40, *SHORT, "--run", "r")
    assert (code, err) == (0, "")
    stopped = "It stopped after 1 of 40 trials because of --max-hours."
    assert out.splitlines()[2:4] == [out.splitlines()[2], stopped]
    assert "So far" not in out
    assert "Go on with the other trials: nas resume r\n" in out
    assert "The controller took " in out
    page = (open_run("r").directory / "report.html").read_text()
    assert "It stopped after 1 of 40 trials because of " in page
    assert "The controller took " in page
    facts = json.loads(nas("report", "r", "--json")[1])
    assert facts["stopped"] == {"after": 1, "of": 40}
    assert 0 <= facts["spent"]["busy"] <= 1
    follow = nas("report", "r", "--follow", "--json")[1].splitlines()[0]
    assert json.loads(follow)["over"]

    assert nas("resume", "r", *SHORT)[:1] == (0,)  # no time for another trial either
    assert len(open_run("r").trials()) == 1
    code, out, err = nas("resume", "r")
    assert (code, err) == (0, "")
    assert "It stopped" not in out
    assert "Go on" not in out
    assert list(open_run("r").sessions()["ended"]) == ["max_hours", "max_hours", "done"]
    nas("search", *TABLE, "--trials", 40, "--run", "whole")
    compare(open_run("whole").directory, open_run("r").directory)
    code, _, err = nas("resume", "r", *SHORT)
    assert (code, err) == (2, "nas: RUN must be unfinished, and all 40 trials are: r\n")


def test_networks_that_were_trained_again_before_a_search_went_on_are_not_once_more(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    options = ["--confirm", 1, "--confirm-seeds", 1, "--baseline", "mobilenet-v2", "--address", "inline"]
    search = ["search", "--space", "mnas", *short, *options, "--trials", 4]
    assert nas(*search, *SHORT, "--run", "r")[0] == 0
    run = open_run("r")
    again, known = run.confirmations(), run.baselines()
    assert list(again["trial"]) == [0]
    assert len(known) == 1
    assert json.loads((tmp_path / "r" / "best.json").read_text())["trial"] == 0
    code, out, err = nas("resume", "r")
    assert (code, err) == (0, "")
    assert out.count("trial 0: ") == 0
    assert run.baselines().equals(known)
    best = run.trials()["reward"].idxmax()
    assert set(run.confirmations()["trial"]) == {0, best}
    nas(*search, "--run", "whole")
    compare(tmp_path / "whole", tmp_path / "r")
    assert set(open_run("whole").confirmations()["trial"]) == {best}


def test_a_search_that_went_on_and_was_killed_before_its_last_files_writes_them(nas, tmp_path, monkeypatch):
    nas("search", *TABLE, "--trials", 40, *SHORT, "--run", "r")
    with monkeypatch.context() as killed:
        killed.setattr("nas.launch.resume.finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        assert nas("resume", "r")[0] == 130
    assert set(open_run("r").trials()["status"]) == {"done"}
    assert not (tmp_path / "r" / "best.json").exists()
    assert nas("resume", "r")[0] == 0
    best = json.loads((tmp_path / "r" / "best.json").read_text())
    assert best["reward"] == open_run("r").trials()["reward"].max()


def test_only_a_search_has_a_time(nas, tmp_path):
    shutil.copytree(ROOT / "tests" / "runs_of_0.1" / "audit-interrupted", tmp_path / "r")
    code, _, err = nas("resume", "r", "--max-hours", 1)
    assert (code, err) == (2, "nas: --max-hours must be left out where nothing is searched, got 1\n")


def test_the_plan_says_how_many_trials_fit(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    plan = ["plan", "--space", "mnas", *short, "--trials", 100_000]
    out = nas(*plan, "--max-hours", 0.001)[1]
    assert "With --max-hours 0.001 about " in out
    assert " of the 100000 trials fit." in out
    assert "trials fit" not in nas(*plan, "--max-hours", 1e6)[1]
