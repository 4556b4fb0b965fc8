"""``nas spaces``, and searches of spaces that are written as TOML."""

import json
import shutil

import pandas as pd
import pytest
from fakes import TABLE, few_images
from places import MACRO_TABLE, ROOT

from nas import open_run
from nas.runs.spaces import decisions_of
from nas.search.tables import Table
from search_spaces import SPACES, ArchSpec
from search_spaces.toml_form import read_space

RESNET = ROOT / "examples" / "resnet.toml"
SPACE = read_space(RESNET.read_text(), "resnet.toml")
TIMES = ["seconds", "started", "finished"]


def trials_of(run):
    return open_run(run).trials().drop(columns=TIMES)


@pytest.mark.parametrize("name", [*SPACES, "around:efficientnet-b0"])
def test_a_space_that_is_shown_is_a_file_that_is_right(nas, tmp_path, name):
    code, text, _ = nas("spaces", "--show", name)
    assert code == 0
    (tmp_path / "mine.toml").write_text(text)
    code, out, err = nas("spaces", "mine.toml")
    assert (code, err) == (0, "")
    own = nas("spaces", name)[1]
    assert out.splitlines()[1:-1] == own.splitlines()[1:-1]


def test_a_space_is_told_by_its_size_its_decisions_and_its_extremes(nas):
    code, out, err = nas("spaces", "nasbench-macro")
    assert (code, err) == (0, "")
    assert out.startswith("nasbench-macro: 8 decisions, 6,561 action sequences, 32 px, 10 classes\n")
    assert "layer7   identity, mb3_k3, mb6_k5" in out
    assert "Smallest network, 7.71M FLOPs: res32-relu-stem32s1-linear_r1_k1_s2_c64-" in out
    assert "Largest network, 106M FLOPs: " in out
    assert "Search it: nas search --space nasbench-macro" in out
    assert "resnet.toml: 14 decisions, 55,296 action sequences, 24 or 32 px" in nas("spaces", RESNET)[1]


def test_a_search_of_a_written_space_is_that_of_the_space_itself(nas, tmp_path):
    (tmp_path / "mine.toml").write_text(nas("spaces", "--show", "nasbench-macro")[1])
    asked = ["--evaluator", f"table:{MACRO_TABLE}", "--trials", 25]
    assert nas("search", *TABLE, "--trials", 25, "--run", "own")[0] == 0
    assert nas("search", "--space", "mine.toml", *asked, "--run", "written")[0] == 0
    pd.testing.assert_frame_equal(trials_of("own"), trials_of("written"))


def test_a_run_keeps_its_space_and_needs_the_file_no_more(nas, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text(nas("spaces", "--show", "nasbench-macro")[1])
    asked = ["--space", "mine.toml", "--evaluator", f"table:{MACRO_TABLE}", "--trials", 25]
    assert nas("search", *asked, "--run", "whole")[0] == 0

    def interrupted(self, trial, found=Table.__call__):
        if trial.trial == 12:
            raise KeyboardInterrupt
        return found(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "__call__", interrupted)
        assert nas("search", *asked, "--run", "broken")[0] == 130
    text = (tmp_path / "mine.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace("channels = 64", "channels = 32"))
    shutil.move("broken", "elsewhere")
    assert nas("resume", "elsewhere")[0] == 0
    pd.testing.assert_frame_equal(trials_of("whole"), trials_of("elsewhere"))
    assert json.loads((tmp_path / "elsewhere" / "config.json").read_text())["space_text"] == text
    assert decisions_of(open_run("elsewhere").settings, {}) == SPACES["nasbench-macro"].decisions
    (tmp_path / "mine.toml").unlink()
    for command in ("report", "show"):
        assert nas(command, "elsewhere")[0] == 0


def test_a_run_whose_space_was_damaged_is_refused_in_one_line(nas, tmp_path):
    (tmp_path / "mine.toml").write_text(nas("spaces", "--show", "nasbench-macro")[1])
    asked = ["--space", "mine.toml", "--evaluator", f"table:{MACRO_TABLE}", "--trials", 3, "--run", "r"]
    assert nas("search", *asked)[0] == 0
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    config["space_text"] = config["space_text"].replace("kernel = 5", "kernel = 6")
    (tmp_path / "r" / "config.json").write_text(json.dumps(config))
    code, _, err = nas("resume", "r")
    assert (code, err.count("\n")) == (2, 1)
    assert "stage 1: kernel must be one of (1, 3, 5, 7), got 6" in err


def check_resnets(run, trials, space):
    found = open_run(run).trials()
    assert (len(found), set(found["status"])) == (trials, {"done"})
    for arch in found["arch"]:
        space.encode(ArchSpec.parse(arch))


SHORT = ["--proxy", "resolution=16", "--proxy", "epochs=1", "--proxy", "width=0.5", "--confirm", 0]


def test_the_example_is_searched_inline(nas, tmp_path):
    few = few_images(tmp_path / "few.npz")[:2]
    asked = ["--space", RESNET, "--trials", 3, *few, *SHORT, "--address", "inline"]
    code, out, err = nas("search", *asked, "--run", "r")
    assert (code, err) == (0, "")
    assert "16 px for the largest networks' 16, half its width" in out.replace("\n", " ")
    check_resnets("r", 3, SPACE.at(16, 10))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_example_is_searched_by_two_workers_of_ray(nas, tmp_path):
    few = few_images(tmp_path / "few.npz")[:2]
    asked = ["--space", RESNET, "--trials", 4, *few, *SHORT, "--workers", 2]
    assert nas("search", *asked, "--run", "r")[0] == 0
    check_resnets("r", 4, SPACE.at(16, 10))


def test_an_audit_trains_networks_of_a_written_space(nas, tmp_path):
    few = few_images(tmp_path / "few.npz")[:2]
    asked = ["--space", RESNET, "--networks", 3, "--seeds", 1, *few, *SHORT[:-2], "--address", "inline"]
    code, _, err = nas("audit", *asked, "--run", "a")
    assert (code, err) == (0, "")
    check_resnets("a", 3, SPACE)


@pytest.mark.parametrize(
    ("words", "message"),
    {
        (
            "search",
            "--space",
            "no.toml",
        ): "--space must be a file that can be read (No such file or directory), got ",
        (
            "plan",
            "--space",
            "no.toml",
        ): "--space must be a file that can be read (No such file or directory), got ",
        (
            "audit",
            "--space",
            "no.toml",
        ): "--space must be a file that can be read (No such file or directory), got ",
        (
            "search",
            "--space",
            "bad.toml",
        ): "--space: unknown key 'resolutions'; did you mean 'resolution'? Known: ",
        ("spaces", "bad.toml"): "SPACE: unknown key 'resolutions'; did you mean 'resolution'? Known: ",
        ("spaces", "bytes.toml"): "SPACE must be a file that can be read (",
        ("spaces", "mans"): "SPACE: unknown space 'mans'; did you mean 'mnas'? Known: ",
        ("spaces", "--show", "mans"): "--show: unknown space 'mans'; did you mean 'mnas'? Known: ",
        ("spaces", "mnas", "--show", "mnas"): "--show must stand without SPACE, got mnas",
    }.items(),
)
def test_a_space_that_is_wrong_is_one_line(nas, tmp_path, words, message):
    (tmp_path / "bad.toml").write_text("resolutions = 32\n")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    code, _, err = nas(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"nas: {message}"), err
