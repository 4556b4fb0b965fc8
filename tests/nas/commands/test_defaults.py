"""Options from a file, the environment and an earlier run."""

import json
import re
import shutil
import tomllib

import pytest
from fakes import TABLE, compare, few_images
from places import ROOT

from nas import open_run

SPACE, EVALUATOR = TABLE[1], TABLE[3]
BASE = f"space = '{SPACE}'\nevaluator = '{EVALUATOR}'\n"


def settings(run):
    """What a run was asked, without where it is."""
    config = open_run(run).config
    return {name: value for name, value in config.items() if name not in ("command", "environment")}


def test_the_command_line_is_over_the_file_over_the_environment_over_defaults(nas, tmp_path, monkeypatch):
    (tmp_path / "s.toml").write_text(f"{BASE}trials = 5\nseed = 2\n")
    for name, value in (("TRIALS", "4"), ("SEED", "3"), ("CONTROLLER", "random"), ("QUIET", "yes")):
        monkeypatch.setenv(f"NAS_SEARCH_{name}", value)
    assert nas("search", "--config", "s.toml", "--trials", 6, "--run", "r") == (0, "", "")
    found = settings("r")
    assert (found["trials"], found["seed"], found["controller"]) == (6, 2, "random")
    assert found["space"] == SPACE
    words = open_run("r").config["command"]
    assert words[words.index("--seed") + 1] == "2"


@pytest.mark.parametrize("command", ["search", "scale", "train", "audit", "plan"])
def test_a_file_with_every_option_is_written_and_says_what_the_defaults_say(nas, tmp_path, command):
    code, out, err = nas(command, "--write-config")
    assert (code, err) == (0, "")
    assert tomllib.loads(out) == {}
    options = re.findall(r"^# (\w+ = .*)$", out, re.MULTILINE)
    assert len(options) > 6
    assert tomllib.loads("\n".join(options))["seed" if command != "scale" else "phi"] in (0, 1.0)
    (tmp_path / "all.toml").write_text("\n".join(options))
    first = nas(command, "--config", "all.toml", "--run", ".")
    assert first[0] == 2  # all of it is understood; what comes next is refused
    assert "all.toml" not in first[2]


def test_given_options_are_written_as_they_are_and_give_the_same_run(nas, tmp_path):
    given = [*TABLE, "--trials", 7, "--set", "initial=3", "--target-flops", "55M", "--no-tune"]
    code, out, err = nas("search", *given, "--write-config")
    assert (code, err) == (0, "")
    assert tomllib.loads(out) == {
        "space": SPACE, "evaluator": EVALUATOR, "trials": 7, "controller_settings": ["initial=3"],
        "target_flops": "55M", "tune": False,
    }  # fmt: skip
    (tmp_path / "s.toml").write_text(out)
    assert nas("search", "--config", "s.toml", "--run", "file", "-q") == (0, "", "")
    assert nas("search", *given, "--run", "line", "-q") == (0, "", "")
    assert settings("file") == settings("line")
    assert list(tmp_path.glob("runs")) == []


def test_a_file_has_values_that_are_natural_to_toml(nas, tmp_path):
    (tmp_path / "s.toml").write_text(
        f"{BASE}target-flops = 55e6\nset = {{initial = 3}}\nmax_retries = 0\n[proxy]\nepochs = 4\n"
    )
    code, _, err = nas(
        "search", "--config", "s.toml", "--trials", 3, "--proxy", "width=0.5", "--run", "r", "-q"
    )
    assert (code, err) == (0, "")
    found = settings("r")
    assert found["objective"]["target_flops"] == 55e6
    assert found["controller_settings"]["initial"] == 3
    assert (found["recipe"]["epochs"], found["recipe"]["width"]) == (4, 0.5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("space = 'mnas'\n\ntrails = 3", "s.toml, line 3: unknown option 'trails'; did you mean 'trials'?"),
        (
            "space = 'mnas'\n[proxies]\na = 1",
            "s.toml, line 2: unknown option 'proxies'; did you mean 'proxy'?",
        ),
        ("trials = '3'", "s.toml, line 1: trials must be of type int, got '3'"),
        ("\ntune = 1", "s.toml, line 2: tune must be true or false, got 1"),
        ("data = ''", "s.toml, line 1: data must not be empty"),
        ("trials = 0", "trials in s.toml must be at least 1, got 0"),
        ("controller = 'none'", "controller in s.toml: unknown controller 'none'"),
        ("trials = ", "--config must be a TOML file (Invalid value (at end of document)), got s.toml"),
        ("trials = 1\ntrials = 2", "--config must be a TOML file (Cannot overwrite a value"),
        ("config = 's.toml'", "s.toml, line 1: unknown option 'config'"),
        ("help_set = true", "s.toml, line 1: unknown option 'help_set'"),
        ("a = " + "[" * 5000, "--config must be a TOML file ("),
    ],
)
def test_a_file_that_is_wrong_is_one_line_with_its_line(nas, tmp_path, text, line):
    (tmp_path / "s.toml").write_text(text)
    space = [] if text.startswith("space") else ["--space", SPACE]
    code, out, err = nas("search", *space, "--evaluator", EVALUATOR, "--config", "s.toml")
    assert (code, out) == (2, "")
    assert err.startswith(f"nas: {line}"), err
    assert err.count("\n") == 1


