"""``--controller FILE.py:NAME``: a controller of the user's own, which runs only if somebody names it."""

import json
import shutil

import pandas as pd
import pytest
from fakes import TABLE, interrupted_at
from places import ROOT

from nas import open_run

TEXT = (ROOT / "examples" / "my_controller.py").read_text()
OWN = ["--controller", "own.py:HillClimbing"]
TIMES = ["seconds", "started", "finished"]


@pytest.fixture
def own(tmp_path):
    """The example's file, which leaves a mark whenever it runs."""
    mark = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"
    (tmp_path / "own.py").write_text(f"{TEXT}\n{mark}\n")
    return tmp_path / "own.py"


@pytest.fixture
def broken(nas, own, monkeypatch):
    """The run ``broken``, interrupted, whose file has left no mark."""

    with interrupted_at(monkeypatch, 17):
        assert nas("search", *TABLE, *OWN, "--trials", 25, "--run", "broken")[0] == 130
    (own.parent / "ran").unlink()
    return own.parent / "broken"


def test_a_controller_of_ones_own_is_resumed_exactly_where_it_is_trusted(nas, own, broken, monkeypatch):
    assert nas("search", *TABLE, *OWN, "--trials", 25, "--run", "whole")[0] == 0
    shutil.move(broken, "elsewhere")
    code, out, err = nas("resume", "elsewhere", "--trust-code")
    assert (code, err) == (0, "")
    assert "slightly different numbers" not in out
    whole, resumed = (open_run(run).trials().drop(columns=TIMES) for run in ("whole", "elsewhere"))
    pd.testing.assert_frame_equal(whole, resumed)
    config = json.loads((own.parent / "whole" / "config.json").read_text())
    assert config["controller"] == f"{own}:HillClimbing"
    assert len(config["files"]["controller"]) == 64
    line = f"As controller it ran the code {own}:HillClimbing (SHA-256 {config['files']['controller']})."
    assert line in (own.parent / "whole" / "report.html").read_text()


def test_no_command_runs_the_code_that_only_a_run_names(nas, own, broken):
    code, _, err = nas("resume", "broken")
    assert (code, err) == (2, f"nas: --trust-code must be given to run the code of {own}:HillClimbing\n")
    code, _, err = nas("search", "--like", "broken")
    rule = "nas: --like must be a run without a controller in a file, unless --controller names it again"
    assert (code, err) == (2, f"{rule}, got broken with {own}:HillClimbing\n")
    for command in ("report", "show"):
        assert nas(command, "broken")[0] == 0
    assert not (own.parent / "ran").exists()


def test_a_changed_file_is_refused(nas, own, broken):
    own.write_text(own.read_text().replace("0.1", "0.2"))
    code, _, err = nas("resume", "broken", "--trust-code")
    assert (code, err.count("\n")) == (2, 1)
    assert err == f"nas: controller must be the code that the run began with, got another in {own}\n"
    assert not (own.parent / "ran").exists()


MADE = "must be made by HillClimbing(space, seed=0), got "
ALL = "must have ask, tell, state_dict, load_state_dict; HillClimbing lacks "
CLASS = "class HillClimbing:\n  def __init__(self, space, seed): "
WRONG = {
    "def HillClimbing(space): ...": MADE + "HillClimbing(space): {}, line 1",
    "HillClimbing = 3": MADE + "int: {}",
    "def HillClimbng(space, seed): ...": "unknown name 'HillClimbing'; did you mean 'HillClimbng'? ",
    "\nx = = 3": "must be Python (invalid syntax): {}, line 2",
    "\n\nx = 1 / 0": "must be Python that runs, got ZeroDivisionError (division by zero): {}, line 3",
    CLASS + "1 / 0": "must be made without an error, got ZeroDivisionError (division by zero): {}, line 2",
    CLASS + "...\n  def ask(self): ...": ALL + "tell, state_dict, load_state_dict: {}",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items())
@pytest.mark.parametrize("command", ["search", "plan"])
def test_a_file_that_has_no_controller_is_one_line(nas, tmp_path, command, text, message):
    (tmp_path / "own.py").write_text(text)
    code, _, err = nas(command, *TABLE, *OWN, "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert (
        err.removeprefix("nas: --controller").lstrip(": ").startswith(message.format(tmp_path / "own.py"))
    ), err
    assert not (tmp_path / "no").exists()


def test_a_file_that_is_not_there_or_settings_that_it_cannot_take_are_one_line(nas, own):
    code, _, err = nas("search", *TABLE, "--controller", "no.py:A", "--run", "no")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(
        "nas: --controller must be a file that can be read (No such file or directory), got "
    )
    code, _, err = nas("search", *TABLE, *OWN, "--set", "rate=1", "--run", "no")
    assert (code, err) == (2, "nas: --set must be left out with a controller of your own, got rate\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return self.space.sample(self.rng)", "return (0,)", "takes 8 actions, got 1): {}"),
        (
            "return self.space.sample(self.rng)",
            "return None",
            "got TypeError ('NoneType' object is not iterable): {}",
        ),
        ("if reward is not None and", "if 1 / 0 or", "tell must take what was asked, got ZeroDivisionError"),
    ],
)
def test_a_mistake_of_a_controller_ends_the_run_in_one_line(nas, own, old, new, message):
    own.write_text(own.read_text().replace(old, new))
    code, _, err = nas("search", *TABLE, *OWN, "--trials", 5, "--run", "r")
    assert (code, err.count("\n")) == (1, 1)
    assert message.format(own) in err, err


def test_a_file_without_a_name_is_one_line(nas, own):
    code, _, err = nas("search", "--space", "mnas", "--controller", "climb.py", "--run", "no")
    assert (code, err) == (2, "nas: --controller must read FILE.py:NAME, got climb.py\n")