@pytest.mark.parametrize("file", ["none.toml", "."])
def test_a_file_that_is_not_there_is_refused(nas, file):
    code, _, err = nas("search", *TABLE, "--config", file)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("nas: --config must be a TOML file (")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("NAS_SEARCH_TRIALS", "x", "NAS_SEARCH_TRIALS must be of type int, got 'x'"),
        ("NAS_SEARCH_TRIALS", "0", "NAS_SEARCH_TRIALS must be at least 1, got 0"),
        ("NAS_SEARCH_TUNE", "maybe", "NAS_SEARCH_TUNE must be true or false, got 'maybe'"),
        ("NAS_SEARCH_TRAILS", "1", "unknown variable 'NAS_SEARCH_TRAILS'; did you mean 'NAS_SEARCH_TRIALS'?"),
        ("NAS_SEARCH_PROXY", "epochs", "NAS_SEARCH_PROXY must read NAME=VALUE, got 'epochs'"),
    ],
)
def test_a_variable_that_is_wrong_is_one_line_with_its_name(nas, monkeypatch, name, value, line):
    monkeypatch.setenv(name, value)
    code, out, err = nas("search", *TABLE)
    assert (code, out) == (2, "")
    assert err.startswith(f"nas: {line}"), err
    assert err.count("\n") == 1


def test_a_plan_takes_the_environment_of_the_search(nas, monkeypatch):
    for name, value in (("SPACE", SPACE), ("EVALUATOR", EVALUATOR), ("TRIALS", "9")):
        monkeypatch.setenv(f"NAS_SEARCH_{name}", value)
    assert json.loads(nas("plan", "--json")[1]) == {"trials": 9, "trained": 0}


def test_a_search_like_another_is_the_same_but_for_what_is_changed(nas, tmp_path):
    given = ["--trials", 12, "--target-flops", "55M", "--reward", "hard", "--set", "initial=4", "--seed", 3]
    assert nas("search", *TABLE, *given, "--run", "first", "-q") == (0, "", "")
    assert nas("search", "--like", "first", "--run", "again", "-q") == (0, "", "")
    assert settings("again") == settings("first")
    compare(tmp_path / "first", tmp_path / "again")
    changed = ["--trials", 5, "--set", "initial=2", "--reward", "soft"]
    assert nas("search", "--like", "first", *changed, "--run", "changed", "-q") == (0, "", "")
    found = settings("changed")
    assert (found["trials"], found["seed"], found["controller_settings"]["initial"]) == (5, 3, 2)
    objective = {"target_flops": 55e6, "exponent": -0.07, "kind": "soft", "targets": [], "maximize": []}
    assert found["objective"] == objective
    other = ["--controller", "random", "--run", "random", "-q"]  # which has none of dyna's settings
    assert nas("search", "--like", "first", *other) == (0, "", "")


def test_a_search_that_trains_can_be_repeated(nas, tmp_path):
    short = few_images(tmp_path / "few.npz")
    options = [
        "--confirm",
        1,
        "--confirm-seeds",
        1,
        "--baseline",
        "mobilenet-v2",
        "--class-weights",
        "balanced",
    ]
    where = ["--address", "inline", "--cache-size", "1G", "--max-retries", 1]
    assert (
        nas("search", "--space", "mnas", *short, *options, *where, "--trials", 2, "--run", "r", "-q")[0] == 0
    )
    assert nas("search", "--like", "r", "--run", "again", "-q") == (0, "", "")
    assert settings("again") == settings("r")
    compare(tmp_path / "r", tmp_path / "again")
    assert nas("search", "--like", "r", "--proxy", "epochs=1", "--trials", 1, "--run", "less", "-q")[0] == 0
    recipe = settings("less")["recipe"]
    assert (recipe["epochs"], recipe["resolution"], recipe["class_weights"]) == (1, 8, "balanced")


def test_a_space_in_a_file_need_not_be_there_any_more_to_search_it_again(nas, tmp_path):
    (tmp_path / "mine.toml").write_text(nas("spaces", "--show", "nasbench-macro")[1])
    words = ["search", "--evaluator", EVALUATOR, "--controller", "random", "--trials", 5, "-q"]
    assert nas(*words, "--space", "mine.toml", "--run", "first") == (0, "", "")
    (tmp_path / "mine.toml").unlink()
    assert nas("search", "--like", "first", "--run", "again", "-q") == (0, "", "")
    assert nas(*words, "--space", "first", "--run", "named") == (0, "", "")
    for run in ("again", "named"):
        assert settings(run) == settings("first")
        compare(tmp_path / "first", tmp_path / run)
    config = json.loads((tmp_path / "first" / "config.json").read_text())
    config |= {"space": "evil.py:Space", "space_text": ""}
    (tmp_path / "first" / "config.json").write_text(json.dumps(config))
    code, _, err = nas(*words, "--space", "first")
    rule = "nas: --space must be a run with a space of this package or a TOML file"
    assert (code, err) == (2, f"{rule}, got first with evil.py:Space\n")


def test_only_a_search_can_be_repeated(nas):
    assert nas("scale", "--preset", "efficientnet", "--run", "r", "-q")[0] == 0
    rule = "RUN must have valid settings in its config.json (space is missing): r"
    assert nas("search", "--like", "r")[::2] == (2, f"nas: {rule}\n")
    rule = "--like must be a run of nas search, got none, where there is no config.json"
    assert nas("search", "--like", "none")[::2] == (2, f"nas: {rule}\n")
    shutil.copytree(ROOT / "tests" / "runs_of_0.1" / "audit-interrupted", "audit")
    code, _, err = nas("search", "--like", "audit")
    line = "nas: --like must be a run of nas search, got audit, a run of kind audit\n"
    assert (code, err) == (2, line)
